/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/status, stat, timers, fdinfo and other small texts. Parsers take text, never files. */
#ifndef PK_PROC_STATUS_H
#define PK_PROC_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define PK_NS_DEPTH   33 /* pid namespaces nest at most 32 deep */
#define PK_MAX_GROUPS 65536

struct pk_status {
	char name[64]; /* unescaped */
	char state;    /* R S D T t Z X I */
	bool has_umask;
	uint32_t umask;
	pid_t tgid, pid, ppid, tracer;
	uint32_t uid[4], gid[4]; /* real, effective, saved, fs */
	uint32_t *groups;        /* allocated */
	size_t n_groups;
	/* The numbers in each pid namespace, outermost first; the last is what the program sees. A
	   group or session whose leader is outside of a namespace is 0 there. */
	pid_t nspid[PK_NS_DEPTH], nstgid[PK_NS_DEPTH], nspgid[PK_NS_DEPTH], nssid[PK_NS_DEPTH];
	size_t ns_depth; /* how many of them; 0 if the kernel does not print NSpid */
	uint32_t threads;
	uint64_t sig_pnd, shd_pnd, sig_blk, sig_ign, sig_cgt; /* bit n-1 is signal n */
	uint64_t cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb;
	uint32_t no_new_privs;
	uint32_t seccomp; /* mode: 0 none, 1 strict, 2 filter */
	uint32_t seccomp_filters;
	uint64_t vm_lck, vm_rss; /* bytes */
	char x86_features[64];   /* x86_Thread_features, "" if the kernel prints none */
	char x86_features_locked[64];
};
int pk_status_parse(const char *buf, size_t n, struct pk_status *ret, struct pk_error *err);
int pk_status_read(int procfd, struct pk_status *ret, struct pk_error *err);
void pk_status_free(struct pk_status *s);

/* The innermost number of a line of NS pids, or the plain one where the kernel prints none. */
pid_t pk_status_inner_pid(const struct pk_status *s);
pid_t pk_status_inner_tgid(const struct pk_status *s);

struct pk_stat {
	pid_t pid, ppid, pgrp, session;
	char comm[64];
	char state;
	uint32_t tty_nr;
	uint64_t flags;      /* PF_*: PF_KTHREAD is 0x200000 */
	uint64_t start_time; /* clock ticks after boot */
	uint32_t processor;  /* CPU it last ran on */
	uint64_t utime, stime;
	/* mm bounds; 0 when the reader may not see them */
	uint64_t start_code, end_code, start_stack, start_data, end_data, start_brk;
	uint64_t arg_start, arg_end, env_start, env_end;
	int exit_signal;
	int exit_code; /* wait status of one that has ended; 0 if the reader may not see it */
};
int pk_stat_parse(const char *buf, size_t n, struct pk_stat *ret, struct pk_error *err);
int pk_stat_read(int procfd, struct pk_stat *ret, struct pk_error *err);

/* One entry of /proc/PID/timers, timer_create(2). */
struct pk_ptimer_line {
	int32_t id;
	int32_t signo;
	uint64_t sigval;
	uint32_t notify;  /* SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, ored with SIGEV_THREAD_ID (4)
			     for "tid" */
	pid_t notify_pid; /* the tid or pid, as the reader's namespace sees it */
	int32_t clock;
};
/* *ret is allocated, NULL if there are none; 6.18 prints the newest timer first. */
int pk_timers_parse(const char *buf, size_t n, struct pk_ptimer_line **ret, size_t *ret_n,
	struct pk_error *err);

/* The lines every fdinfo has; what a kind needs beyond them it parses itself from `text`. */
struct pk_fdinfo {
	uint64_t pos;   /* may use all 64 bits: /proc/PID/mem */
	uint32_t flags; /* open(2) flags: O_ACCMODE, O_APPEND ...; O_CLOEXEC is the descriptor's */
	uint32_t mnt_id;
	uint64_t ino;   /* 0 before 5.14 */
	uint32_t locks; /* number of "lock:" lines */
};
int pk_fdinfo_parse(const char *buf, size_t n, struct pk_fdinfo *ret, struct pk_error *err);

/*
 * /proc/PID/task/TID/sched. Times are of the run-queue clock of the CPU that it last ran on. -1 if
 * the text does not have both.
 */
struct pk_sched {
	uint64_t exec_start; /* ns: when it last stopped running; asleep: when its sleep began */
	uint64_t switches;   /* how often it has stopped running of its own accord */
};
int pk_sched_parse(const char *buf, size_t n, struct pk_sched *ret);

/* /proc/PID/timens_offsets, time_namespaces(7). */
struct pk_timens {
	int64_t mono_sec, mono_nsec, boot_sec, boot_nsec;
};
int pk_timens_parse(const char *buf, size_t n, struct pk_timens *ret, struct pk_error *err);

/*
 * The numbered entries of a directory (/proc/PID/task, /proc/PID/fd), ascending. Allocated, NULL if
 * there are none. -1 with errno.
 */
int pk_list_numbers(int dirfd, const char *name, uint32_t **ret, size_t *ret_n);

#endif
