/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking an image without using it, in a process that can do nothing but read: whatever a damaged
 * or forged image makes the parser do, a seccomp filter keeps it from doing more.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "restore/restore_internal.h"

struct report {
	int ret;
	struct pk_error err;
	struct pckpt_verify_result result;
};

/* Reading, memory, and writing to what is open. Everything else fails with EPERM. */
static const int allowed[] = {SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(write),
	SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(stat),
	SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(lseek), SCMP_SYS(getdents64), SCMP_SYS(mmap),
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(brk),
	SCMP_SYS(futex), SCMP_SYS(fcntl), SCMP_SYS(fadvise64), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack),
	SCMP_SYS(sched_yield), SCMP_SYS(getrandom), SCMP_SYS(exit), SCMP_SYS(exit_group)};

static int confine(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	const uint32_t writing = O_ACCMODE | O_CREAT | O_TRUNC;
	int e = ctx ? 0 : -1;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed) && e == 0; i++)
		e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
	if (e == 0)
		e = seccomp_load(ctx);
	seccomp_release(ctx);
	return e;
}

static int verify(const char *path, struct pckpt_verify_result *ret, struct pk_error *err)
{
	struct pk_image img = {.dirfd = -1};
	int e = pk_image_open(path, pk_kind_lookup, &img, err);

	if (e < 0)
		return e;
	snprintf(ret->path, sizeof(ret->path), "%s", img.path);
	ret->records = img.model.n;
	ret->files = img.n_file;
	for (size_t i = 0; i < img.n_file; i++)
		ret->image_bytes += img.file[i].size;
	e = pk_image_verify(&img, err);
	pk_image_close(&img);
	return e;
}

static _Noreturn void child(const char *path, int fd)
{
	struct report rep = {0};

	/* A kernel without seccomp: then without the second fence. */
	(void)confine();
	rep.ret = verify(path, &rep.result, &rep.err);
	(void)!pk_write_all(fd, &rep, sizeof(rep));
	_exit(0);
}

static size_t read_all(int fd, void *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = read(fd, (char *)p + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return done;
}

int pckpt_verify(const char *image, struct pckpt_verify_result *ret, struct pk_error *err)
{
	struct report rep = {0};
	int fds[2], status;
	size_t n;
	pid_t pid;

	*ret = (struct pckpt_verify_result){0};
	if (pipe(fds) < 0)
		return pk_fail_errno(err, "verify");
	pid = fork();
	if (pid == 0)
		child(image, fds[1]);
	close(fds[1]);
	n = pid < 0 ? 0 : read_all(fds[0], &rep, sizeof(rep));
	close(fds[0]);
	if (pid < 0)
		return pk_fail_errno(err, "verify");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof(rep)) {
		pk_fail(err, PK_E_INTERNAL, "%s", image);
		return pk_why(
			err, "the process that checks it was ended (wait status 0x%x)", status);
	}
	*ret = rep.result;
	if (rep.ret < 0 && err)
		*err = rep.err;
	return rep.ret;
}
