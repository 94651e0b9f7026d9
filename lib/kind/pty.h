/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals that the job has made itself. */
#ifndef PK_KIND_PTY_H
#define PK_KIND_PTY_H

#include "kind/kind.h"

/*
 * The inherited descriptor of the master of the terminal that a session leader controls; -1: none.
 * A session gets its terminal before any other process is born into it.
 */
int pk_ctty_master(const struct pk_target *t, uint32_t task);

#endif
