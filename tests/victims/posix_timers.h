/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX timers by their kernel ids, which libc hides. */
#ifndef POSIX_TIMERS_H
#define POSIX_TIMERS_H

#include <signal.h>

#include "crew.h"

static inline int create_timer(clockid_t clock, int notify, int sig, int value, pid_t tid)
{
	struct sigevent sev;
	int id;

	memset(&sev, 0, sizeof(sev));
	sev.sigev_notify = notify;
	sev.sigev_signo = sig;
	sev.sigev_value.sival_int = value;
	sev._sigev_un._tid = tid;
	must(syscall(SYS_timer_create, clock, &sev, &id));
	return id;
}

static inline void set_timer(int id, int flags, int64_t value, int64_t interval)
{
	struct itimerspec t = {timespec_of(interval), timespec_of(value)};

	must(syscall(SYS_timer_settime, id, flags, &t, NULL));
}

#endif
