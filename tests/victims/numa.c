/* SPDX-License-Identifier: Apache-2.0 */
/* NUMA policies: of each thread, and of mappings, on node 0, which every machine has. */
#include <linux/mempolicy.h>

#include "crew.h"
#include "memory.h"

#define NODES 1024

struct policy {
	const char *name;
	int mode;
	bool nodes;
};

struct found {
	int mode;
	unsigned long nodes[NODES / 64];
};

static const struct policy policies[] = {
	{"default", MPOL_DEFAULT, false},
	{"bind", MPOL_BIND, true},
	{"interleave", MPOL_INTERLEAVE, true},
	{"preferred", MPOL_PREFERRED, true},
	{"bind static", MPOL_BIND | MPOL_F_STATIC_NODES, true},
	{"local", MPOL_LOCAL, false},
};

static char *mapped;

static struct found get(void *p)
{
	struct found f;

	memset(&f, 0, sizeof(f));
	must(syscall(SYS_get_mempolicy, &f.mode, f.nodes, (long)NODES, p, p ? MPOL_F_ADDR : 0));
	return f;
}

static void expect_policy(const struct found *want, void *p, const char *whose, int i)
{
	struct found f = get(p);

	expect(want->mode, f.mode, "policy of %s %s", whose, policies[i].name);
	expect_bytes(
		want->nodes, f.nodes, sizeof(f.nodes), "nodes of %s %s", whose, policies[i].name);
}

static void body(int i)
{
	const struct policy *p = &policies[i];
	unsigned long node0 = 1, *nodes = p->nodes ? &node0 : NULL;
	char *page = mapped + (size_t)i * 2 * PAGE;
	struct found thread, mapping;

	must(syscall(SYS_set_mempolicy, p->mode, nodes, nodes ? 64L : 0L));
	must(syscall(SYS_mbind, page, PAGE, p->mode, nodes, nodes ? 64L : 0L, 0));
	*page = 1;
	thread = get(NULL);
	mapping = get(page);
	meet();
	if (victim_broken())
		must(syscall(SYS_set_mempolicy, i ? MPOL_DEFAULT : MPOL_LOCAL, NULL, 0L));
	expect_policy(&thread, NULL, "thread", i);
	expect_policy(&mapping, page, "mapping", i);
}

int main(void)
{
	struct found f;

	if (syscall(SYS_get_mempolicy, &f.mode, f.nodes, (long)NODES, NULL, 0L) < 0)
		victim_skip("no NUMA policies: %s", strerror(errno));
	mapped = map_anon(ARRAY_SIZE(policies) * 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	crew(ARRAY_SIZE(policies), body);
	return victim_done();
}
