/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard descriptors that are closed, or are something else: after the restore they are so still,
 * and none of the restorer's own has slipped in.
 */
#include "files.h"

int main(void)
{
	struct descriptor before;

	write_text(victim_path("as error").s, "");
	must(close(0));
	must(close(1));
	must(close(2));
	must(open(victim_path("as error").s, O_RDWR)); /* 0, moved to 2 */
	must(dup2(0, 2));
	must(close(0));
	before = descriptor_of(2);
	victim_ready();
	if (victim_broken())
		must(open("/dev/null", O_RDWR));
	expect(-1, fcntl(0, F_GETFD), "close-on-exec of descriptor 0");
	expect(-1, fcntl(1, F_GETFD), "close-on-exec of descriptor 1");
	expect_descriptor(&before, 2, "file as descriptor 2");
	if (!victim_broken())
		expect(0, open("/dev/null", O_RDONLY), "number of the first descriptor opened");
	return victim_done();
}
