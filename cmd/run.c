/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "opt.h"
#include "pckpt/pckpt.h"

#define SECOND INT64_C(1000000000)

enum { MAX_ON = 64, AGAIN = 75 }; /* the same command goes on */

struct args {
	struct pckpt_run_options o;
	struct pckpt_on on[MAX_ON];
	int pids;
	bool verbose, has_rank;
	char session[160];
};

/* "90s", "30m", "2h", "1d", "90". */
static bool parse_time(const char *text, int64_t *ns)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	char *end;
	double n;

	if ((text[0] < '0' || text[0] > '9') && text[0] != '.')
		return false;
	n = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].unit)) {
			n *= units[i].seconds;
			*ns = n < 1e9 ? (int64_t)(n * (double)SECOND) : 0;
			return *ns > 0;
		}
	return false;
}

static const char *take_every(void *to, const char *text)
{
	struct args *a = to;

	a->o.every_auto = !strcmp(text, "auto");
	if (a->o.every_auto || parse_time(text, &a->o.every_ns))
		return NULL;
	return "it is no time: 90s, 30m, 2h, or auto";
}

static const char *take_timeout(void *to, const char *text)
{
	return parse_time(text, to) ? NULL : "it is no time: 90s, 5m, 1h";
}

static const char *take_fence(void *to, const char *text)
{
	struct args *a = to;
	uint64_t n;

	if (!opt_number(text, UINT32_MAX, &n))
		return "it is not a whole number";
	a->o.has_fence = true;
	a->o.fence = (unsigned)n;
	return NULL;
}

static const char *take_rank(void *to, const char *text)
{
	struct args *a = to;
	uint64_t n;

	if (!opt_number(text, 999999, &n))
		return "it is not a whole number";
	a->has_rank = true;
	a->o.rank = (unsigned)n;
	return NULL;
}

static const char *take_on(void *to, const char *text)
{
	struct args *a = to;
	struct pckpt_on *on = &a->on[a->o.n_on];
	char name[32];
	size_t n = strcspn(text, ":");

	if (a->o.n_on == MAX_ON)
		return "there are too many of these";
	if (n >= sizeof(name))
		return "there is no such signal";
	memcpy(name, text, n);
	name[n] = '\0';
	on->signal = pckpt_signal_number(name);
	on->kill = !strcmp(text + n, ":kill");
	if (!on->signal)
		return "there is no such signal";
	if (text[n] && !on->kill)
		return "only :kill may follow the signal";
	if (on->signal == SIGKILL || on->signal == SIGSTOP || on->signal == SIGCHLD)
		return "this signal cannot be had";
	a->o.n_on++;
	return NULL;
}

static char **parse(struct args *a, int argc, char **argv)
{
	static const char *const pids[] = {"auto", "ns", "same", "any", NULL};
	struct opt_call every = {take_every, a}, on = {take_on, a};
	struct opt_call rank = {take_rank, a};
	struct opt_call fence = {take_fence, a};
	struct opt_call timeout = {take_timeout, &a->o.timeout_ns};
	const struct opt opts[] = {
		{'o', "store", "DIR", OPT_TEXT, &a->o.store, 0, NULL, "directory of checkpoints"},
		{0, "every", "T", OPT_CALL, &every, 0, NULL,
			"time between dumps: 90s, 30m, 2h, or auto"},
		{0, "on", "SIG[:kill]", OPT_CALL, &on, 0, NULL,
			"dump on this signal; :kill ends the program with it"},
		{0, "keep", "N", OPT_NUMBER, &a->o.keep, 1000000, NULL,
			"checkpoints that remain in the store (default 2; 0: all)"},
		{0, "fence", "N", OPT_CALL, &fence, 0, NULL,
			"the number of this run of the job: a later one takes the store over"},
		{0, "control", "DIR", OPT_TEXT, &a->o.control, 0, NULL,
			"with --rank and --ranks: the directory where the ranks of a job meet"},
		{0, "rank", "R", OPT_CALL, &rank, 0, NULL,
			"the number of this run among the ranks, from 0"},
		{0, "ranks", "N", OPT_NUMBER, &a->o.ranks, 1000000, NULL, "how many there are"},
		{0, "session", "TEXT", OPT_TEXT, &a->o.session, 0, NULL,
			"the same for all ranks that are started together (default: of Slurm)"},
		{0, "report", "FILE", OPT_TEXT, &a->o.report, 0, NULL,
			"write there how it ended: exited CODE, killed SIGNAL, saved NUMBER ..."},
		{0, "events", "FILE", OPT_TEXT, &a->o.events, 0, NULL,
			"append what is said on stderr to FILE, too"},
		{0, "pidfile", "FILE", OPT_TEXT, &a->o.pidfile, 0, NULL,
			"write the program's process number, as seen from here"},
		{0, "fresh", NULL, OPT_FLAG, &a->o.fresh, 0, NULL,
			"start the command whatever is in the store"},
		{0, "timeout", "T", OPT_CALL, &timeout, 0, NULL, "give a dump up after this time"},
		{0, "strict", NULL, OPT_FLAG, &a->o.strict, 0, NULL,
			"do not save connections that lead outside of the job"},
		{0, "pid", "HOW", OPT_CHOICE, &a->pids, 0, pids,
			"process numbers when continued: auto, ns, same, any"},
		{'T', "threads", "N", OPT_NUMBER, &a->o.workers, 256, NULL,
			"threads that read and write memory (default: the CPUs allowed)"},
		{'v', "verbose", NULL, OPT_FLAG, &a->verbose, 0, NULL, "say more"},
		{0},
	};
	const struct verb v = {
		"run",
		"-- COMMAND [ARG...]",
		"Runs COMMAND, and saves it into the store DIR from time to time and on the\n"
		"signals that are named. Given again, it goes on from the newest good checkpoint.\n"
		"All other signals are passed on.\n\n"
		"Ends as the program does: with its exit code, or by its signal. 75: the program\n"
		"was saved and ended, or a later run has taken over; the same command goes on.\n"
		"125: nothing could be started. 126, 127: COMMAND cannot be run, or is not there.",
		opts,
	};

	return opt_parse_words(&v, argc, argv);
}

static int check(const struct args *a)
{
	if (!a->o.store) {
		opt_usage("run", "checkpoints need a place", "--store is missing");
		return -1;
	}
	if (a->o.control ? a->has_rank && a->o.rank < a->o.ranks : !a->has_rank && !a->o.ranks)
		return 0;
	opt_usage("run", "--control, --rank and --ranks belong together, ranks count from 0",
		"it is not clear which rank this is");
	return -1;
}

/* What is the same for all ranks of one start, and for no other: in Slurm a step of a run of a job.
 */
static void choose_session(struct args *a)
{
	const char *job = getenv("SLURM_JOB_ID"), *step = getenv("SLURM_STEP_ID");

	if (a->o.session)
		return;
	snprintf(a->session, sizeof(a->session), "%u%s%.60s%s%.60s", a->o.fence,
		job && step ? "-" : "", job && step ? job : "", job && step ? "-" : "",
		job && step ? step : "");
	for (char *c = a->session; *c; c++)
		if (*c == '/')
			*c = '_';
	a->o.session = a->session;
}

/* As the program did, so that who waits for us sees the same. It has left a core if it had to. */
static int die_by(int sig)
{
	const struct rlimit none = {0};
	sigset_t set;

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + sig;
}

int verb_run(int argc, char **argv)
{
	struct pckpt_signals given;
	struct args a = {.o = {.keep = 2, .trace = getenv("PCKPT_TRACE") != NULL}};
	struct pckpt_run_result r;
	struct pk_error err = {0};

	pckpt_run_block(&given);
	a.o.argv = parse(&a, argc, argv);
	if (!a.o.argv || check(&a) < 0)
		return PK_E_USAGE;
	choose_session(&a);
	a.o.given = &given;
	a.o.on = a.on;
	a.o.pids = (enum pckpt_pids)a.pids;
	pckpt_verbose(a.verbose);
	if (pckpt_run(&a.o, &r, &err) < 0)
		return r.code;
	if (r.end == PCKPT_RUN_KILLED)
		return die_by((int)r.value);
	if (r.end == PCKPT_RUN_SAVED || r.end == PCKPT_RUN_FENCED)
		return AGAIN;
	return (int)r.value;
}
