/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX timers that fire after the restore: by a signal with its value, to one thread, by libc's
 * SIGEV_THREAD, again and again; each when its time has come in the program's own clock.
 */
#include "posix_timers.h"

#define DUE    (2 * NSEC)
#define LATE   NSEC
#define PERIOD (NSEC / 5)

enum { ONCE, TO_THREAD, PERIODIC, BY_LIBC, TIMERS };

static const char *const names[TIMERS] = {"once", "to a thread", "periodic", "by libc"};
static int64_t began, fired[TIMERS];
static int times[TIMERS], thread_tid, missed;

static void note(int which)
{
	if (!times[which]++)
		fired[which] = now(CLOCK_MONOTONIC);
}

static void handler(int sig, siginfo_t *info, void *context)
{
	int which = info->si_value.sival_int;

	(void)context;
	expect(SI_TIMER, info->si_code, "si_code of timer signal %d", sig);
	if (which == TO_THREAD)
		expect(thread_tid, gettid(), "thread that got its timer");
	if (which == PERIODIC)
		missed += info->si_overrun;
	note(which);
}

static void by_libc(union sigval value)
{
	note(value.sival_int);
}

static void arm_by_libc(void)
{
	struct itimerspec t = {.it_value = timespec_of(DUE)};
	struct sigevent sev;
	timer_t timer;

	memset(&sev, 0, sizeof(sev));
	sev.sigev_notify = SIGEV_THREAD;
	sev.sigev_notify_function = by_libc;
	sev.sigev_value.sival_int = BY_LIBC;
	must(timer_create(CLOCK_MONOTONIC, &sev, &timer));
	must(timer_settime(timer, 0, &t, NULL));
}

static void arm_all(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};

	must(sigaction(SIGRTMIN, &sa, NULL));
	must(sigaction(SIGUSR1, &sa, NULL));
	began = now(CLOCK_MONOTONIC);
	set_timer(create_timer(CLOCK_BOOTTIME, SIGEV_SIGNAL, SIGUSR1, ONCE, 0), 0, DUE, 0);
	set_timer(create_timer(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN, TO_THREAD, thread_tid),
		TIMER_ABSTIME, began + DUE, 0);
	set_timer(create_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, PERIODIC, 0), 0, PERIOD,
		PERIOD);
	arm_by_libc();
}

static void body(int i)
{
	if (i == 1) {
		thread_tid = gettid();
		meet();
		sleep_until(began + DUE + LATE);
		return;
	}
	await(&crew_present, 1);
	arm_all();
	meet();
	if (victim_broken())
		must(syscall(SYS_timer_delete, 0));
	sleep_until(began + DUE + LATE);
}

int main(void)
{
	crew(2, body);
	for (int i = 0; i < TIMERS; i++) {
		expect(1, times[i] > 0, "%s: fired", names[i]);
		if (i == PERIODIC)
			continue;
		expect(1, times[i], "%s: fired, times", names[i]);
		expect_range(DUE / 1000000, (DUE + LATE) / 1000000, (fired[i] - began) / 1000000,
			"%s: fired after, ms", names[i]);
	}
	/* None lost, but for one or two periods in which the program was frozen. */
	expect_range((DUE + LATE) / PERIOD - 3, (DUE + LATE) / PERIOD + 1, times[PERIODIC] + missed,
		"periodic: fired, times");
	return victim_done();
}
