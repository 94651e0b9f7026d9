/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From where the program goes on: the newest checkpoint of the store; if that is damaged or cannot
 * be continued here, the one before. The command is started from its beginning if there is nothing
 * else: no checkpoint, or none that is whole. Checkpoints that are whole but do not fit this host
 * are hours of somebody's work: then nothing is started.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "image/store.h"
#include "run/run_internal.h"

#define COMMAND_NAME "command"
#define COMMAND_TEXT 65536
#define LOCK_LIMIT   (10 * PK_NSEC) /* for the dump of a run that is just ending */

static int find_candidates(struct pk_run *run, int dirfd, struct pk_error *err)
{
	PK_FREE uint32_t *number = NULL;
	size_t n = 0;

	if (pk_store_numbers(dirfd, &number, &n) < 0)
		return pk_fail_errno(err, "%s: cannot list it", run->o->store);
	run->candidate = calloc(n + 1, sizeof(*run->candidate));
	if (!run->candidate)
		return pk_fail_errno(err, "%s", run->o->store);
	for (size_t i = 0; i < n; i++)
		run->candidate[i].number = number[n - 1 - i];
	run->n_candidates = n;
	return 0;
}

/* What the store belongs to; also the proof that it can be written. */
static int write_command(struct pk_run *run, const char *text, struct pk_error *err)
{
	PK_FREE char *path = pk_asprintf("%s/" COMMAND_NAME, run->o->store);

	if (!path)
		return pk_fail_errno(err, "%s", run->o->store);
	if (pk_put_file(path, text, err) == 0)
		return 0;
	return pk_try(err, "name a store that can be written with --store, or make room in it");
}

static int check_command(struct pk_run *run, int dirfd, struct pk_error *err)
{
	PK_FREE char *now = malloc(COMMAND_TEXT);
	PK_FREE char *was = pk_read_file(dirfd, COMMAND_NAME, COMMAND_TEXT, NULL);

	if (!now)
		return pk_fail_errno(err, "%s", run->o->store);
	pk_command_text(run->o->argv, now, COMMAND_TEXT - 1);
	strcat(now, "\n");
	if (was && run->n_candidates && strcmp(was, now) != 0) {
		was[strcspn(was, "\n")] = '\0';
		pk_say(run, "warning: the checkpoints in %s are of another command: %s",
			run->o->store, was);
		strcat(was, "\n");
		return write_command(run, was, err);
	}
	return write_command(run, now, err);
}

/* Its lock, or, from an older run that has it and does not let go, the store without it. */
static int claim_store(struct pk_run *run, struct pk_error *err)
{
	int64_t limit = pk_now() + LOCK_LIMIT;
	struct pk_store s = {0};
	int r;

	while ((r = pk_store_open(run->o->store, &s, err)) == -PK_E_TEMPFAIL && pk_now() < limit)
		poll(NULL, 0, 50);
	s.made = false; /* it stays, checkpoint or not */
	if (r == 0)
		r = pk_owner_claim(run, true, err);
	else if (r == -PK_E_TEMPFAIL && pk_owner_claim(run, false, err) == 0)
		r = 0;
	pk_store_close(&s);
	return r;
}

int pk_open_store(struct pk_run *run, struct pk_error *err)
{
	PK_CLOSE int fd = -1;
	int r = claim_store(run, err);

	if (r < 0)
		return r;
	pk_owner_wait(run);
	fd = pk_open_dir(AT_FDCWD, run->o->store);
	if (fd < 0)
		return pk_fail_errno(err, "%s: cannot open the directory", run->o->store);
	r = run->o->fresh || run->o->control ? 0 : find_candidates(run, fd, err);
	return r < 0 ? r : check_command(run, fd, err);
}

/* Damaged ones get another name: they are neither counted nor removed any more. */
static void put_aside(struct pk_run *run)
{
	PK_CLOSE int fd = pk_open_dir(AT_FDCWD, run->o->store);

	for (size_t i = 0; i < run->n_candidates; i++) {
		char name[16], bad[24];

		if (!run->candidate[i].damaged)
			continue;
		snprintf(name, sizeof(name), "%06u", run->candidate[i].number);
		snprintf(bad, sizeof(bad), "%s.bad", name);
		if (renameat(fd, name, fd, bad) < 0)
			pk_say(run, "warning: %s/%s cannot be renamed: %s", run->o->store, name,
				strerror(errno));
		run->candidate[i].damaged = false;
	}
}

static int start_fresh(struct pk_run *run, struct pk_error *err)
{
	char command[512];
	int r;

	if (run->n_candidates)
		pk_say(run,
			"warning: every checkpoint in %s is damaged; the program starts from its "
			"beginning",
			run->o->store);
	pk_streams_begin(run);
	r = pk_start_program(run, err);
	if (r < 0)
		return r;
	put_aside(run);
	pk_say_held(run);
	pk_command_text(run->o->argv, command, sizeof(command));
	pk_say(run, "started pid %d: %s", run->program, command);
	return 0;
}

static int give_up(struct pk_run *run, struct pk_error *err)
{
	*err = run->unfit;
	if (err->class == PK_E_TEMPFAIL)
		return -err->class;
	snprintf(err->try, sizeof(err->try),
		"%.300s; --fresh starts the program from its beginning", pk_error_try(&run->unfit));
	return -err->class;
}

int pk_resume(struct pk_run *run, struct pk_error *err)
{
	PK_FREE char *image = NULL;

	if (run->at == run->n_candidates)
		return run->unfit.class ? give_up(run, err) : start_fresh(run, err);
	image = pk_asprintf("%s/%06u", run->o->store, run->candidate[run->at].number);
	return image ? pk_start_restore(run, image, err) : pk_fail_errno(err, "restore");
}

void pk_not_resumed(struct pk_run *run, const struct pk_error *err)
{
	struct pk_candidate *c = &run->candidate[run->at++];
	bool more = run->at < run->n_candidates;
	char happened[64];

	c->damaged = err->class == PK_E_IMAGE && err->sys_errno != ENOTSUP;
	if (!c->damaged && !run->unfit.class)
		run->unfit = *err;
	/*
	 * What is only busy now is not worth the work of an earlier checkpoint. Of several ranks
	 * all take the same one.
	 */
	if (err->class == PK_E_TEMPFAIL || run->o->control) {
		run->unfit = *err;
		run->at = run->n_candidates;
		more = false;
	}
	if (run->o->control || (!c->damaged && !more && run->n_candidates == 1))
		return; /* it is told as the reason of our end */
	snprintf(happened, sizeof(happened), "checkpoint %06u %s", c->number,
		c->damaged ? "is damaged" : "cannot be continued");
	pk_say_failure(run, happened, err, more ? "trying the one before" : "");
}

void pk_resumed(struct pk_run *run)
{
	put_aside(run);
}

void pk_free_candidates(struct pk_run *run)
{
	free(run->candidate);
	run->candidate = NULL;
	run->n_candidates = run->at = 0;
}
