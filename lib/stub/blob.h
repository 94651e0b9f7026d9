/* SPDX-License-Identifier: Apache-2.0 */
/* The built stub. Its entry is its first byte: rdi = struct pk_prog *, rsp = end of a stack. */
#ifndef PK_STUB_BLOB_H
#define PK_STUB_BLOB_H

extern const unsigned char pk_stub_blob[];
extern const unsigned char pk_stub_blob_end[];

#endif
