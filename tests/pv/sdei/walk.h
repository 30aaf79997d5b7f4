/* SPDX-License-Identifier: Apache-2.0 */
/* SDEI's dispatcher and an independent model of it take the same steps. */
#ifndef TESTS_PV_SDEI_WALK_H
#define TESTS_PV_SDEI_WALK_H

#include <stdbool.h>

#define SDEI_WALK_TEXT 128

/*
 * STEPS calls, triggers and deliveries on three PEs; pick says which, and with what: 0 to n - 1. False: they
 * did not answer alike, or are not alike afterwards, and failure says in what. One walk at a time.
 */
bool sdei_walk(unsigned steps, unsigned (*pick)(void *self, unsigned n), void *self,
	       char failure[SDEI_WALK_TEXT]);

#endif
