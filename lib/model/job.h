/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structs that dump and restore both look into: the host, tasks, threads, mappings,
 * descriptors. All other objects are known to their kind only. Numbers of processes are those that
 * the program sees; addresses are the program's.
 */
#ifndef PK_MODEL_JOB_H
#define PK_MODEL_JOB_H

#include "model/model.h"
#include "model/range.h"

/* Where and when: one for each image. */
struct pk_host {
	char *hostname, *kernel;               /* uname(2) */
	char *version;                         /* of pckpt */
	int64_t realtime, monotonic, boottime; /* ns, as the program saw them when it was frozen */
	uint32_t page_size;
	char *cpu_vendor, *cpu_model;
	struct pk_bytes cpu_words; /* uint32_t[PK_CPU_WORDS], lib/proc/cpu.h */
	uint64_t xcr0;
	struct pk_bytes xcomp; /* struct pk_xcomp[PK_XFEATURES]: layout of the threads' xstate */
	uint32_t min_sigstksz;
	struct pk_bytes cpus; /* bit mask: CPUs that the job was allowed to use */
};
extern const struct pk_type pk_host_type;

struct pk_task {
	int32_t pid, ppid, pgid, sid;
	int32_t stop_signal; /* stopped by job control with this signal, else 0 */
	uint64_t start_time; /* of the process, ticks since boot: tells a reused pid from the same
				one */
	char *comm;
	char *exe;         /* path of the running program */
	uint32_t exe_file; /* the object that holds it, if the path does not lead to it */
	uint32_t zombie;   /* 1: it has ended; exit_status is what its parent will see */
	int32_t exit_status;
	int32_t exit_signal; /* that its parent gets when it ends */
	/*
	 * Its parent, if it shares that one's descriptor table, cwd and umask, memory, signal
	 * actions; or 0. clone(2) without CLONE_THREAD.
	 */
	uint32_t files_of, fs_of, vm_of, sighand_of;
	uint32_t tty; /* device number of its controlling terminal, 0: none */
};
extern const struct pk_type pk_task_type;

struct pk_thread {
	int32_t tid;
	char *comm;
	struct pk_bytes regs; /* NT_PRSTATUS registers, as the thread goes on with */
	struct pk_bytes
		xstate; /* NT_X86_XSTATE, standard format, cut after the last component in use */
	uint64_t sigmask;
	uint64_t xcomp_perm; /* dynamic components that it may use: arch_prctl(2) */
	/*
	 * A timed wait that was in progress: number of the call, and when it ends on the program's
	 * CLOCK_MONOTONIC; -1 if its arguments say so themselves. wait_nr is -1 if there was none.
	 */
	int32_t wait_nr;
	int64_t wait_end;
	uint64_t sud_mode, sud_selector, sud_offset, sud_len; /* syscall user dispatch */
};
extern const struct pk_type pk_thread_type;

/* The address space as such: bounds that the kernel keeps, prctl(2) PR_SET_MM. */
struct pk_mm {
	uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	uint64_t arg_start, arg_end, env_start, env_end;
	struct pk_bytes auxv;
	uint32_t lock_future; /* mlockall(MCL_FUTURE): MCL_* flags in effect for new mappings */
};
extern const struct pk_type pk_mm_type;

extern const struct pk_type pk_range_type; /* struct pk_range */

struct pk_vma {
	uint64_t start, end;
	uint64_t offset; /* into the backing object */
	uint32_t prot;   /* PROT_* */
	uint32_t shared;
	uint64_t flags; /* PK_VM(..) bits, lib/proc/maps.h */
	uint32_t page_size;
	uint32_t backing;      /* object mapped here; 0: private anonymous memory */
	uint32_t stored;       /* the image holds pages of it */
	char *name;            /* as /proc/PID/maps shows it, for messages */
	struct pk_list guards; /* struct pk_range: guard pages */
	uint32_t policy;       /* mbind(2): mode and flags; 0 is the default */
	struct pk_bytes nodes;
	/*
	 * The same mapping as its parent's, by fork(2): pages that are not stored are the parent's,
	 * but for `absent` (struct pk_range), which are not there.
	 */
	uint32_t inherited;
	struct pk_list absent;
};
extern const struct pk_type pk_vma_type;

/* The table of descriptors of a task. */
struct pk_fd {
	uint32_t fd;
	uint32_t flags; /* FD_CLOEXEC */
	uint32_t file;  /* the open file description: descriptors that share it name the same one */
};
struct pk_fds {
	struct pk_list fd; /* struct pk_fd, ascending */
};
extern const struct pk_type pk_fd_type, pk_fds_type;

#endif
