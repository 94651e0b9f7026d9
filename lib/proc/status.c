/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/status.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "proc/text.h"

/* 65536 groups of ten digits, and some lines more. */
#define MAX_TEXT (1u << 20)

/* A line with one number for each pid namespace. */
struct ns_line {
	pid_t v[PK_NS_DEPTH];
	size_t n;
};

struct parsed {
	struct pk_status s;
	struct ns_line pid, tgid, pgid, sid;
};

/* status escapes a newline and a backslash in the name, unlike stat and comm. */
static bool get_name(struct pk_span *value, void *name)
{
	char *out = name, *last = out + sizeof(((struct pk_status *)0)->name) - 1;

	if (!pk_span_lit(value, "\t"))
		return false;
	for (; value->p < value->end && out < last; out++) {
		if (*value->p != '\\')
			*out = *value->p++;
		else if (pk_span_lit(value, "\\n"))
			*out = '\n';
		else if (pk_span_lit(value, "\\\\"))
			*out = '\\';
		else
			return false;
	}
	return value->p == value->end;
}

/* "S (sleeping)" */
static bool get_state(struct pk_span *value, void *state)
{
	struct pk_span letter;

	if (!pk_span_word(value, &letter) || pk_span_len(letter) != 1)
		return false;
	*(char *)state = *letter.p;
	value->p = value->end;
	return true;
}

static bool get_umask(struct pk_span *value, void *status)
{
	struct pk_status *s = status;

	s->has_umask = pk_get_oct(value, &s->umask);
	return s->has_umask;
}

static bool get_ids(struct pk_span *value, void *ids)
{
	uint32_t *id = ids;

	return pk_get_u32(value, &id[0]) && pk_get_u32(value, &id[1]) &&
	       pk_get_u32(value, &id[2]) && pk_get_u32(value, &id[3]);
}

/* The array has room for all that fit into the text: pk_status_parse(). */
static bool get_groups(struct pk_span *value, void *status)
{
	struct pk_status *s = status;

	while (!pk_span_done(*value)) {
		if (s->n_groups == PK_MAX_GROUPS || !pk_get_u32(value, &s->groups[s->n_groups]))
			return false;
		s->n_groups++;
	}
	return true;
}

static bool get_ns(struct pk_span *value, void *ns_line)
{
	struct ns_line *l = ns_line;

	while (!pk_span_done(*value)) {
		if (l->n == PK_NS_DEPTH || !pk_get_i32(value, &l->v[l->n]))
			return false;
		l->n++;
	}
	return l->n > 0;
}

static bool get_features(struct pk_span *value, void *features)
{
	size_t n;

	pk_span_blanks(value);
	n = pk_span_len(*value);
	if (n >= sizeof(((struct pk_status *)0)->x86_features))
		return false;
	while (n && value->p[n - 1] == ' ')
		n--;
	memcpy(features, value->p, n);
	value->p += n;
	return true;
}

#define KEY(name, flags, get, m) PK_KEY(name, flags, get, struct parsed, m)
static const struct pk_key status_key[] = {
	KEY("Name", PK_KEY_MUST, get_name, s.name),
	KEY("Umask", 0, get_umask, s), /* 4.7; a zombie has none */
	KEY("State", PK_KEY_MUST, get_state, s.state),
	KEY("Tgid", PK_KEY_MUST, pk_get_i32, s.tgid),
	KEY("Pid", PK_KEY_MUST, pk_get_i32, s.pid),
	KEY("PPid", PK_KEY_MUST, pk_get_i32, s.ppid),
	KEY("TracerPid", PK_KEY_MUST, pk_get_i32, s.tracer),
	KEY("Uid", PK_KEY_MUST, get_ids, s.uid),
	KEY("Gid", PK_KEY_MUST, get_ids, s.gid),
	KEY("Groups", PK_KEY_MUST, get_groups, s),
	KEY("NStgid", 0, get_ns, tgid), /* these four since 4.1, with CONFIG_PID_NS */
	KEY("NSpid", 0, get_ns, pid),
	KEY("NSpgid", 0, get_ns, pgid),
	KEY("NSsid", 0, get_ns, sid),
	KEY("VmLck", 0, pk_get_kb, s.vm_lck),
	KEY("VmRSS", 0, pk_get_kb, s.vm_rss), /* not without an mm */
	KEY("Threads", PK_KEY_MUST, pk_get_u32, s.threads),
	KEY("SigPnd", PK_KEY_MUST, pk_get_hex, s.sig_pnd),
	KEY("ShdPnd", PK_KEY_MUST, pk_get_hex, s.shd_pnd),
	KEY("SigBlk", PK_KEY_MUST, pk_get_hex, s.sig_blk),
	KEY("SigIgn", PK_KEY_MUST, pk_get_hex, s.sig_ign),
	KEY("SigCgt", PK_KEY_MUST, pk_get_hex, s.sig_cgt),
	KEY("CapInh", PK_KEY_MUST, pk_get_hex, s.cap_inh),
	KEY("CapPrm", PK_KEY_MUST, pk_get_hex, s.cap_prm),
	KEY("CapEff", PK_KEY_MUST, pk_get_hex, s.cap_eff),
	KEY("CapBnd", PK_KEY_MUST, pk_get_hex, s.cap_bnd),
	KEY("CapAmb", PK_KEY_MUST, pk_get_hex, s.cap_amb),
	KEY("NoNewPrivs", PK_KEY_MUST, pk_get_u32, s.no_new_privs),
	KEY("Seccomp", 0, pk_get_u32, s.seccomp),                    /* CONFIG_SECCOMP */
	KEY("Seccomp_filters", 0, pk_get_u32, s.seccomp_filters),    /* 5.9 */
	KEY("x86_Thread_features", 0, get_features, s.x86_features), /* 6.6, shadow stacks */
	KEY("x86_Thread_features_locked", 0, get_features, s.x86_features_locked),
};
static const struct pk_keys status_keys = {PK_KEYS(status_key)};

/* Move the four lines to the result; they are all there or none, and equally long. */
static bool take_ns(struct parsed *p)
{
	static const size_t size = sizeof(p->pid.v);

	if (p->pid.n != p->tgid.n || p->pid.n != p->pgid.n || p->pid.n != p->sid.n)
		return false;
	p->s.ns_depth = p->pid.n;
	memcpy(p->s.nspid, p->pid.v, size);
	memcpy(p->s.nstgid, p->tgid.v, size);
	memcpy(p->s.nspgid, p->pgid.v, size);
	memcpy(p->s.nssid, p->sid.v, size);
	return true;
}

int pk_status_parse(const char *buf, size_t n, struct pk_status *ret, struct pk_error *err)
{
	struct pk_text t = pk_text_of("status", buf, n);
	struct parsed p = {0};
	int r;

	memset(ret, 0, sizeof(*ret));
	/* A group takes two characters of text or more. */
	p.s.groups = calloc(n / 2 + 1, sizeof(p.s.groups[0]));
	if (!p.s.groups)
		return pk_text_no_memory(&t, err);
	r = pk_keys_text(&status_keys, &t, &p, err);
	if (!r && !take_ns(&p))
		r = pk_text_lacks(&t, "NStgid, NSpid, NSpgid and NSsid of one length", err);
	if (r) {
		free(p.s.groups);
		return r;
	}
	*ret = p.s;
	return 0;
}

int pk_status_read(int procfd, struct pk_status *ret, struct pk_error *err)
{
	size_t n = 0;
	PK_FREE char *text = pk_read_file(procfd, "status", MAX_TEXT, &n);

	memset(ret, 0, sizeof(*ret));
	if (!text)
		return pk_fail_errno(err, "status: cannot be read");
	return pk_status_parse(text, n, ret, err);
}

void pk_status_free(struct pk_status *s)
{
	free(s->groups);
	s->groups = NULL;
	s->n_groups = 0;
}

pid_t pk_status_inner_pid(const struct pk_status *s)
{
	return s->ns_depth ? s->nspid[s->ns_depth - 1] : s->pid;
}

pid_t pk_status_inner_tgid(const struct pk_status *s)
{
	return s->ns_depth ? s->nstgid[s->ns_depth - 1] : s->tgid;
}
