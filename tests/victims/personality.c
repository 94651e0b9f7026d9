/* SPDX-License-Identifier: Apache-2.0 */
/* The execution domain's flags. */
#include <sys/personality.h>

#include "victim.h"

#define QUERY 0xffffffff

int main(void)
{
	int want = ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | STICKY_TIMEOUTS;

	must(personality((unsigned long)want));
	victim_ready();
	if (victim_broken())
		must(personality(0));
	expect(want, personality(QUERY), "personality");
	return victim_done();
}
