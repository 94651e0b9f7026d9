/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify(7): watches of a directory, a file in it and one somewhere else, with their numbers, of
 * which one in between is not used any more; masks; what happens after is told. (What the runner
 * does in the directory before is read away.)
 */
#include <sys/inotify.h>

#include "files.h"

static int in, dir, file, deep, lib;

/* The next event that is not of the runner's files; its watch, or -1. */
static int next_event(uint32_t *mask, char *name)
{
	static char buf[4096] __attribute__((aligned(8)));
	static ssize_t have, at;

	for (;;) {
		const struct inotify_event *e;

		if (at >= have) {
			have = read(in, buf, sizeof(buf));
			at = 0;
		}
		if (have <= 0)
			return -1;
		e = (const void *)(buf + at);
		at += (ssize_t)(sizeof(*e) + e->len);
		*mask = e->mask;
		strcpy(name, e->len ? e->name : "");
		if (e->wd != dir || !strncmp(name, "mine", 4))
			return e->wd;
	}
}

static void expect_event(int wd, uint32_t mask, const char *name, const char *what)
{
	uint32_t found = 0;
	char text[300] = "";

	expect(wd, next_event(&found, text), "%s: watch", what);
	expect(mask, found, "%s: mask", what);
	expect_text(name, text, "%s: name", what);
}

int main(void)
{
	struct descriptor before;
	uint32_t mask;
	char name[300], text[4096], again[4096];

	write_text(victim_path("mine").s, "x");
	must(mkdir(victim_path("a").s, 0777));
	must(mkdir(victim_path("a/b").s, 0777));
	in = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	dir = must(inotify_add_watch(in, victim_path(".").s, IN_CREATE | IN_MOVED_TO));
	must(inotify_rm_watch(in, inotify_add_watch(in, "/", IN_MODIFY)));
	file = must(inotify_add_watch(in, victim_path("mine").s, IN_ALL_EVENTS));
	deep = must(
		inotify_add_watch(in, victim_path("a/b").s, IN_CREATE | IN_ONLYDIR | IN_ONESHOT));
	lib = must(inotify_add_watch(in, "/usr/lib", IN_DELETE_SELF));
	before = descriptor_of(in);
	while (next_event(&mask, name) >= 0)
		;
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", in);
	strcpy(text, strstr(read_text(name, again, sizeof(again)), "inotify"));
	victim_ready();
	expect(before.flags, fcntl(in, F_GETFL), "F_GETFL");
	expect(before.cloexec, fcntl(in, F_GETFD), "F_GETFD");
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", in);
	expect_text(text, strstr(read_text(name, again, sizeof(again)), "inotify"), "watches");
	if (victim_broken())
		must(inotify_rm_watch(in, lib));
	write_text(victim_path("mine").s, "y");
	expect_event(file, IN_OPEN, "", "open of a file");
	expect_event(file, IN_MODIFY, "", "write to a file");
	expect_event(file, IN_CLOSE_WRITE, "", "close of a file");
	write_text(victim_path("a/b/new").s, "");
	expect_event(deep, IN_CREATE, "new", "new file below");
	expect_event(deep, IN_IGNORED, "", "watch that reports once");
	write_text(victim_path("mine2").s, "");
	expect_event(dir, IN_CREATE, "mine2", "new file");
	expect_range(lib + 1, lib + 2, inotify_add_watch(in, "/", IN_MODIFY), "a new watch");
	return victim_done();
}
