/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-rng: bytes arrive, from the kernel, from a file, and after the file's end. */
#include "dev/virtio/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "dev/virtio/fake_driver.h"

static struct pci_fixture f;
static struct fake_driver d;
static struct rng *rng;
static char path[64];

static void setup(const char *source)
{
	pci_fixture_init(&f);
	ck_assert_int_eq(rng_create(f.vm, f.host, source, &rng), 0);
	driver_init(&d, f.vm, 1);
	ck_assert_uint_eq(d.device, 0); /* it has no configuration */
	accept_features(&d, 1ULL << VIRTIO_F_VERSION_1);
	setup_queue(&d, 0, RING_SIZE);
	set_status(&d, ALL_OK);
}

static void teardown(void)
{
	rng_destroy(rng);
	pci_fixture_finish(&f);
}

static void ask(uint16_t head, uint32_t len, uint16_t flags)
{
	put_desc(f.vm, DESC_AT(0), head,
		 (struct virtq_desc){ BUFFER_AT + 0x1000 * head, len, flags, 0 });
	offer(&d, 0, head);
	notify(&d, 0);
}

static void make_source(const char *content)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/ferry-rng-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, strlen(content)), (int)strlen(content));
	close(fd);
}

START_TEST(test_kernel_fills_the_buffer)
{
	uint8_t bytes[64] = { 0 }, zero[64] = { 0 };

	setup(NULL);
	ask(0, sizeof(bytes), VIRTQ_DESC_F_WRITE);
	TURN_UNTIL(f.vm, used_index(&d, 0) == 1);
	ck_assert_uint_eq(used_element(&d, 0, 0).len, sizeof(bytes));
	mem_read(vm_mem(f.vm), BUFFER_AT, bytes, sizeof(bytes));
	ck_assert_mem_ne(bytes, zero, sizeof(bytes));
	mem_read(vm_mem(f.vm), BUFFER_AT + sizeof(bytes), bytes, sizeof(bytes));
	ck_assert_mem_eq(bytes, zero, sizeof(bytes));
	teardown();
}
END_TEST

START_TEST(test_huge_and_senseless_buffers_are_bounded)
{
	setup(NULL);
	ask(0, 2 * MIB, VIRTQ_DESC_F_WRITE);
	ask(1, 64, 0); /* nothing to write to */
	TURN_UNTIL(f.vm, used_index(&d, 0) == 2);
	ck_assert_uint_eq(used_element(&d, 0, 0).len, 4096);
	ck_assert_uint_eq(used_element(&d, 0, 1).len, 0);
	teardown();
}
END_TEST

START_TEST(test_file_is_read_and_the_kernel_follows_it)
{
	char bytes[8] = "";

	make_source("0123456789");
	setup(path);
	for (uint16_t i = 0; i < 3; i++)
		ask(i, 8, VIRTQ_DESC_F_WRITE);
	TURN_UNTIL(f.vm, used_index(&d, 0) == 3);
	mem_read(vm_mem(f.vm), BUFFER_AT, bytes, 8);
	ck_assert_mem_eq(bytes, "01234567", 8);
	ck_assert_uint_eq(used_element(&d, 0, 1).len, 2);
	ck_assert_uint_eq(used_element(&d, 0, 2).len, 8);
	teardown();
	unlink(path);
}
END_TEST

static int unread(int pipe)
{
	int bytes = -1;

	ck_assert_int_eq(ioctl(pipe, FIONREAD, &bytes), 0);
	return bytes;
}

START_TEST(test_slow_source_survives_reset_and_destroy)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/ferry-rng-%d", (int)getpid());
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	setup(path);
	fd = open(path, O_WRONLY);
	ask(0, 8, VIRTQ_DESC_F_WRITE);
	turn(f.vm);
	turn(f.vm);
	ck_assert_uint_eq(used_index(&d, 0), 0);
	set_status(&d, 0);
	TURN_UNTIL(f.vm, status(&d) == 0);
	d.avail[0] = 0;
	put16(f.vm, AVAIL_AT(0) + 2, 0);
	accept_features(&d, 1ULL << VIRTIO_F_VERSION_1);
	setup_queue(&d, 0, RING_SIZE);
	set_status(&d, ALL_OK);
	ask(1, 8, VIRTQ_DESC_F_WRITE);
	turn(f.vm);
	ck_assert_int_eq(write(fd, "xxx", 3), 3); /* for the read from before the reset */
	TURN_UNTIL(f.vm, unread(fd) == 0);	  /* which would take what follows, too */
	ck_assert_int_eq(write(fd, "yyyy", 4), 4);
	TURN_UNTIL(f.vm, used_index(&d, 0) == 1);
	ck_assert_uint_eq(used_element(&d, 0, 0).id, 1);
	ask(0, 8, VIRTQ_DESC_F_WRITE);
	ask(1, 8, VIRTQ_DESC_F_WRITE);
	turn(f.vm);
	ck_assert_int_eq(write(fd, "z", 1), 1); /* one is answered while the device goes away */
	teardown();
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(test_buffer_that_waits_for_a_slow_source_is_filled_after_a_pause)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/ferry-rng-%d", (int)getpid());
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	setup(path);
	fd = open(path, O_WRONLY);
	ask(0, 8, VIRTQ_DESC_F_WRITE);
	turn(f.vm);
	pci_host_quiesce(f.host, NULL, NULL);
	ck_assert_int_eq(write(fd, "xxx", 3), 3);
	TURN_UNTIL(f.vm, unread(fd) == 0);
	turn(f.vm);
	ck_assert_uint_eq(used_index(&d, 0), 0);
	pci_host_resume(f.host, false);
	turn(f.vm);
	ck_assert_int_eq(write(fd, "yyyy", 4), 4);
	TURN_UNTIL(f.vm, used_index(&d, 0) == 1);
	teardown();
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(test_source_that_cannot_be_read_is_named)
{
	pci_fixture_init(&f);
	ck_assert_int_eq(rng_create(f.vm, f.host, "/nonexistent/rng", &rng), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error_text(-ENOENT), "/nonexistent/rng"));
	ck_assert_int_eq(rng_create(f.vm, f.host, "/tmp", &rng), -EISDIR);
	pci_fixture_finish(&f);
}
END_TEST

CHECK_MAIN("rng", test_kernel_fills_the_buffer, test_huge_and_senseless_buffers_are_bounded,
	   test_file_is_read_and_the_kernel_follows_it, test_slow_source_survives_reset_and_destroy,
	   test_buffer_that_waits_for_a_slow_source_is_filled_after_a_pause,
	   test_source_that_cannot_be_read_is_named)
