/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this host can run what was started on another: CPU features, vector state, page size. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "kind/kind.h"

static void fail(struct pk_target *t, const char *what, const char *why)
{
	struct pk_error err;

	pk_fail(&err, PK_E_HOST, "%s", what);
	pk_why(&err, "%s", why);
	pk_try(&err, "restore on a node of the same sort as the one it was dumped on");
	pk_report_add(&t->report, &err);
}

static void check_features(struct pk_target *t, const struct pk_host *h)
{
	char missing[512], why[800];
	uint32_t need[PK_CPU_WORDS] = {0};

	memcpy(need, h->cpu_words.p, h->cpu_words.n < sizeof(need) ? h->cpu_words.n : sizeof(need));
	pk_cpu_missing(need, t->cpu.word, missing, sizeof(missing));
	if (!missing[0])
		return;
	snprintf(why, sizeof(why),
		"this CPU (%s) lacks %s, which the program may have chosen to use", t->cpu.model,
		missing);
	fail(t, "CPU features", why);
}

/* Every component of vector state that a thread has in use must exist here, and be as large. */
static void check_xstate(struct pk_target *t, const struct pk_host *h, const struct pk_thread *th)
{
	enum { XSTATE_BV = 512 };
	const struct pk_xcomp *was = h->xcomp.p;
	uint64_t used = 0;

	if (th->xstate.n >= XSTATE_BV + sizeof(used))
		memcpy(&used, (const char *)th->xstate.p + XSTATE_BV, sizeof(used));
	for (size_t i = 2; i < PK_XFEATURES; i++) {
		char why[100];

		if (!(used >> i & 1))
			continue;
		if (t->cpu.xcr0 >> i & 1 && (i + 1) * sizeof(*was) <= h->xcomp.n &&
			was[i].size == t->cpu.xcomp[i].size)
			continue;
		snprintf(why, sizeof(why), "thread %d uses vector state component %zu", th->tid, i);
		fail(t, "vector registers", why);
		return;
	}
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const struct pk_host *h = o->data;
	const struct pk_obj *th = NULL;

	if (h->page_size != (uint32_t)sysconf(_SC_PAGESIZE))
		fail(t, "page size", "it differs from that of the host where it was dumped");
	if (h->monotonic < 0 || h->boottime < 0)
		fail(t, "clocks", "the image says that they were negative");
	check_features(t, h);
	while ((th = pk_model_next(t->model, th, &pk_thread_type, PK_ANY_OWNER)))
		check_xstate(t, h, th->data);
	if (t->cpu.min_sigstksz > h->min_sigstksz && h->min_sigstksz)
		pk_log(PK_LOG_WARN,
			"signal frames are larger on this CPU (%u bytes, %u before): a tight "
			"alternate signal stack may overflow",
			t->cpu.min_sigstksz, h->min_sigstksz);
}

const struct pk_kind pk_kind_host = {
	.type = &pk_host_type,
	.level = PK_LV_CORE,
	.summary = "CPU features and kernel of the host, clocks: checked or continued at restore",
	.check = check,
};
