/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of docs/FORMAT.md. Only this folder includes them; all are little endian on disk. */
#ifndef PK_IMAGE_FORMAT_H
#define PK_IMAGE_FORMAT_H

#define PK_FORMAT_MAJOR 1u
#define PK_FORMAT_MINOR 0u

/* core.pk: the header */
#define PK_CORE_SIGNATURE "\x89PCKPT\r\n"
#define PK_CORE_HEADER    40u
#define PK_CORE_SUMMED    32u          /* bytes of the header that its sum covers */
#define PK_CORE_MAX       (1ull << 30) /* bytes of a records file */
#define PK_CORE_INCOMPAT  0u           /* features that this version can read */
#define PK_ARCH_X86_64    62u          /* ELF's number of the architecture */

/* core.pk: records and fields. A record's sum comes first and covers all that follows it. */
#define PK_REC_HEADER 32u
#define PK_REC_SUM    8u
#define PK_REC_MUST   1u /* a reader that does not know the type must refuse the image */
#define PK_ELEM_HEAD  8u
#define PK_DEPTH_MAX  8u /* lists within lists */

enum pk_wire { PK_WIRE_INT = 1, PK_WIRE_STR = 2, PK_WIRE_BYTES = 3, PK_WIRE_LIST = 4 };

/* Page files: the LZ4 frame of a group */
#define PK_LZ4_MAGIC    0x184d2204u
#define PK_LZ4_FLG      0x60u /* version 1, independent blocks, no sums, no sizes */
#define PK_LZ4_BD       0x50u /* blocks of at most 256 KiB */
#define PK_LZ4_HC       0xfbu /* XXH32 of FLG and BD, bits 8 to 15 */
#define PK_LZ4_HEAD     7u
#define PK_LZ4_WORD     4u          /* before each block, and the end mark */
#define PK_LZ4_RAW      0x80000000u /* in a block's size word: stored as it is */
#define PK_LZ4_OVERHEAD (PK_LZ4_HEAD + PK_LZ4_WORD)

/* Page files: skippable frames */
#define PK_SKIP_INDEX    0x184d2a57u
#define PK_SKIP_FOOTER   0x184d2a58u
#define PK_SKIP_HEAD     8u
#define PK_INDEX_HEAD    24u
#define PK_INDEX_BLOCK   16u
#define PK_INDEX_EXTENT  32u
#define PK_FOOTER_GROUP  32u
#define PK_TRAILER       40u
#define PK_TRAILER_MAGIC "pckpages"

#define PK_FRAME_MAX (PK_LZ4_OVERHEAD + PK_GROUP_BLOCKS * PK_LZ4_WORD + PK_GROUP_RAW)
#define PK_INDEX_MIN (PK_SKIP_HEAD + PK_INDEX_HEAD)
#define PK_INDEX_MAX                                                                               \
	(PK_INDEX_MIN + PK_GROUP_BLOCKS * PK_INDEX_BLOCK + PK_GROUP_EXTENTS * PK_INDEX_EXTENT)

#endif
