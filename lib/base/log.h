/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for people, on stderr. Results go to stdout and errors through struct pk_error. What is
 * shown is set by pckpt_verbose(), pckpt.h.
 */
#ifndef PK_BASE_LOG_H
#define PK_BASE_LOG_H

enum pk_log_level { PK_LOG_WARN, PK_LOG_INFO, PK_LOG_DEBUG };

/* Print "pckpt: [warning: ]...\n" if the level is shown. One write(2), so lines do not mix. */
void pk_log(enum pk_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
