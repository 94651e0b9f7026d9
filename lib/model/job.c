/* SPDX-License-Identifier: Apache-2.0 */
#include "model/job.h"

#define H struct pk_host
const struct pk_type pk_host_type = {
	.name = "host",
	.id = 1,
	.size = sizeof(H),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(H, 1, PK_F_STR, hostname, "uname(2) nodename"),
			PK_FIELD(H, 2, PK_F_STR, kernel, "uname(2) release"),
			PK_FIELD(H, 3, PK_F_STR, version, "pckpt that wrote the image"),
			PK_FIELD(H, 4, PK_F_I64, realtime, "CLOCK_REALTIME at the freeze, ns"),
			PK_FIELD(
				H, 5, PK_F_I64, monotonic, "CLOCK_MONOTONIC as the job saw it, ns"),
			PK_FIELD(H, 6, PK_F_I64, boottime, "CLOCK_BOOTTIME as the job saw it, ns"),
			PK_FIELD(H, 7, PK_F_U32, page_size, "bytes"),
			PK_FIELD(H, 8, PK_F_STR, cpu_vendor, "CPUID leaf 0"),
			PK_FIELD(H, 9, PK_F_STR, cpu_model, "CPUID brand string"),
			PK_FIELD(H, 10, PK_F_BYTES, cpu_words,
				"u32 each: CPUID 1.ecx 1.edx 7.0.ebx 7.0.ecx 7.0.edx 7.1.eax "
				"80000001.ecx 80000001.edx"),
			PK_FIELD(H, 11, PK_F_U64, xcr0, "XSAVE components that the OS allows"),
			PK_FIELD(H, 12, PK_F_BYTES, xcomp,
				"u32 offset, u32 size of each XSAVE component in a thread's "
				"xstate"),
			PK_FIELD(H, 13, PK_F_U32, min_sigstksz, "AT_MINSIGSTKSZ"),
			PK_FIELD(H, 14, PK_F_BYTES, cpus, "bit mask of the CPUs the job could use"),
			PK_FIELD_END,
		},
};

#define T struct pk_task
const struct pk_type pk_task_type = {
	.name = "task",
	.id = 2,
	.size = sizeof(T),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(T, 1, PK_F_I32, pid, "as the program sees it"),
			PK_FIELD(T, 2, PK_F_I32, ppid, "0 if the parent was out of its sight"),
			PK_FIELD(T, 3, PK_F_I32, pgid, "process group; 0 if out of its sight"),
			PK_FIELD(T, 4, PK_F_I32, sid, "session; 0 if out of its sight"),
			PK_FIELD(T, 5, PK_F_I32, stop_signal, "stopped by this signal, or 0"),
			PK_FIELD(T, 6, PK_F_U64, start_time, "clock ticks after boot"),
			PK_FIELD(T, 7, PK_F_STR, comm, "name of the first thread"),
			PK_FIELD(T, 8, PK_F_STR, exe, "path of the running program"),
			PK_FIELD(T, 9, PK_F_U32, exe_file,
				"record of the carried file that holds the program, if its path "
				"does not"),
			PK_FIELD(T, 10, PK_F_U32, zombie, "1: ended, not yet waited for"),
			PK_FIELD(T, 11, PK_F_I32, exit_status,
				"wait status; waitpid(2). Of a zombie"),
			PK_FIELD(T, 12, PK_F_I32, exit_signal, "what its parent gets at its end"),
			PK_FIELD(T, 13, PK_F_U32, files_of,
				"record of a task that has the same descriptor table, or 0"),
			PK_FIELD(T, 14, PK_F_U32, fs_of,
				"record of a task that has the same cwd and umask, or 0"),
			PK_FIELD(T, 16, PK_F_U32, vm_of,
				"record of a task that has the same memory, or 0"),
			PK_FIELD(T, 17, PK_F_U32, sighand_of,
				"record of a task that has the same signal actions, or 0"),
			PK_FIELD(T, 15, PK_F_U32, tty,
				"device number of the controlling terminal, or 0"),
			PK_FIELD_END,
		},
};

#define R struct pk_thread
const struct pk_type pk_thread_type = {
	.name = "thread",
	.id = 3,
	.size = sizeof(R),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(R, 1, PK_F_I32, tid, "as the program sees it"),
			PK_FIELD(R, 2, PK_F_STR, comm, "prctl(2) PR_SET_NAME"),
			PK_FIELD(R, 3, PK_F_BYTES, regs, "struct user_regs_struct, sys/user.h"),
			PK_FIELD(R, 4, PK_F_BYTES, xstate,
				"XSAVE area, standard format; bytes past its end are zero"),
			PK_FIELD(R, 5, PK_F_U64, sigmask, "blocked signals, bit n-1 is signal n"),
			PK_FIELD(R, 6, PK_F_U64, xcomp_perm,
				"ARCH_GET_XCOMP_PERM: dynamic XSAVE components permitted"),
			PK_FIELD(R, 7, PK_F_I32, wait_nr, "timed call in progress, or -1"),
			PK_FIELD(R, 8, PK_F_I64, wait_end,
				"when it ends, CLOCK_MONOTONIC ns, or -1"),
			PK_FIELD(R, 9, PK_F_U64, sud_mode, "PR_SET_SYSCALL_USER_DISPATCH mode"),
			PK_FIELD(R, 10, PK_F_U64, sud_selector, "its selector address"),
			PK_FIELD(R, 11, PK_F_U64, sud_offset, "start of the allowed range"),
			PK_FIELD(R, 12, PK_F_U64, sud_len, "length of the allowed range"),
			PK_FIELD_END,
		},
};

#define M struct pk_mm
const struct pk_type pk_mm_type = {
	.name = "mm",
	.id = 4,
	.size = sizeof(M),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(M, 1, PK_F_U64, start_code, "address; see prctl(2) PR_SET_MM"),
			PK_FIELD(M, 2, PK_F_U64, end_code, "address"),
			PK_FIELD(M, 3, PK_F_U64, start_data, "address"),
			PK_FIELD(M, 4, PK_F_U64, end_data, "address"),
			PK_FIELD(M, 5, PK_F_U64, start_brk, "address"),
			PK_FIELD(M, 6, PK_F_U64, brk, "address"),
			PK_FIELD(M, 7, PK_F_U64, start_stack, "address"),
			PK_FIELD(M, 8, PK_F_U64, arg_start, "address"),
			PK_FIELD(M, 9, PK_F_U64, arg_end, "address"),
			PK_FIELD(M, 10, PK_F_U64, env_start, "address"),
			PK_FIELD(M, 11, PK_F_U64, env_end, "address"),
			PK_FIELD(M, 12, PK_F_BYTES, auxv, "Elf64_auxv_t array"),
			PK_FIELD(M, 13, PK_F_U32, lock_future, "mlockall(2) flags in effect"),
			PK_FIELD_END,
		},
};

#define S struct pk_range
const struct pk_type pk_range_type = {
	.name = "range",
	.size = sizeof(S),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(S, 1, PK_F_U64, start, "first address"),
			PK_FIELD(S, 2, PK_F_U64, end, "address after the last"),
			PK_FIELD_END,
		},
};

#define V struct pk_vma
const struct pk_type pk_vma_type = {
	.name = "vma",
	.id = 5,
	.size = sizeof(V),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(V, 1, PK_F_U64, start, "first address"),
			PK_FIELD(V, 2, PK_F_U64, end, "address after the last"),
			PK_FIELD(V, 3, PK_F_U64, offset, "into the backing object, bytes"),
			PK_FIELD(V, 4, PK_F_U32, prot, "PROT_* of mmap(2)"),
			PK_FIELD(V, 5, PK_F_U32, shared, "1: MAP_SHARED, 0: MAP_PRIVATE"),
			PK_FIELD(V, 6, PK_F_U64, flags,
				"VmFlags of smaps, one bit each in the order rd wr ex sh mr mw me "
				"ms gd "
				"pf dw lo io sr rr dc de ac nr ht sf ar wf dd sd mm hg nh mg bt mt "
				"um "
				"uw ui ss sl dp gu lf"),
			PK_FIELD(V, 7, PK_F_U32, page_size, "bytes"),
			PK_FIELD(V, 8, PK_F_U32, backing,
				"record of what is mapped; 0: private anonymous memory"),
			PK_FIELD(V, 9, PK_F_U32, stored, "1: the page files hold pages of it"),
			PK_FIELD(V, 10, PK_F_STR, name, "as /proc/PID/maps shows it"),
			PK_FIELD_LIST(V, 11, guards, &pk_range_type, "guard pages"),
			PK_FIELD(V, 12, PK_F_U32, policy, "mbind(2) mode and flags, 0: default"),
			PK_FIELD(V, 13, PK_F_BYTES, nodes, "mbind(2) node mask"),
			PK_FIELD(V, 14, PK_F_U32, inherited,
				"1: pages that are not stored are those of the parent task's equal "
				"mapping"),
			PK_FIELD_LIST(V, 15, absent, &pk_range_type,
				"pages that the parent has there, and this task has not"),
			PK_FIELD_END,
		},
};

#define F struct pk_fd
const struct pk_type pk_fd_type = {
	.name = "fd",
	.size = sizeof(F),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(F, 1, PK_F_U32, fd, "number"),
			PK_FIELD(F, 2, PK_F_U32, flags, "fcntl(2) F_GETFD"),
			PK_FIELD(F, 3, PK_F_U32, file, "record of the open file description"),
			PK_FIELD_END,
		},
};

const struct pk_type pk_fds_type = {
	.name = "fds",
	.id = 6,
	.size = sizeof(struct pk_fds),
	.fields =
		(const struct pk_field[]){
			PK_FIELD_LIST(struct pk_fds, 1, fd, &pk_fd_type, "descriptors, ascending"),
			PK_FIELD_END,
		},
};
