/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/status.h"
#include "proc/text.h"

/*
 * The first line has the thread's name as it is: "se.exec_start: 1 (4711, #threads: 1)" may be one,
 * and a newline may be in it. Sixteen bytes cannot imitate the rule that ends the heading.
 */
static bool skip_heading(struct pk_text *t)
{
	while (pk_text_next(t)) {
		struct pk_span s = t->line;

		if (pk_span_lit(&s, "--------------------"))
			return true;
	}
	return false;
}

/* Milliseconds with six decimals as ns. */
static bool read_ms(struct pk_span *s, uint64_t *ret_ns)
{
	const char *digits;
	uint64_t ms, ns;

	if (!pk_span_u64(s, 10, &ms) || !pk_span_lit(s, "."))
		return false;
	digits = s->p;
	if (!pk_span_u64(s, 10, &ns) || s->p - digits != 6)
		return false;
	return !__builtin_mul_overflow(ms, UINT64_C(1000000), &ms) &&
	       !__builtin_add_overflow(ms, ns, ret_ns);
}

/* "key   :   value"; what follows the colon is left in *s. */
static bool is_line(struct pk_span *s, const char *name)
{
	struct pk_span key, colon;

	if (!pk_span_word(s, &key) || !pk_span_is(key, name))
		return false;
	if (!pk_span_word(s, &colon) || !pk_span_is(colon, ":"))
		return false;
	pk_span_blanks(s);
	return true;
}

int pk_sched_parse(const char *buf, size_t n, struct pk_sched *ret)
{
	struct pk_text t = pk_text_of("sched", buf, n);
	bool start = false, switches = false;

	if (!skip_heading(&t))
		return -1;
	while (!(start && switches) && pk_text_next(&t)) {
		struct pk_span s = t.line;

		if (!start && is_line(&s, "se.exec_start"))
			start = read_ms(&s, &ret->exec_start) && pk_span_done(s);
		s = t.line;
		if (!switches && is_line(&s, "nr_voluntary_switches"))
			switches = pk_span_u64(&s, 10, &ret->switches) && pk_span_done(s);
	}
	return start && switches ? 0 : -1;
}
