/* SPDX-License-Identifier: Apache-2.0 */
/* Which mappings go into a core file. */
#include "victim.h"

#define FILTER "/proc/self/coredump_filter"

int main(void)
{
	char text[32];

	write_text(FILTER, "0x5a");
	victim_ready();
	if (victim_broken())
		write_text(FILTER, "0x33");
	expect(0x5a, strtol(read_text(FILTER, text, sizeof(text)), NULL, 16), "coredump_filter");
	return victim_done();
}
