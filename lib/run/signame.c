/* SPDX-License-Identifier: Apache-2.0 */
/* Names of signals. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pckpt/pckpt.h"

static const char *const names[] = {
	[SIGHUP] = "SIGHUP",
	[SIGINT] = "SIGINT",
	[SIGQUIT] = "SIGQUIT",
	[SIGILL] = "SIGILL",
	[SIGTRAP] = "SIGTRAP",
	[SIGABRT] = "SIGABRT",
	[SIGBUS] = "SIGBUS",
	[SIGFPE] = "SIGFPE",
	[SIGKILL] = "SIGKILL",
	[SIGUSR1] = "SIGUSR1",
	[SIGSEGV] = "SIGSEGV",
	[SIGUSR2] = "SIGUSR2",
	[SIGPIPE] = "SIGPIPE",
	[SIGALRM] = "SIGALRM",
	[SIGTERM] = "SIGTERM",
	[SIGSTKFLT] = "SIGSTKFLT",
	[SIGCHLD] = "SIGCHLD",
	[SIGCONT] = "SIGCONT",
	[SIGSTOP] = "SIGSTOP",
	[SIGTSTP] = "SIGTSTP",
	[SIGTTIN] = "SIGTTIN",
	[SIGTTOU] = "SIGTTOU",
	[SIGURG] = "SIGURG",
	[SIGXCPU] = "SIGXCPU",
	[SIGXFSZ] = "SIGXFSZ",
	[SIGVTALRM] = "SIGVTALRM",
	[SIGPROF] = "SIGPROF",
	[SIGWINCH] = "SIGWINCH",
	[SIGIO] = "SIGIO",
	[SIGPWR] = "SIGPWR",
	[SIGSYS] = "SIGSYS",
};
enum { NAMED = sizeof(names) / sizeof(*names) };

const char *pckpt_signal_name(int sig)
{
	return sig > 0 && sig < NAMED && names[sig] ? names[sig] : "a real-time signal";
}

int pckpt_signal_number(const char *name)
{
	char *end;
	long n = strtol(name, &end, 10);

	if (end != name)
		return !*end && n > 0 && n <= SIGRTMAX ? (int)n : 0;
	for (int sig = 1; sig < NAMED; sig++)
		if (names[sig] &&
			(!strcasecmp(name, names[sig]) || !strcasecmp(name, names[sig] + 3)))
			return sig;
	return 0;
}
