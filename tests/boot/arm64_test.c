/* SPDX-License-Identifier: Apache-2.0 */
/* arm64 kernels in their wrappings, and the device tree that they are told of. */
#include <libfdt.h>

#include "boot/images.h"

#include <errno.h>

#include <ferry/error.h>
#include <abi/arm64_image.h>

#include "base/util.h"
#include "boot/arm64.h"
#include "check_main.h"

#define RAM_BASE GIB
#define RAM_SIZE (32 * MIB)
#define TEXT	 0x80000U

static const uint64_t cpus[] = { 0, 1, 0x100 };

struct machine {
	struct mem mem;
	struct arm64_boot_options options;
	struct boot_entry entry;
};

static void machine_init(struct machine *m)
{
	struct mem_options options = { .name = "boot-test" };

	*m = (struct machine){ 0 };
	ck_assert_int_eq(mem_init(&m->mem, -1, 4, &options), 0);
	ck_assert_int_eq(mem_map_ram(&m->mem, "ram", RAM_BASE, RAM_SIZE, 0), 0);
	m->options.fdt = (struct fdt_options){
		.cmdline = "console=ttyS0",
		.ram = { RAM_BASE, RAM_SIZE },
		.cpus = cpus,
		.cpu_count = ARRAY_SIZE(cpus),
		.gic_dist = { 0x8000000, 0x10000 },
		.gic_redist = { 0x20000000, 3 * 0x20000 },
		.its = { 0x8080000, 0x20000 },
		.serial = { 0x9000000, 8, 1 },
		.rtc = { 0x9010000, 0x1000, 2 },
		.gpio = { 0x9030000, 0x1000, 3 },
		.watchdog = { 0x9040000, 0x1000, 4 },
		.pvpanic = { 0x9050000, 2 },
		.ecam = { 0x3f000000, 0x100000 },
		.mmio32 = { 0x10000000, 0x10000000 },
		.mmio64 = { 64 * GIB, 64 * GIB },
	};
}

static int machine_load(struct machine *m, const struct bytes *kernel)
{
	char path[32];
	int err;

	m->options.kernel = path_of(kernel->data, kernel->size, path);
	err = arm64_boot_load(&m->mem, &m->options, &m->entry);
	close_path(path);
	return err;
}

static struct bytes make_image(void)
{
	struct arm64_image_header header = {
		.text_offset = TEXT,
		.image_size = 3 * MIB,
		.magic = ARM64_IMAGE_MAGIC,
	};
	struct bytes image = bytes_make(2 * MIB);

	fill(image.data, image.size, 5);
	memcpy(image.data, &header, sizeof(header));
	return image;
}

static struct bytes make_zboot(const struct bytes *image, enum packing packing, const char *name)
{
	struct bytes payload = pack(image, packing), file = bytes_make(sizeof(struct efi_zboot_header));
	struct efi_zboot_header header = {
		.mz = { 'M', 'Z' },
		.magic = EFI_ZBOOT_MAGIC,
		.payload_offset = sizeof(header),
		.payload_size = (uint32_t)payload.size - (packing == PACK_GZIP ? 0 : 4),
	};

	strcpy(header.compression, name);
	memcpy(file.data, &header, sizeof(header));
	bytes_grow(&file, payload.data, payload.size);
	free(payload.data);
	return file;
}

static void check_loaded(struct machine *m, const struct bytes *image)
{
	ck_assert_int_eq(m->entry.mode, BOOT_LINUX_A64);
	ck_assert_uint_eq(m->entry.pc, RAM_BASE + TEXT);
	ck_assert(memcmp(mem_ptr(&m->mem, m->entry.pc, image->size), image->data, image->size) == 0);
}

static void check_kernel(const struct bytes *file, const struct bytes *image)
{
	struct machine m;
	int r;

	machine_init(&m);
	r = machine_load(&m, file);
	ck_assert_msg(r == 0, "%s", error_text(r));
	check_loaded(&m, image);
	mem_finish(&m.mem);
}

START_TEST(test_an_image_is_loaded_however_it_is_wrapped)
{
	struct bytes image = make_image(), gzip = pack(&image, PACK_GZIP);
	struct bytes zboot_gzip = make_zboot(&image, PACK_GZIP, "gzip");
	struct bytes zboot_zstd = make_zboot(&image, PACK_ZSTD, "zstd");

	check_kernel(&image, &image);
	check_kernel(&gzip, &image);
	check_kernel(&zboot_gzip, &image);
	check_kernel(&zboot_zstd, &image);
	free(zboot_zstd.data);
	free(zboot_gzip.data);
	free(gzip.data);
	free(image.data);
}
END_TEST

static const void *tree_of(struct machine *m)
{
	const void *fdt = mem_ptr(&m->mem, m->entry.arg, 4096);

	ck_assert_int_eq(fdt_check_header(fdt), 0);
	ck_assert_uint_eq(m->entry.arg % 8, 0);
	ck_assert_uint_le(m->entry.arg + fdt_totalsize(fdt), RAM_BASE + RAM_SIZE);
	return fdt;
}

static const char *property(const void *fdt, const char *path, const char *name, int *ret_len)
{
	const char *value = fdt_getprop(fdt, fdt_path_offset(fdt, path), name, ret_len);

	ck_assert_msg(value != NULL, "%s has no %s", path, name);
	return value;
}

static uint64_t number(const void *fdt, const char *path, const char *name)
{
	int len;
	const char *value = property(fdt, path, name, &len);

	return len == 8 ? fdt64_ld((const fdt64_t *)value) : fdt32_ld((const fdt32_t *)value);
}

START_TEST(test_the_tree_says_what_there_is)
{
	struct bytes image = make_image();
	struct machine m;
	const void *fdt;
	int len;

	machine_init(&m);
	ck_assert_int_eq(machine_load(&m, &image), 0);
	fdt = tree_of(&m);
	ck_assert_str_eq(property(fdt, "/chosen", "bootargs", &len), "console=ttyS0");
	ck_assert_str_eq(property(fdt, "/psci", "method", &len), "hvc");
	ck_assert_uint_eq(number(fdt, "/cpus/cpu@100", "reg"), 0x100);
	ck_assert_uint_eq(number(fdt, "/memory@40000000", "reg"), RAM_BASE >> 32);
	property(fdt, "/memory@40000000", "reg", &len);
	ck_assert_int_eq(len, 16);
	ck_assert_str_eq(property(fdt, "/pvpanic@9050000", "compatible", &len), "qemu,pvpanic-mmio");
	ck_assert_str_eq(property(fdt, "/watchdog@9040000", "compatible", &len), "arm,sp805");
	ck_assert_str_eq(property(fdt, "/watchdog@9040000", "clock-names", &len), "wdog_clk");
	property(fdt, "/pcie@3f000000", "msi-map", &len);
	ck_assert_int_eq(len, 16);
	ck_assert_int_lt(fdt_path_offset(fdt, "/chosen/initrd"), 0);
	ck_assert_ptr_null(fdt_getprop(fdt, fdt_path_offset(fdt, "/chosen"), "kaslr-seed", NULL));
	mem_finish(&m.mem);
	free(image.data);
}
END_TEST

#define GIC   "/interrupt-controller@8000000"
#define FRAME GIC "/v2m@8020000"
#define PCIE  "/pcie@3f000000"

/* A GICv2 has no ITS, and private interrupts say whose they are: of three CPUs. */
START_TEST(test_a_gicv2_is_told_with_its_frame)
{
	struct bytes image = make_image();
	struct machine m;
	const fdt32_t *cells;
	const void *fdt;
	int len;

	machine_init(&m);
	m.options.fdt.gic_redist.size = m.options.fdt.its.size = 0;
	m.options.fdt.gic_cpu = (struct fdt_window){ 0x8010000, 0x2000 };
	m.options.fdt.gicv2m = (struct fdt_window){ 0x8020000, 0x1000 };
	m.options.fdt.msi_first = 64;
	m.options.fdt.msi_count = 192;
	ck_assert_int_eq(machine_load(&m, &image), 0);
	fdt = tree_of(&m);
	ck_assert_str_eq(property(fdt, GIC, "compatible", &len), "arm,cortex-a15-gic");
	cells = (const fdt32_t *)property(fdt, GIC, "reg", &len);
	ck_assert_int_eq(len, 32);
	ck_assert_uint_eq(fdt32_ld(&cells[5]), 0x8010000);
	ck_assert_str_eq(property(fdt, FRAME, "compatible", &len), "arm,gic-v2m-frame");
	ck_assert_uint_eq(number(fdt, FRAME, "arm,msi-base-spi"), 64);
	ck_assert_uint_eq(number(fdt, FRAME, "arm,msi-num-spis"), 192);
	ck_assert_uint_eq(number(fdt, PCIE, "msi-parent"), number(fdt, FRAME, "phandle"));
	ck_assert_ptr_null(fdt_getprop(fdt, fdt_path_offset(fdt, PCIE), "msi-map", NULL));
	cells = (const fdt32_t *)property(fdt, "/timer", "interrupts", &len);
	ck_assert_uint_eq(fdt32_ld(&cells[2]), 0x704);
	mem_finish(&m.mem);
	free(image.data);
}
END_TEST

START_TEST(test_initrd_and_seed_are_told)
{
	struct bytes image = make_image(), file = bytes_make(5000);
	const char *paths[1];
	struct machine m;
	uint64_t start;
	const void *fdt;
	char path[32];

	fill(file.data, file.size, 9);
	machine_init(&m);
	paths[0] = path_of(file.data, file.size, path);
	m.options.initrds = paths;
	m.options.initrd_count = 1;
	m.options.kaslr = true;
	ck_assert_int_eq(machine_load(&m, &image), 0);
	close_path(path);
	fdt = tree_of(&m);
	start = number(fdt, "/chosen", "linux,initrd-start");
	ck_assert_uint_eq(number(fdt, "/chosen", "linux,initrd-end") - start, file.size);
	ck_assert(memcmp(mem_ptr(&m.mem, start, file.size), file.data, file.size) == 0);
	ck_assert_uint_ne(number(fdt, "/chosen", "kaslr-seed"), 0);
	mem_finish(&m.mem);
	free(file.data);
	free(image.data);
}
END_TEST

static void check_refused(const void *data, size_t size, int expected)
{
	struct bytes file = bytes_make(size);
	struct machine m;

	memcpy(file.data, data, size);
	machine_init(&m);
	ck_assert_int_eq(machine_load(&m, &file), expected);
	mem_finish(&m.mem);
	free(file.data);
}

START_TEST(test_what_is_no_kernel_is_refused)
{
	struct arm64_image_header header = { .magic = ARM64_IMAGE_MAGIC, .image_size = 1 };
	struct efi_zboot_header zboot = { .magic = EFI_ZBOOT_MAGIC };
	char text[100] = "#!/bin/sh\n";

	check_refused(text, sizeof(text), -ENOEXEC);
	check_refused(text, 10, -ENOEXEC);
	header.flags = ARM64_IMAGE_BIG_ENDIAN;
	check_refused(&header, sizeof(header), -ENOEXEC);
	header.flags = 0;
	header.text_offset = ~0ULL - 100;
	check_refused(&header, sizeof(header), -ENOSPC);
	header.text_offset = 0;
	header.image_size = ~0ULL;
	check_refused(&header, sizeof(header), -ENOSPC);
	zboot.payload_offset = ~0U;
	zboot.payload_size = ~0U;
	check_refused(&zboot, sizeof(zboot), -ENOEXEC);
	zboot.payload_offset = 0;
	zboot.payload_size = 1;
	check_refused(&zboot, sizeof(zboot), -ENOEXEC);
}
END_TEST

START_TEST(test_a_cut_image_is_refused_wherever_it_is_cut)
{
	struct bytes image = make_image(), zboot = make_zboot(&image, PACK_ZSTD, "zstd");

	for (size_t size = 60; size < zboot.size; size += zboot.size / 7) {
		struct bytes cut = { .data = zboot.data, .size = size };
		struct machine m;

		machine_init(&m);
		ck_assert_int_lt(machine_load(&m, &cut), 0);
		mem_finish(&m.mem);
	}
	free(zboot.data);
	free(image.data);
}
END_TEST

CHECK_MAIN("arm64", test_an_image_is_loaded_however_it_is_wrapped, test_the_tree_says_what_there_is,
	   test_a_gicv2_is_told_with_its_frame, test_initrd_and_seed_are_told,
	   test_what_is_no_kernel_is_refused, test_a_cut_image_is_refused_wherever_it_is_cut)
