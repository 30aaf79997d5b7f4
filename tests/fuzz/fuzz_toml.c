/* SPDX-License-Identifier: Apache-2.0 */
/* TOML, and matrices of tests in it. What is read is as JSON what it was. */
#include "fuzz/fuzz.h"

#include <ferry/error.h>

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config_text.h"
#include "cli/toml.h"
#include "smoke/matrix.h"

/* JSON has no word for these. */
static int has_odd_float(const char *text)
{
	return strstr(text, "nan") || strstr(text, "inf");
}

static void read_again(struct json_object *root)
{
	const char *text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN);
	struct json_object *again;

	if (has_odd_float(text))
		return;
	again = config_text_parse(text, strlen(text));
	if (!again || !json_object_equal(root, again))
		abort();
	json_object_put(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smoke_matrix matrix = { 0 };
	struct json_object *root;
	char *text;

	if (size > FUZZ_SIZE_MAX)
		return 0;
	text = malloc(size + 1);
	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	error_clear();
	root = toml_parse(text, size);
	if (root) {
		read_again(root);
		if (smoke_matrix_read(root, &matrix) == 0)
			smoke_matrix_finish(&matrix);
		json_object_put(root);
	} else if (!strstr(error_text(-1), "line ")) {
		abort();
	}
	free(text);
	return 0;
}
