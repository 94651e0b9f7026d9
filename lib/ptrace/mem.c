/* SPDX-License-Identifier: Apache-2.0 */
#include "ptrace/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>

#include "base/fs.h"

typedef ssize_t transfer(pid_t, const struct iovec *, unsigned long, const struct iovec *,
	unsigned long, unsigned long);

static int move(transfer *fn, pid_t pid, uint64_t at, void *p, size_t n, struct pk_error *err)
{
	size_t done = 0;

	while (done < n) {
		struct iovec local = {.iov_base = (char *)p + done, .iov_len = n - done};
		struct iovec remote = {.iov_base = (void *)(at + done), .iov_len = n - done};
		ssize_t r = fn(pid, &local, 1, &remote, 1, 0);

		if (r > 0) {
			done += (size_t)r;
			continue;
		}
		if (r == 0)
			errno = EFAULT;
		return pk_fail_errno(err, "pid %d: memory at 0x%lx", pid, (long)(at + done));
	}
	return 0;
}

int pk_mem_read(pid_t pid, uint64_t at, void *p, size_t n, struct pk_error *err)
{
	return move(process_vm_readv, pid, at, p, n, err);
}

int pk_mem_write(pid_t pid, uint64_t at, const void *p, size_t n, struct pk_error *err)
{
	return move(process_vm_writev, pid, at, (void *)p, n, err);
}

static size_t total(const struct iovec *iov, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

int pk_mem_gather(pid_t pid, int memfd, bool gently, const struct iovec *remote, size_t n_remote,
	void *p, struct pk_error *err)
{
	struct iovec local = {.iov_base = p, .iov_len = total(remote, n_remote)};
	char *to = p;

	if (!gently &&
		process_vm_readv(pid, &local, 1, remote, n_remote, 0) == (ssize_t)local.iov_len)
		return 0;
	for (size_t i = 0; i < n_remote; i++) {
		uint64_t at = (uint64_t)remote[i].iov_base;

		if ((gently || pk_mem_read(pid, at, to, remote[i].iov_len, NULL) < 0) &&
			pk_pread_all(memfd, to, remote[i].iov_len, at) < 0) {
			pk_fail_errno(err, "pid %d: memory at 0x%lx", pid, (long)at);
			return pk_why(err, "the page cannot be read: %s", strerror(errno));
		}
		to += remote[i].iov_len;
	}
	return 0;
}

int pk_mem_poke(pid_t tid, uint64_t at, const void *p, size_t n, struct pk_error *err)
{
	for (size_t i = 0; i < n; i += sizeof(long)) {
		long word;

		memcpy(&word, (const char *)p + i, sizeof(word));
		if (ptrace(PTRACE_POKEDATA, tid, (void *)(at + i), word) < 0)
			return pk_fail_errno(err, "thread %d: code at 0x%lx", tid, (long)(at + i));
	}
	return 0;
}
