/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose store it is. STORE/run names the run that works in it: `fence host pid starttime`. A run
 * takes over from one that is dead, and, as the later run of the same job (a higher fence), from
 * one that still lives: on another node, say, that was taken for lost. That one sees it, kills its
 * program and says so in STORE/run.gone.PID@HOST.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "proc/status.h"
#include "run/run_internal.h"

#define GONE_LIMIT (15 * PK_NSEC) /* for the other one to see that it has lost the store */

struct owner {
	unsigned fence;
	char host[128];
	pid_t pid;
	uint64_t start; /* in ticks since boot: tells processes of one number apart */
};

static void own_host(char *host, size_t n)
{
	if (gethostname(host, n) < 0 || !host[0])
		snprintf(host, n, "localhost");
	host[n - 1] = '\0';
	for (char *c = host; *c; c++)
		if (*c <= ' ' || *c == '/')
			*c = '_';
}

static uint64_t start_of(pid_t pid)
{
	PK_CLOSE int fd = -1;
	struct pk_stat st;
	char name[32];

	snprintf(name, sizeof(name), "/proc/%d", pid);
	fd = pk_open_dir(AT_FDCWD, name);
	if (fd < 0 || pk_stat_read(fd, &st, NULL) < 0 || st.state == 'Z' || st.state == 'X')
		return 0;
	return st.start_time;
}

static bool parse(const char *text, struct owner *ret)
{
	return sscanf(text, "%u %127s %d %" SCNu64, &ret->fence, ret->host, &ret->pid,
		       &ret->start) == 4;
}

static char *path_in_store(const struct pk_run *run, const char *name)
{
	return pk_asprintf("%s/%s", run->o->store, name);
}

/* The text of STORE/run; NULL with errno. */
static char *read_owner(const struct pk_run *run)
{
	PK_FREE char *path = path_in_store(run, "run");

	return path ? pk_read_file(AT_FDCWD, path, 4096, NULL) : NULL;
}

static bool is_local(const struct owner *o)
{
	char host[128];

	own_host(host, sizeof(host));
	return !strcmp(host, o->host);
}

static bool is_alive(const struct owner *o)
{
	uint64_t start = start_of(o->pid);

	return start && start == o->start;
}

static int refuse_busy(const struct pk_run *run, const struct owner *o, struct pk_error *err)
{
	pk_fail(err, PK_E_TEMPFAIL, "%s: is in use", run->o->store);
	pk_why(err, "pid %d on %s, run %u of the job, works in it", o->pid, o->host, o->fence);
	return pk_try(err, "wait until it has ended, or name another directory with --store");
}

static int refuse_foreign(const struct pk_run *run, const struct owner *o, struct pk_error *err)
{
	pk_fail(err, PK_E_ERROR, "%s: belongs to a run on %s", run->o->store, o->host);
	pk_why(err, "it cannot be seen from here whether that (pid %d) still runs", o->pid);
	return pk_try(err, "if it does not, remove %s/run; or number the runs with --fence",
		run->o->store);
}

/* Whether we may have the store: 0 if nobody has it, 1 if somebody may still live who had it. */
static int judge(const struct pk_run *run, const struct owner *o, struct pk_error *err)
{
	bool local = is_local(o);

	if (local && !is_alive(o))
		return 0;
	if (!local && !run->o->has_fence)
		return refuse_foreign(run, o, err);
	if (run->o->fence < o->fence || (local && run->o->fence == o->fence))
		return refuse_busy(run, o, err);
	return 1;
}

static int take(struct pk_run *run, struct pk_error *err)
{
	PK_FREE char *path = path_in_store(run, "run");
	char host[128];

	own_host(host, sizeof(host));
	snprintf(run->owner, sizeof(run->owner), "%u %s %d %" PRIu64 "\n", run->o->fence, host,
		run->self, start_of(run->self));
	if (!path)
		return pk_fail_errno(err, "%s", run->o->store);
	if (pk_put_file(path, run->owner, err) == 0)
		return 0;
	run->owner[0] = '\0';
	return pk_try(err, "name a store that can be written with --store, or make room in it");
}

static char *gone_path(const struct pk_run *run, const struct owner *o)
{
	return pk_asprintf("%s/run.gone.%d@%s", run->o->store, o->pid, o->host);
}

static void wait_gone(struct pk_run *run, const struct owner *o)
{
	PK_FREE char *path = gone_path(run, o);
	int64_t limit = pk_now() + GONE_LIMIT;
	bool local = is_local(o);

	if (local)
		kill(o->pid, SIGCONT); /* one that is stopped sees nothing */
	while (pk_now() < limit) {
		bool gone = local ? !is_alive(o) : path && access(path, F_OK) == 0;

		if (gone && path)
			unlink(path);
		if (gone)
			return;
		poll(NULL, 0, 100);
	}
	if (local)
		kill(o->pid, SIGKILL); /* its program ends with it */
	else
		pk_say(run, "warning: pid %d on %s did not answer: taken for lost", o->pid,
			o->host);
}

int pk_owner_claim(struct pk_run *run, bool locked, struct pk_error *err)
{
	PK_FREE char *text = read_owner(run);
	struct owner o;
	int r = 0;

	if (!text && errno != ENOENT)
		return pk_fail_errno(err, "%s/run", run->o->store);
	if (text && parse(text, &o))
		r = judge(run, &o, err);
	if (r == 0 && !locked)
		return 1;
	if (r < 0)
		return r;
	if (r == 1)
		run->predecessor = strdup(text);
	return take(run, err);
}

void pk_owner_wait(struct pk_run *run)
{
	struct owner o;

	if (run->predecessor && parse(run->predecessor, &o)) {
		pk_say(run, "taking over from run %u on %s (pid %d)", o.fence, o.host, o.pid);
		wait_gone(run, &o);
	}
	free(run->predecessor);
	run->predecessor = NULL;
}

/*
 * Nobody's: a later run that took over may have ended already, if runs are numbered; else somebody
 * has removed a file too much.
 */
static bool taken(const struct pk_run *run, const char *text)
{
	if (!text)
		return errno == ENOENT && run->o->has_fence && access(run->o->store, F_OK) == 0;
	return strcmp(text, run->owner) != 0;
}

bool pk_owner_lost(struct pk_run *run)
{
	PK_FREE char *text = read_owner(run);
	struct owner o;

	if (!taken(run, text))
		return false;
	if (text && parse(text, &o)) {
		run->fenced_by = o.fence;
		pk_say(run, "fenced by run %u on %s", o.fence, o.host);
	} else {
		run->fenced_by = run->o->fence + 1;
		pk_say(run, "fenced by a later run, which has ended");
	}
	return true;
}

int pk_owner_gate(const struct pk_run *run, struct pk_error *err)
{
	PK_FREE char *text = read_owner(run);

	if (!taken(run, text))
		return 0;
	pk_fail(err, PK_E_TEMPFAIL, "%s: a later run has taken it over", run->o->store);
	pk_why(err, "no checkpoint of this one may come after its own");
	return pk_try(err, "nothing: this run is about to end");
}

void pk_owner_release(struct pk_run *run, bool fenced)
{
	PK_FREE char *path = path_in_store(run, "run");
	PK_FREE char *text = run->owner[0] ? read_owner(run) : NULL;
	struct owner o;

	if (path && text && !strcmp(text, run->owner))
		unlink(path);
	if (fenced && parse(run->owner, &o)) {
		PK_FREE char *gone = gone_path(run, &o);

		if (gone)
			pk_put_file(gone, "", NULL);
	}
}
