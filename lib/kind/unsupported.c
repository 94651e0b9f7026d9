/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that no other kind knows: refused by name, with a remedy. It matches last, so an
 * object is never lost without a word.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kind/kind.h"
#include "kind/refusal.h"

const struct pk_refusal pk_refusals[] = {
	{"socket:", "socket, on a kernel before 5.6", "use a node with a newer kernel"},
	{"anon_inode:[io_uring]", "io_uring instance",
		"switch io_uring off in the program or its library (UV_USE_IO_URING=0 for Node)"},
	{"anon_inode:[fanotify]", "fanotify group", "run the program without it"},
	{"anon_inode:[perf_event]", "performance counter", "run the program without perf"},
	{"anon_inode:bpf", "BPF object", "run the program without it"},
	{"anon_inode:[userfaultfd]", "userfaultfd", "run the program without it"},
	{"anon_inode:kvm", "virtual machine", "use the virtual machine's own snapshots"},
	{"/secretmem", "secret memory", "run the program without memfd_secret(2)"},
	{"/[aio]", "asynchronous I/O context", "run the program without libaio"},
	{"/dev/nvidia", "GPU", "let the program release the GPU, or use its own checkpoints"},
	{"/dev/kfd", "GPU", "let the program release the GPU, or use its own checkpoints"},
	{"/dev/dri", "GPU", "let the program release the GPU, or use its own checkpoints"},
	{"/dev/infiniband", "RDMA device",
		"run MPI over TCP or shared memory (UCX_TLS=tcp,sm or --mca btl tcp,self,vader)"},
	{"/dev/fuse", "FUSE connection", "unmount that file system first"},
	{"/dev/net/tun", "network tunnel", "run the program without it"},
	{"/dev/kvm", "virtual machine", "use the virtual machine's own snapshots"},
	{"/dev/pts/", "terminal", "start the program without it (setsid, nohup, batch job)"},
	{"/dev/tty", "terminal", "start the program without it (setsid, nohup, batch job)"},
	{"[uprobes]", "probe set by a tracer", "remove the probe first"},
	{0},
};

static bool match(const struct pk_view *v)
{
	(void)v;
	return true;
}

static const struct pk_refusal *find(const char *name)
{
	for (const struct pk_refusal *r = pk_refusals; r->prefix; r++)
		if (!strncmp(name, r->prefix, strlen(r->prefix)))
			return r;
	return NULL;
}

static const char *type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFIFO:
		return "named pipe";
	case S_IFSOCK:
		return "socket";
	case S_IFBLK:
		return "block device";
	case S_IFCHR:
		return "character device";
	default:
		return "object of an unknown type";
	}
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const char *name = v->map ? v->map->path : v->file->link;
	const struct pk_refusal *r = find(name);
	const char *what = r        ? r->what
			   : v->map ? "mapping of an unknown type"
				    : type_of(v->file->st.st_mode);

	(void)obj;
	if (v->map)
		pk_fail(err, PK_E_UNSUPPORTED, "mapping %lx-%lx: %s (%s)", (long)v->map->start,
			(long)v->map->end, what, name);
	else
		pk_fail(err, PK_E_UNSUPPORTED, "fd %u: %s (%s)", v->file->fd, what, name);
	pk_why(err, "this version of pckpt cannot rebuild it");
	return pk_try(err, "%s", r ? r->try : "dump when the program has closed it");
}

static const struct pk_type type = {
	.name = "unsupported",
	.id = 0xffff,
	.fields = (const struct pk_field[]){PK_FIELD_END},
};

const struct pk_kind pk_kind_unsupported = {
	.type = &type,
	.level = PK_LV_CORE,
	.summary = "everything else: refused by name",
	.match = match,
	.collect = collect,
};
