/* SPDX-License-Identifier: Apache-2.0 */
/* Results, one and many. */
#include "smoke/result.h"

#include <ferry/error.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void smoke_result_finish(struct smoke_result *result)
{
	free(result->name);
	free(result->reason);
	free(result->fingerprint);
	free(result->tail);
	free(result->console);
	smoke_ktap_finish(&result->subtests);
	*result = (struct smoke_result){ 0 };
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

int smoke_result_copy(const struct smoke_result *from, const char *name,
		      struct smoke_result *ret_result)
{
	struct smoke_result result = {
		.name = copy(name),
		.verdict = from->verdict,
		.reason = copy(from->reason),
		.seconds = from->seconds,
		.first_byte = from->first_byte,
		.boots = from->boots,
		.guest_status = from->guest_status,
		.fingerprint = copy(from->fingerprint),
		.tail = copy(from->tail),
		.console = copy(from->console),
	};

	if (!result.name || !result.reason) {
		smoke_result_finish(&result);
		return because(-ENOMEM, "out of memory");
	}
	*ret_result = result;
	return 0;
}

void smoke_results_finish(struct smoke_results *results)
{
	for (size_t i = 0; i < results->count; i++)
		smoke_result_finish(&results->all[i]);
	free(results->all);
	*results = (struct smoke_results){ 0 };
}

size_t smoke_results_count(const struct smoke_results *results, enum smoke_verdict verdict)
{
	size_t count = 0;

	for (size_t i = 0; i < results->count; i++)
		count += results->all[i].verdict == verdict;
	return count;
}

int smoke_results_status(const struct smoke_results *results)
{
	int status = smoke_verdict_status(SMOKE_PASS);

	for (size_t i = 0; i < results->count; i++) {
		enum smoke_verdict verdict = results->all[i].verdict;

		if (verdict == SMOKE_ERROR || verdict == SMOKE_NONE)
			status = smoke_verdict_status(SMOKE_ERROR);
		else if (verdict != SMOKE_PASS)
			return smoke_verdict_status(verdict);
	}
	return status;
}
