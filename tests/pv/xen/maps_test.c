/* SPDX-License-Identifier: Apache-2.0 */
/* A page that a Xen guest has at two addresses, by a grant of its own, is one page wherever the guest moves. */
#include "machine/machine_for_test.h"

#include "machine/migrated.h"

static struct carried c;

static void move(bool postcopy)
{
	carried_start(&c, (struct machine_options){ .kernel = GUEST_DIR "/xen/grants",
						    .cmdline = "spin=1",
						    .xen_version = MACHINE_XEN_VERSION,
						    .xen_engine = MACHINE_XEN_PORTABLE });
	for (int i = 0; i < 2; i++) {
		carried_wait(&c, 2);
		migrated_move(&c, postcopy);
	}
	carried_wait(&c, 3);
	carried_finish(&c);
}

START_TEST(test_a_mapped_grant_moves_with_its_guest)
{
	move(false);
}
END_TEST

START_TEST(test_a_mapped_grant_moves_before_its_page)
{
	move(true);
}
END_TEST

CHECK_MAIN_KVM("xen maps", test_a_mapped_grant_moves_with_its_guest,
	       test_a_mapped_grant_moves_before_its_page)
