/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files whose mode does not allow any more what they were opened for: one created read-only and
 * being written (as git writes its objects), one that nobody may read since it was opened.
 */
#include "files.h"

#define TEXT "what was written so far\n"

int main(void)
{
	struct victim_path made = victim_path("made"), closed = victim_path("closed");
	int out = must(open(made.s, O_RDWR | O_CREAT | O_EXCL, 0444)), in;
	char text[64] = "";
	struct stat st;

	must_true(write(out, TEXT, strlen(TEXT)) == (ssize_t)strlen(TEXT));
	write_text(closed.s, TEXT);
	in = must(open(closed.s, O_RDONLY));
	must(lseek(in, 5, SEEK_SET));
	must(chmod(closed.s, 0));
	victim_ready();
	if (victim_broken())
		must(lseek(in, 6, SEEK_SET));
	must(fstat(out, &st));
	expect(0444, st.st_mode & 07777, "mode of the one that is written");
	must_true(write(out, "more", 4) == 4);
	expect((long)strlen(TEXT) + 4, pread(out, text, sizeof(text) - 1, 0), "its length");
	expect_text(TEXT "more", text, "its content");
	must(fstat(in, &st));
	expect(0, st.st_mode & 07777, "mode of the one that is read");
	memset(text, 0, sizeof(text));
	must(read(in, text, sizeof(text) - 1));
	expect_text(&TEXT[5], text, "what is read");
	return victim_done();
}
