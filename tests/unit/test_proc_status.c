/* SPDX-License-Identifier: Apache-2.0 */
/* status and stat: namespaces, names that try to look like fields, old and new kernels. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "proc/status.h"
#include "proc_fixture.h"

#define STATUS PK_CLEANUP(pk_status_free) struct pk_status

static struct pk_status status_of(const char *dir)
{
	TEXT t = fixture(dir, "status");
	struct pk_status s;
	struct pk_error err = {0};
	int r = pk_status_parse(t.p, t.n, &s, &err);

	cr_assert_eq(r, 0, "%s: %s: %s", dir, err.what, err.why);
	return s;
}

static struct pk_stat stat_of(const char *dir)
{
	TEXT t = fixture(dir, "stat");
	struct pk_stat st;
	struct pk_error err = {0};
	int r = pk_stat_parse(t.p, t.n, &st, &err);

	cr_assert_eq(r, 0, "%s: %s: %s", dir, err.what, err.why);
	return st;
}

Test(proc_status, pidns)
{
	STATUS s = status_of("pidns");

	cr_expect_str_eq(s.name, "sleep");
	cr_expect_eq(s.state, 'S');
	cr_assert_eq(s.ns_depth, 3);
	cr_expect(s.nspid[0] == 3094 && s.nspid[1] == 3 && s.nspid[2] == 2);
	cr_expect(s.nspgid[0] == 3084 && s.nspgid[1] == 0 && s.nssid[2] == 0);
	cr_expect_eq(pk_status_inner_pid(&s), 2);
	cr_expect_eq(pk_status_inner_tgid(&s), 2);
	cr_expect_eq(s.ppid, 3093);
	cr_assert_eq(s.n_groups, 2);
	cr_expect(s.groups[0] == 1000 && s.groups[1] == 65534);
	cr_expect_eq(s.cap_eff, 0x1ffffffffff);
}

Test(proc_status, linux_4_18)
{
	STATUS s = status_of("linux-4.18");

	cr_expect_eq(s.state, 't');
	cr_expect(s.has_umask && s.umask == 077);
	cr_expect(s.pid == 24817 && s.tgid == 24817 && s.ppid == 24816 && s.tracer == 25001);
	cr_expect(s.uid[0] == 1001 && s.uid[3] == 1001 && s.gid[2] == 1001);
	cr_expect(s.n_groups == 2 && s.groups[1] == 1003);
	cr_expect(s.ns_depth == 1 && pk_status_inner_pid(&s) == 24817);
	cr_expect_eq(s.threads, 1);
	cr_expect_eq(s.shd_pnd, UINT64_C(1) << (SIGVTALRM - 16 + 1 - 1));
	cr_expect_eq(s.sig_blk, UINT64_C(1) << (SIGCHLD - 1));
	cr_expect_eq(s.sig_cgt, 0x4b813efb);
	cr_expect_eq(s.cap_bnd, 0x3fffffffff);
	cr_expect_eq(s.no_new_privs, 1);
	cr_expect(s.seccomp == 2 && s.seccomp_filters == 0);
	cr_expect(s.vm_rss == 5304u * 1024 && s.vm_lck == 0);
	cr_expect_str_empty(s.x86_features);
}

Test(proc_status, shadow_stack)
{
	STATUS s = status_of("linux-6.6-shstk");

	cr_expect_str_eq(s.x86_features, "shstk wrss");
	cr_expect_str_eq(s.x86_features_locked, "shstk");
}

Test(proc_status, without_memory)
{
	STATUS z = status_of("zombie");
	STATUS k = status_of("kthread");

	cr_expect_eq(z.state, 'Z');
	cr_expect_not(z.has_umask);
	cr_expect_eq(z.n_groups, 0);
	cr_expect_eq(z.vm_rss, 0);
	cr_expect_str_eq(k.name, "kthreadd");
	cr_expect_eq(k.ppid, 0);
}

Test(proc_status, odd_name)
{
	STATUS s = status_of("odd-names");
	STATUS p = status_of("python-threads");
	struct pk_stat st = stat_of("odd-names");

	cr_expect_str_eq(s.name, ") R 1\n(\\x y");
	cr_expect_str_eq(st.comm, ") R 1\n(\\x y");
	cr_expect_eq(st.state, s.state);
	cr_expect_eq(st.ppid, s.ppid);
	cr_expect_eq(p.threads, 4);
}

/* The text of 4.18 with one line, "Key:...", replaced by another one, or left out. */
static struct text with(const char *key, const char *line)
{
	TEXT t = fixture("linux-4.18", "status");
	PK_FREE char *text = strndup(t.p, t.n);
	char *at = strstr(text, key);
	PK_FREE char *out = NULL;

	cr_assert_not_null(at, "%s", key);
	*at = '\0';
	out = pk_asprintf("%s%s%s", text, line, strchr(at + 1, '\n') + 1);
	return text_of(out, strlen(out));
}

Test(proc_status, malformed)
{
	static const struct {
		const char *key, *line;
	} bad[] = {
		{"Name:", ""},
		{"Name:", "Name: bash\n"},
		{"Name:", "Name:\tba\\tsh\n"},
		{"Name:", "Name:\tbash\\\n"},
		{"Name:", "Name:"
			  "\tAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD\n"},
		{"State:", "State:\n"},
		{"State:", "State:\tsleeping\n"},
		{"Umask:", "Umask:\t0088\n"},
		{"Tgid:", "Tgid:\t\n"},
		{"Tgid:", "Tgid:\t2147483648\n"},
		{"PPid:", "PPid:\t1 2\n"},
		{"Uid:", "Uid:\t1001\t1001\t1001\n"},
		{"Uid:", "Uid:\t1001\t1001\t1001\t1001\t1001\n"},
		{"Uid:", "Uid:\t1001\t1001\t1001\t4294967296\n"},
		{"Groups:", "Groups:\t1001,1003\n"},
		{"Groups:", ""},
		{"NSpid:", ""},
		{"NSpid:", "NSpid:\n"},
		{"NSpid:", "NSpid:\t24817\t1\n"},
		{"NSpid:", "NSpid: 1 2 3 4 5 6 7 8 9 10 1 2 3 4 5 6 7 8 9 20 1 2 3 4 5 6 7 8 9 30 "
			   "1 2 3 4\n"},
		{"SigBlk:", "SigBlk:\t10000000000000000\n"},
		{"SigBlk:", "SigBlk:\t0x0\n"},
		{"CapBnd:", ""},
		{"VmRSS:", "VmRSS:\t5304\n"},
		{"Seccomp:", "Seccomp:\tfilter\n"},
		{"Cpus_allowed:", "without a colon\n"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		TEXT t = with(bad[i].key, bad[i].line);
		struct pk_status s;
		struct pk_error err = {0};

		expect_refusal(pk_status_parse(t.p, t.n, &s, &err), &err, bad[i].line);
		cr_expect_null(s.groups);
	}
}

/* Lines that other configurations and versions leave out, or add. */
Test(proc_status, optional)
{
	static const struct {
		const char *key, *line;
	} good[] = {
		{"Umask:", ""},
		{"Seccomp:", ""},
		{"Groups:", "Groups:\t\n"},
		{"CoreDumping:", "Something_new:\t: of whatever form\n"},
		{"Name:", "Name:\t  blanks \n"},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		TEXT t = with(good[i].key, good[i].line);
		STATUS s;
		struct pk_error err = {0};

		cr_expect_eq(pk_status_parse(t.p, t.n, &s, &err), 0, "%s", err.what);
		if (!strcmp(good[i].key, "Name:"))
			cr_expect_str_eq(s.name, "  blanks ");
	}
}

Test(proc_status, without_pid_namespaces)
{
	TEXT t = fixture("linux-4.18", "status");
	PK_FREE char *text = strndup(t.p, t.n);
	char *ns = strstr(text, "NStgid:"), *after = strstr(text, "VmPeak:");
	STATUS s;

	memmove(ns, after, strlen(after) + 1);
	cr_assert_eq(pk_status_parse(text, strlen(text), &s, NULL), 0);
	cr_expect_eq(s.ns_depth, 0);
	cr_expect_eq(pk_status_inner_pid(&s), 24817);
	cr_expect_eq(pk_status_inner_tgid(&s), 24817);
}

/* The most groups there can be, and one more. */
Test(proc_status, groups)
{
	for (size_t n = PK_MAX_GROUPS; n <= PK_MAX_GROUPS + 1; n++) {
		PK_FREE char *line = malloc(n * 2 + 16);
		struct pk_error err = {0};
		size_t len = 8;
		STATUS s;

		memcpy(line, "Groups:\t", len);
		for (size_t i = 0; i < n; i++, len += 2)
			memcpy(line + len, "7 ", 2);
		memcpy(line + len, "\n", 2);
		TEXT t = with("Groups:", line);

		cr_expect_eq(!pk_status_parse(t.p, t.n, &s, &err), n == PK_MAX_GROUPS);
		cr_expect_eq(s.n_groups, n == PK_MAX_GROUPS ? n : 0);
	}
}

Test(proc_status, cut_short)
{
	TEXT t = fixture("pidns", "status");
	size_t seccomp = (size_t)((char *)memmem(t.p, t.n, "NoNewPrivs", 10) - t.p);

	for (size_t n = 0; n < seccomp; n++) {
		TEXT cut = text_of(t.p, n);
		struct pk_status s;

		cr_assert_lt(pk_status_parse(cut.p, cut.n, &s, NULL), 0, "%zu", n);
	}
}

Test(proc_status, own)
{
	PK_CLOSE int self = open_self();
	STATUS s;
	struct pk_stat st;
	struct pk_error err = {0};

	prctl(PR_SET_NAME, "a)\n\\b (");
	cr_assert_eq(pk_status_read(self, &s, &err), 0, "%s", err.what);
	cr_assert_eq(pk_stat_read(self, &st, &err), 0, "%s", err.what);
	cr_expect_str_eq(s.name, "a)\n\\b (");
	cr_expect_str_eq(st.comm, "a)\n\\b (");
	cr_expect(s.pid == getpid() && st.pid == getpid() && st.ppid == getppid());
	cr_expect_eq(pk_status_inner_pid(&s), getpid());
	cr_expect_eq(s.uid[1], geteuid());
	cr_expect_eq(st.session, getsid(0));
	cr_expect_eq((int)s.n_groups, getgroups(0, NULL));
	cr_expect(st.start_code > 4096 && st.start_code < st.end_code && st.start_brk);
	cr_expect_eq(st.exit_signal, SIGCHLD);
}

Test(proc_stat, linux_4_18)
{
	struct pk_stat st = stat_of("linux-4.18");

	cr_expect_str_eq(st.comm, "bash");
	cr_expect(st.pid == 24817 && st.ppid == 24816 && st.pgrp == 24817 && st.session == 24817);
	cr_expect_eq(st.state, 't');
	cr_expect_eq(st.tty_nr, 34816);
	cr_expect_eq(st.flags, 1077936384);
	cr_expect(st.utime == 6 && st.stime == 3 && st.start_time == 1044571);
	cr_expect(st.start_code == 4194304 && st.end_code == 5182460);
	cr_expect_eq(st.start_stack, 140725597837520);
	cr_expect(st.exit_signal == 17 && st.processor == 3);
	cr_expect(st.start_data == 7279256 && st.end_data == 7315400);
	cr_expect_eq(st.start_brk, 28483584);
	cr_expect(st.arg_start == 140725597842404 && st.arg_end == 140725597842410);
	cr_expect(st.env_start == 140725597842410 && st.env_end == 140725597843438);
}

Test(proc_stat, kthread)
{
	struct pk_stat st = stat_of("kthread");

	cr_expect_str_eq(st.comm, "kthreadd");
	cr_expect(st.flags & 0x200000);
	cr_expect(!st.start_code && !st.start_brk);
}

#define TAIL                                                                                       \
	"1 2 3 0 -1 4194304 0 0 0 0 5 6 0 0 20 0 1 0 24 4096 3 18446744073709551615 1 1 0 0 0 0 0" \
	" 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0"

static int parse_stat(const char *text, struct pk_stat *st, struct pk_error *err)
{
	TEXT t = text_of(text, strlen(text));

	return pk_stat_parse(t.p, t.n, st, err);
}

/* To who may not look, the kernel shows 1 for the code and 0 for all other addresses. */
Test(proc_stat, hidden)
{
	struct pk_stat st;

	cr_assert_eq(parse_stat("7 (x) S " TAIL "\n", &st, NULL), 0);
	cr_expect(st.start_code == 0 && st.end_code == 0);
	cr_expect(st.pgrp == 2 && st.utime == 5);
}

Test(proc_stat, more_fields)
{
	struct pk_stat st;

	cr_expect_eq(parse_stat("7 (x) S " TAIL " 53 54\n", &st, NULL), 0);
	cr_expect_eq(parse_stat("7 (S 1 ) S) D " TAIL "\n", &st, NULL), 0);
	cr_expect_str_eq(st.comm, "S 1 ) S");
	cr_expect_eq(parse_stat("7 () D " TAIL "\n", &st, NULL), 0);
	cr_expect_str_empty(st.comm);
}

Test(proc_stat, malformed)
{
	static const char *const bad[] = {
		"",
		"\n",
		"7",
		"x (x) S " TAIL "\n",
		"7 x S " TAIL "\n",
		"7 (x S " TAIL "\n",
		"7 )x( S " TAIL "\n",
		"7 (x)",
		"7 (x) ",
		"7 (x)S " TAIL "\n",
		"7 (x) S 1 2 3 0 -1\n",
		"7 (x) S " TAIL,
		"7 (x) S - " TAIL "\n",
		"7 (x) S 18446744073709551616 " TAIL "\n",
		"7 (x) S 4294967296 " TAIL "\n",
		"7 (xxxxxxxxxxxxxxxxyyyyyyyyyyyyyyyyzzzzzzzzzzzzzzzzwwwwwwwwwwwwwwww) S " TAIL "\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pk_stat st;
		struct pk_error err = {0};

		expect_refusal(parse_stat(bad[i], &st, &err), &err, bad[i]);
		cr_expect_eq(st.pid, 0);
	}
}

Test(proc_stat, cut_short)
{
	TEXT t = fixture("odd-names", "stat");

	for (size_t n = 0; n < t.n; n++) {
		TEXT cut = text_of(t.p, n);
		struct pk_stat st;

		cr_assert_lt(pk_stat_parse(cut.p, cut.n, &st, NULL), 0, "%zu", n);
	}
}
