/* SPDX-License-Identifier: Apache-2.0 */
/* GnuTLS is there when it is asked for and not before; who lacks it is told its package. */
#include "io/tls_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

#include <ferry/error.h>

#include "check_main.h"

static bool is_loaded(void)
{
	return dlopen("libgnutls.so.30", RTLD_LAZY | RTLD_NOLOAD) != NULL;
}

START_TEST(test_is_loaded_when_it_is_asked_for)
{
	struct tls_library library = { 0 };

	ck_assert(!is_loaded());
	ck_assert_int_eq(tls_library_load(&library), 0);
	ck_assert(is_loaded());
	for (size_t i = 0; i < sizeof(library) / sizeof(void *); i++)
		ck_assert_ptr_nonnull(((void **)&library)[i]);
	ck_assert_str_eq(library.strerror(GNUTLS_E_SUCCESS), "Success.");
}
END_TEST

START_TEST(test_each_load_finds_the_same)
{
	struct tls_library one, other;

	ck_assert_int_eq(tls_library_load(&one), 0);
	ck_assert_int_eq(tls_library_load(&other), 0);
	ck_assert_mem_eq(&one, &other, sizeof(one));
}
END_TEST

/* A process that may open no file finds none. */
START_TEST(test_who_lacks_it_is_told_the_package)
{
	struct rlimit usual, none;
	struct tls_library library = { 0 };
	const struct tls_library untouched = { 0 };

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
	none = (struct rlimit){ 0, usual.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(tls_library_load(&library), -ENOENT);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
	ck_assert_ptr_nonnull(strstr(error_text(0), "apt install libgnutls30 (libgnutls.so.30: "));
	ck_assert_mem_eq(&library, &untouched, sizeof(library));
}
END_TEST

CHECK_MAIN("tls_library", test_is_loaded_when_it_is_asked_for, test_each_load_finds_the_same,
	   test_who_lacks_it_is_told_the_package)
