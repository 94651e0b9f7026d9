/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "kind/target.h"

void pk_plan_free(struct pk_plan *p)
{
	for (size_t i = 0; i < p->n_part; i++) {
		struct pk_plan_part *part = &p->part[i];

		pk_script_free(&part->script);
		for (size_t k = 0; k < part->n_note; k++)
			free(part->note[k].text);
		free(part->note);
	}
	free(p->part);
	free(p->sink);
	for (size_t i = 0; i < p->n_patch; i++)
		free(p->patch[i].bytes.p);
	free(p->patch);
	free(p->replace);
	memset(p, 0, sizeof(*p));
}

struct pk_plan_part *pk_plan_part(struct pk_plan *p, enum pk_phase phase, uint32_t thread)
{
	void *v;

	/* Kinds write for one thread at a time: the part wanted is nearly always a late one. */
	for (size_t i = p->n_part; i-- > 0;)
		if (p->part[i].phase == phase && p->part[i].thread == thread)
			return &p->part[i];
	v = pk_array_more(p->part, p->n_part, sizeof(*p->part));
	if (!v) {
		p->failed = true;
		return &p->nowhere;
	}
	p->part = v;
	p->part[p->n_part] = (struct pk_plan_part){.phase = phase, .thread = thread};
	return &p->part[p->n_part++];
}

struct pk_script *pk_plan_script(struct pk_plan *p, enum pk_phase phase, uint32_t thread)
{
	return &pk_plan_part(p, phase, thread)->script;
}

size_t pk_plan_call(
	struct pk_plan *p, enum pk_phase phase, uint32_t thread, const struct pk_call *c)
{
	return pk_script_call(pk_plan_script(p, phase, thread), c);
}

void pk_plan_try(struct pk_plan *p, enum pk_phase phase, uint32_t thread, const struct pk_call *c,
	const char *text, ...)
{
	struct pk_plan_part *part = pk_plan_part(p, phase, thread);
	size_t op = pk_script_call(&part->script, c);
	va_list ap;
	char *s;
	void *v;
	int n;

	va_start(ap, text);
	n = vasprintf(&s, text, ap);
	va_end(ap);
	v = pk_array_more(part->note, part->n_note, sizeof(*part->note));
	if (v)
		part->note = v;
	if (n < 0 || !v) {
		p->failed = true;
		return;
	}
	part->note[part->n_note++] = (struct pk_plan_note){op, s};
}

/* One that is not there yet will get the number it had: several processes always do. */
static int32_t new_id(const struct pk_plan *p, uint32_t obj, int32_t had)
{
	/* Made in the order of the records. */
	size_t lo = 0, hi = p->target->n_new_id;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->target->new_id[mid].obj < obj)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->target->n_new_id && p->target->new_id[lo].obj == obj
		       ? p->target->new_id[lo].id
		       : had;
}

int32_t pk_plan_pid(const struct pk_plan *p, const struct pk_obj *task)
{
	return new_id(p, task->id, ((const struct pk_task *)task->data)->pid);
}

int32_t pk_plan_tid(const struct pk_plan *p, const struct pk_obj *thread)
{
	return new_id(p, thread->id, ((const struct pk_thread *)thread->data)->tid);
}

void pk_plan_sink(struct pk_plan *p, const struct pk_sink *s)
{
	void *v = pk_array_more(p->sink, p->n_sink, sizeof(*p->sink));

	if (!v) {
		p->failed = true;
		return;
	}
	p->sink = v;
	p->sink[p->n_sink++] = *s;
}

uint64_t pk_plan_scratch(struct pk_plan *p, uint64_t len)
{
	const uint64_t page = 4096;
	uint64_t at = p->scratch, room = p->scratch_end - at;

	if (len > room || (len + page - 1) / page > room / page)
		return 0;
	p->scratch += (len + page - 1) / page * page;
	return at;
}

void pk_plan_patch(struct pk_plan *p, uint64_t at, const void *bytes, size_t n)
{
	void *v = pk_array_more(p->patch, p->n_patch, sizeof(*p->patch));

	if (v)
		p->patch = v;
	if (!v || pk_bytes_set(&p->patch[p->n_patch].bytes, bytes, n) < 0) {
		p->failed = true;
		return;
	}
	p->patch[p->n_patch++].at = at;
}

void pk_plan_replace(struct pk_plan *p, const struct pk_replace *r)
{
	void *v = pk_array_more(p->replace, p->n_replace, sizeof(*p->replace));

	if (!v) {
		p->failed = true;
		return;
	}
	p->replace = v;
	p->replace[p->n_replace++] = *r;
}

const struct pk_sink *pk_plan_find_sink(const struct pk_plan *p, uint32_t obj)
{
	for (size_t i = 0; i < p->n_sink; i++)
		if (p->sink[i].obj == obj)
			return &p->sink[i];
	return p->first && p->first != p ? pk_plan_find_sink(p->first, obj) : NULL;
}
