/* SPDX-License-Identifier: Apache-2.0 */
/* The file mode creation mask. */
#include "victim.h"

int main(void)
{
	umask(0123);
	victim_ready();
	if (victim_broken())
		umask(022);
	expect(0123, umask(0), "umask");
	return victim_done();
}
