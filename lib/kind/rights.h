/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that were sent through Unix sockets and not yet received: unix(7), SCM_RIGHTS. */
#ifndef PK_KIND_RIGHTS_H
#define PK_KIND_RIGHTS_H

#include "kind/kind.h"

/*
 * The record of what is in flight in a socket, 0: nothing. Then its messages are sent later,
 * through what is given under that record.
 */
uint32_t pk_rights_of(const struct pk_target *t, uint32_t sock);

#endif
