/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V shared memory that is attached: shmat(2). The segment is made under its number in an ipc
 * namespace of the job's own, attached at a place in passing, and each mapping is a second view of
 * that by mremap(2), as in shmem.c; with huge pages, where that is impossible, each mapping is
 * attached by itself, and has to be of all of it. Processes outside the job that have it attached
 * too keep the old one.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "kind/mapflags.h"
#include "kind/resident.h"
#include "kind/sysv.h"

struct sysvshm {
	struct pk_sysv ipc;
	uint64_t size;
	uint32_t removed;   /* marked: it goes with its last user */
	uint32_t huge_size; /* of its pages; 0: ordinary ones */
};

static const struct pk_type type;

static bool match(const struct pk_view *v)
{
	return v->map->shared && v->map->deleted && !strncmp(v->map->path, "/SYSV", 5);
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const int32_t id = (int32_t)v->map->ino; /* as /proc/PID/maps has it */
	struct sysvshm *m = obj;
	struct pk_script s = {0};
	size_t at = pk_script_data(&s, NULL, sizeof(struct shmid_ds));
	const struct shmid_ds *ds;
	unsigned views;
	int r;

	if (v->map->vmflags & PK_VM(ht))
		m->huge_size = (uint32_t)v->map->page_size;
	pk_script_call(&s, &(struct pk_call){
				   .nr = SYS_shmctl,
				   .a = {pk_num((uint64_t)id), pk_num(IPC_STAT), pk_addr(at)},
				   .check = PK_CHECK_OK,
			   });
	r = pk_source_run(v->src, &s, err);
	ds = pk_script_at(&s, at);
	if (r == 0) {
		m->ipc = pk_sysv_of(id, &ds->shm_perm);
		m->size = ds->shm_segsz;
		m->removed = !!(ds->shm_perm.mode & SHM_DEST);
		pk_views_end(v->src, v->map, &views);
		if (ds->shm_nattch > views)
			pk_log(PK_LOG_WARN,
				"pid %d: System V shared memory %d is attached outside the job "
				"too: restored, it is the job's alone",
				v->src->pid, id);
	}
	pk_script_free(&s);
	return r;
}

static int save(struct pk_view *v, const struct pk_vma *vma, struct pk_error *err)
{
	const struct sysvshm *m = pk_model_find(v->src->model, vma->backing, &type)->data;

	if (!m->huge_size || (!vma->offset && vma->end - vma->start >= m->size))
		return pk_save_resident(v, vma, err);
	pk_fail(err, PK_E_UNSUPPORTED, "pid %d: System V shared memory %d with huge pages",
		v->src->pid, m->ipc.id);
	pk_why(err, "a part of it is mapped only");
	return pk_try(err, "run the program without SHM_HUGETLB");
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	pk_sysv_check(t, "shared memory", ((const struct sysvshm *)o->data)->ipc.id);
}

static int make_one(const struct sysvshm *m, struct pk_error *err)
{
	uint32_t flags = IPC_CREAT | IPC_EXCL | m->ipc.mode;
	int r = pk_sysv_next("shm", m->ipc.id, err);

	if (r < 0)
		return r;
	if (m->huge_size)
		flags |= SHM_HUGETLB | (uint32_t)__builtin_ctz(m->huge_size) << 26;
	r = pk_sysv_made("shm", &m->ipc, shmget((key_t)m->ipc.key, m->size, (int)flags), err);
	return r < 0 && m->huge_size ? pk_try(err, "reserve huge pages (vm.nr_hugepages)") : r;
}

static int make(struct pk_target *t, struct pk_error *err)
{
	const struct pk_obj *o = NULL;
	int r = 0;

	while (r == 0 && (o = pk_model_next(t->model, o, &type, PK_ANY_OWNER)))
		r = make_one(o->data, err);
	return r;
}

static void attach(struct pk_plan *p, const struct sysvshm *m, uint64_t at)
{
	pk_plan_call(p, PK_PH_MAP, 0,
		&(struct pk_call){
			.nr = SYS_shmat,
			.a = {pk_num((uint64_t)m->ipc.id), pk_num(at)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)at,
		});
}

/* Before any process is forked: all of them have it then. */
static int share(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct sysvshm *m = o->data;
	uint64_t page = m->huge_size ? m->huge_size : 4096;
	uint64_t at = pk_plan_scratch(p, m->size + page - 4096);

	if (page & (page - 1)) {
		pk_fail(err, PK_E_IMAGE, "record %u: size of pages", o->id);
		return -PK_E_IMAGE;
	}
	at = (at + page - 1) & ~(page - 1);
	if (!at) {
		pk_fail(err, PK_E_HOST, "System V shared memory %d", m->ipc.id);
		return pk_why(err, "there is not enough free address space for it");
	}
	attach(p, m, at);
	pk_plan_sink(
		p, &(struct pk_sink){
			   .obj = o->id, .base = at, .len = (m->size + page - 1) & ~(page - 1)});
	return 0;
}

static int map(
	struct pk_plan *p, const struct pk_vma *vma, const struct pk_obj *o, struct pk_error *err)
{
	const struct pk_sink *sink = pk_plan_find_sink(p, o->id);

	if (!sink) {
		pk_fail(err, PK_E_IMAGE, "record %u", o->id);
		return pk_why(err, "shared memory that is nowhere");
	}
	if (((const struct sysvshm *)o->data)->huge_size) {
		attach(p, o->data, vma->start);
		return 0;
	}
	pk_plan_call(p, PK_PH_MAP, 0,
		&(struct pk_call){
			.nr = SYS_mremap,
			.a = {pk_num(sink->base + vma->offset), pk_num(0),
				pk_num(vma->end - vma->start),
				pk_num(MREMAP_MAYMOVE | MREMAP_FIXED), pk_num(vma->start)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)vma->start,
		});
	return 0;
}

/* It is attached by now, and stays until that ends. */
static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct sysvshm *m = o->data;

	(void)err;
	if (m->removed)
		pk_plan_call(p, PK_PH_TASK, 0,
			&(struct pk_call){
				.nr = SYS_shmctl,
				.a = {pk_num((uint64_t)m->ipc.id), pk_num(IPC_RMID)},
				.check = PK_CHECK_OK,
			});
	return 0;
}

#define M struct sysvshm
static const struct pk_type type = {
	.name = "sysvshm",
	.id = 125,
	.size = sizeof(M),
	.fields =
		(const struct pk_field[]){
			PK_SYSV_FIELDS(M, ipc),
			PK_FIELD(M, 6, PK_F_U64, size, "bytes"),
			PK_FIELD(M, 7, PK_F_U32, removed, "1: marked for removal, IPC_RMID"),
			PK_FIELD(M, 8, PK_F_U32, huge_size, "size of its huge pages, or 0"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_sysvshm = {
	.type = &type,
	.level = PK_LV_MAPPING,
	.summary = "System V shared memory that is attached, under its number, in an ipc namespace "
		   "of the job's own",
	.match = match,
	.collect = collect,
	.save = save,
	.check = check,
	.make = make,
	.share = share,
	.map = map,
	.plan = plan,
};
