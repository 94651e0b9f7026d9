/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "proc/status.h"
#include "proc/text.h"

/* "14/0000000000000000": number and value */
static bool get_signal(struct pk_span *value, void *timer)
{
	struct pk_ptimer_line *l = timer;

	return pk_get_i32(value, &l->signo) && pk_span_lit(value, "/") &&
	       pk_span_u64(value, 16, &l->sigval);
}

/* "signal/pid.2634": how, and whom */
static bool get_notify(struct pk_span *value, void *timer)
{
	static const struct {
		const char *word;
		uint32_t notify;
	} hows[] = {{"signal/", SIGEV_SIGNAL}, {"none/", SIGEV_NONE}, {"thread/", SIGEV_THREAD}};
	struct pk_ptimer_line *l = timer;
	size_t i = 0;

	pk_span_blanks(value);
	while (i < 3 && !pk_span_lit(value, hows[i].word))
		i++;
	if (i == 3)
		return false;
	l->notify = hows[i].notify;
	if (pk_span_lit(value, "tid."))
		l->notify |= SIGEV_THREAD_ID;
	else if (!pk_span_lit(value, "pid."))
		return false;
	return pk_span_i32(value, &l->notify_pid);
}

static const struct pk_key timer_key[] = {
	PK_KEY("ID", PK_KEY_MUST, pk_get_i32, struct pk_ptimer_line, id),
	PK_KEY_WHOLE("signal", PK_KEY_MUST, get_signal),
	PK_KEY_WHOLE("notify", PK_KEY_MUST, get_notify),
	PK_KEY("ClockID", PK_KEY_MUST, pk_get_i32, struct pk_ptimer_line, clock),
};
static const struct pk_keys timer_keys = {PK_KEYS(timer_key)};

struct timers {
	struct pk_ptimer_line *v;
	size_t n;
};

static int add_timer(struct timers *timers, const struct pk_text *t, struct pk_error *err)
{
	struct pk_ptimer_line *v = pk_array_more(timers->v, timers->n, sizeof(*v));

	if (!v)
		return pk_text_no_memory(t, err);
	timers->v = v;
	memset(&v[timers->n++], 0, sizeof(*v));
	return 0;
}

/* Each timer begins with its "ID:". */
static int parse(struct pk_text *t, struct timers *timers, struct pk_error *err)
{
	uint64_t seen = 0;
	int r = 0;

	while (!r && pk_text_next(t)) {
		struct pk_span s = t->line;

		if (pk_span_lit(&s, "ID:")) {
			r = timers->n ? pk_keys_check(&timer_keys, t, seen, err) : 0;
			if (!r)
				r = add_timer(timers, t, err);
			seen = 0;
		}
		if (!r && !timers->n)
			return pk_text_fail(t, err);
		if (!r)
			r = pk_keys_line(&timer_keys, t, &timers->v[timers->n - 1], &seen, err);
	}
	if (!r && t->cut)
		return pk_text_fail(t, err);
	return r || !timers->n ? r : pk_keys_check(&timer_keys, t, seen, err);
}

int pk_timers_parse(
	const char *buf, size_t n, struct pk_ptimer_line **ret, size_t *ret_n, struct pk_error *err)
{
	struct pk_text t = pk_text_of("timers", buf, n);
	struct timers timers = {0};
	int r = parse(&t, &timers, err);

	if (r) {
		free(timers.v);
		timers = (struct timers){0};
	}
	*ret = timers.v;
	*ret_n = timers.n;
	return r;
}
