/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any model that an image can hold, through a restore up to the point where a process would be
 * made: it is refused, with reasons, or becomes a plan that the stub can run. The model is made by
 * the field tables from the input; no file is written, and none opened but those named here. Calls
 * that would make, change or name one are refused by a filter, whatever the input says.
 */
#include <errno.h>
#include <limits.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kind/kind.h"
#include "restore/restore_internal.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

#define MAX_OBJECTS 24
#define PAGE        4096u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not those that the fuzzer itself needs for its corpus. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const int refused[] = {
		SCMP_SYS(mknod),
		SCMP_SYS(mknodat),
		SCMP_SYS(bind),
		SCMP_SYS(connect),
		SCMP_SYS(chmod),
		SCMP_SYS(fchmodat),
		SCMP_SYS(chown),
		SCMP_SYS(lchown),
		SCMP_SYS(fchownat),
		SCMP_SYS(truncate),
		SCMP_SYS(link),
		SCMP_SYS(linkat),
		SCMP_SYS(symlink),
		SCMP_SYS(symlinkat),
		SCMP_SYS(unlinkat),
		SCMP_SYS(rmdir),
		SCMP_SYS(mount),
		SCMP_SYS(umount2),
		SCMP_SYS(mq_open),
		SCMP_SYS(mq_unlink),
		SCMP_SYS(shmget),
		SCMP_SYS(semget),
		SCMP_SYS(msgget),
	};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

	(void)argc;
	(void)argv;
	CHECK(f);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		CHECK(seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), refused[i], 0) == 0);
	CHECK(seccomp_load(f) == 0);
	seccomp_release(f);
	return 0;
}

static const uint8_t *input;
static size_t left;

static uint8_t byte(void)
{
	if (!left)
		return 0;
	left--;
	return *input++;
}

static uint64_t number(void)
{
	static const uint64_t special[] = {0, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN, INT32_MAX,
		UINT32_MAX, UINT32_MAX - 1, PAGE - 1};
	uint8_t how = byte();
	uint64_t v = 0;

	switch (how >> 5) {
	case 0:
		return special[how % 8];
	case 1:
		return (uint64_t)byte() * PAGE;
	case 2:
		return (uint64_t)byte() << (how & 31);
	case 3:
		for (int i = 0; i < 8; i++)
			v = v << 8 | byte();
		return v;
	default:
		return how & 31;
	}
}

static char *string(void)
{
	static char huge[2 * PATH_MAX];
	static const char *const some[] = {"", "/", "/dev/null", "/nonexistent", "a%s%n", "[vdso]",
		"/etc/passwd", "/dev/zero", huge};
	uint8_t which = byte() % 10;

	memset(huge, '/', sizeof(huge) - 1);
	return which == 9 ? NULL : strdup(some[which]);
}

static void bytes(struct pk_bytes *b)
{
	uint8_t n = byte();

	b->n = n < 64 ? n : n < 160 ? (n - 64u) * 8 : (n - 160u) * 128;
	b->p = b->n ? malloc(b->n) : NULL;
	for (size_t i = 0; i < b->n; i++)
		((uint8_t *)b->p)[i] = i < 256 ? byte() : 0;
}

static void fill(const struct pk_type *type, void *obj)
{
	for (const struct pk_field *f = type->fields; f->ftype != PK_F_END; f++) {
		void *at = (char *)obj + f->offset;

		if (f->ftype == PK_F_STR)
			*(char **)at = string();
		else if (f->ftype == PK_F_BYTES)
			bytes(at);
		else if (f->ftype != PK_F_LIST)
			pk_field_set(f, obj, number());
		else
			for (int n = byte() % 5; n; n--)
				fill(f->sub, pk_list_add(at, f->sub));
	}
}

/* Most inputs get beyond the checks that would refuse nearly all that is random. */
static void shape_host(struct pk_host *h)
{
	h->cpu_words.n = h->xcomp.n = 0;
	h->xcr0 = h->min_sigstksz = 0;
	h->page_size = PAGE;
}

static void shape_map(const struct pk_model *m, struct pk_vma *vma)
{
	vma->start = (vma->start & (UINT64_C(1) << 46) - 1) / PAGE * PAGE;
	vma->end = vma->start + (1 + byte()) * PAGE;
	vma->backing = byte() % (m->last_id + 1);
}

static void shape_fds(const struct pk_model *m, struct pk_fds *fds)
{
	struct pk_fd *fd = fds->fd.p;

	for (size_t i = 0; i < fds->fd.n; i++) {
		fd[i].fd = (i ? fd[i - 1].fd + 1 : 0) + byte() % 4;
		fd[i].file = byte() % (m->last_id + 1);
	}
}

static void shape(const struct pk_model *m, const struct pk_type *type, void *obj)
{
	if (byte() % 8 == 7)
		return;
	if (type == &pk_host_type)
		shape_host(obj);
	if (type == &pk_vma_type)
		shape_map(m, obj);
	if (type == &pk_fds_type)
		shape_fds(m, obj);
}

static uint32_t add(struct pk_model *m, const struct pk_type *type, uint32_t owner)
{
	uint32_t id;
	void *obj = pk_model_add(m, type, owner, &id);

	CHECK(obj);
	fill(type, obj);
	shape(m, type, obj);
	return id;
}

static void make_model(struct pk_model *m)
{
	uint8_t missing = byte();
	size_t n_kinds = 0;
	uint32_t task = 0;

	while (pk_kinds[n_kinds] != &pk_kind_unsupported)
		n_kinds++;
	if (missing != 1)
		add(m, &pk_host_type, 0);
	if (missing != 2)
		task = add(m, &pk_task_type, 0);
	if (missing != 3)
		add(m, &pk_mm_type, task);
	if (missing != 4)
		add(m, &pk_thread_type, task);
	for (size_t i = 0; left && i < MAX_OBJECTS; i++) {
		const struct pk_type *type = pk_kinds[byte() % n_kinds]->type;
		uint8_t owner = byte();

		add(m, type, owner < 200 ? task : owner % (m->last_id + 1));
	}
}

static void make_target(struct pk_restore *r)
{
	struct pk_target *t = &r->target;
	uint8_t flags = byte();

	t->model = &r->image.model;
	t->may_set_exe = flags & 1;
	t->user_ns = flags & 2;
	t->redirect_vdso = flags & 4;
	t->inherit_std = flags & 8;
	t->pids = flags & 16 ? PK_PID_NS : PK_PID_ANY;
	t->uid = getuid();
	t->gid = getgid();
	t->caps = number();
	t->bounding = number();
	t->known_caps = number();
	t->store = "/nonexistent";
	for (int i = 0; i < 3; i++)
		t->std[i] = byte() % 4 ? i : -1;
	pk_cpu_probe(&t->cpu);
	CHECK(pk_bytes_set(&t->cpus, "\3\0\0\0\0\0\0\1", 8) == 0);
}

static int check(struct pk_restore *r, struct pk_error *err)
{
	const struct pk_report *rep = &r->target.report;
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(&r->image.model, o, NULL, PK_ANY_OWNER))) {
		const struct pk_kind *k = pk_kind_of(o->type);

		if (k->check && !pk_file_overridden(&r->target, o->id))
			k->check(&r->target, o);
	}
	for (size_t i = 0; i < rep->n; i++)
		CHECK(rep->v[i].class && rep->v[i].what[0]);
	if (!rep->n)
		return 0;
	*err = rep->v[0];
	return -rep->v[0].class;
}

static int plan(struct pk_restore *r, struct pk_error *err)
{
	int e = pk_preflight_job(r, err);

	if (e == 0)
		e = check(r, err);
	if (e == 0)
		e = pk_prepare(r, err);
	r->seed = getpid();
	if (e == 0)
		e = pk_layout_choose(r, err);
	for (size_t i = 0; i < r->n_procs && e == 0; i++) {
		r->proc[i].pid = getpid();
		if (!r->proc[i].task->zombie)
			e = pk_plan_all(&r->proc[i], err);
	}
	return e;
}

static void check_op(const struct pk_script *s, const struct pk_op *op)
{
	for (unsigned i = 0; op->code == PK_OP_SYS && i < 6; i++) {
		if (op->addr >> i & 1)
			CHECK(op->a[i] <= s->data.len);
		else if (op->load >> i & 1)
			CHECK(op->a[i] % 4 == 0 && op->a[i] < s->data.len);
	}
}

static void check_plan(const struct pk_restore *r, const struct pk_plan *p)
{
	char line[400];

	for (size_t i = 0; i < p->n_part; i++) {
		const struct pk_plan_part *part = &p->part[i];

		CHECK(pk_script_size(&part->script) <= r->prog_size);
		for (size_t k = 0; k < part->script.n; k++) {
			check_op(&part->script, &part->script.op[k]);
			pk_op_print(&part->script.op[k], k, NULL, line, sizeof(line));
		}
		for (size_t k = 0; k < part->n_note; k++)
			CHECK(part->note[k].op < part->script.n && part->note[k].text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pckpt_restore_options o = {0};
	struct pk_restore r = {.o = &o};
	struct pk_error err = {0};
	int e;

	input = data;
	left = size;
	make_target(&r);
	make_model(&r.image.model);
	e = plan(&r, &err);
	CHECK(e <= 0);
	if (e < 0)
		CHECK(err.class == -e && err.what[0]);
	for (size_t i = 0; i < r.n_procs && e == 0; i++)
		check_plan(&r, &r.proc[i].plan);
	for (size_t i = 0; i < r.n_procs; i++)
		pk_plan_free(&r.proc[i].plan);
	free(r.proc);
	pk_target_free(&r.target);
	pk_model_free(&r.image.model);
	return 0;
}
