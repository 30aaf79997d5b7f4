/* SPDX-License-Identifier: Apache-2.0 */
/* Objects for which there was no memory: what would be added to them goes, and the process stays. */
#include "control/json.h"

#include "check_main.h"

START_TEST(test_what_has_no_parent_is_given_back)
{
	ck_assert_ptr_null(json_add(NULL, "a", json_object_new_int(1)));
	ck_assert_ptr_null(json_add(NULL, "a", NULL));
	json_append(NULL, json_object_new_string("b"));
}
END_TEST

START_TEST(test_what_has_a_parent_is_the_parents)
{
	struct json_object *parent = json_object_new_object(), *array = json_object_new_array();
	struct json_object *child = json_object_new_int(1);

	ck_assert_ptr_eq(json_add(parent, "a", child), child);
	ck_assert_ptr_eq(json_add(parent, "b", array), array);
	json_append(array, json_object_new_int(2));
	ck_assert_str_eq(json_object_to_json_string_ext(parent, JSON_C_TO_STRING_PLAIN), "{\"a\":1,\"b\":[2]}");
	json_object_put(parent);
}
END_TEST

CHECK_MAIN("json", test_what_has_no_parent_is_given_back, test_what_has_a_parent_is_the_parents)
