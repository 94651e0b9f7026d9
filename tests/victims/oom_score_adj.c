/* SPDX-License-Identifier: Apache-2.0 */
/* The adjustment of the out-of-memory score. A user can only raise it. */
#include "victim.h"

#define ADJ "/proc/self/oom_score_adj"

int main(void)
{
	char text[32];

	write_text(ADJ, "567");
	victim_ready();
	if (victim_broken())
		write_text(ADJ, "600");
	expect(567, atoi(read_text(ADJ, text, sizeof(text))), "oom_score_adj");
	return victim_done();
}
