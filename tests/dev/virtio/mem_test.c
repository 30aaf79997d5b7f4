/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-mem: what is asked for is told, requests are checked, memory comes and goes. */
#include "dev/virtio/mem.h"

#include <errno.h>

#include <abi/virtio_mem.h>

#include "dev/virtio/fake_driver.h"
#include "dev/virtio/mem_blocks.h"
#include "mem/window.h"

#define PLUG_AT 0x100000000ULL
#define SIZE	(3 * CHUNK + 64 * MIB) /* the last chunk is a short one */
#define CHUNK	(128 * MIB)
#define BLOCK	(2 * MIB)

#define CONFIG(member) offsetof(struct virtio_mem_config, member)

static struct pci_fixture f;
static struct fake_driver d;
static struct vmem_blocks *blocks;
static struct vmem *vmem;

static void create(uint64_t size)
{
	pci_fixture_init(&f);
	ck_assert_int_eq(vmem_blocks_create(f.vm, PLUG_AT, size, &blocks), 0);
	ck_assert_int_eq(vmem_create(f.vm, f.host, blocks, &vmem), 0);
}

static void setup_of(uint64_t size)
{
	create(size);
	driver_init(&d, f.vm, 1);
	accept_features(&d, offered(&d));
	setup_queue(&d, 0, RING_SIZE);
	set_status(&d, ALL_OK);
	turn(f.vm);
}

static void setup(void)
{
	setup_of(SIZE);
	ck_assert_int_eq(vmem_request(vmem, SIZE), 0);
}

static void teardown(void)
{
	vmem_destroy(vmem);
	pci_host_destroy(f.host);
	vmem_blocks_destroy(blocks);
	vm_destroy(f.vm);
}

static uint64_t config(unsigned offset)
{
	return mmio_read(f.vm, d.device + offset, 8);
}

/* Returns how many bytes were answered. */
static uint32_t send_cut(const struct virtio_mem_req *request, uint32_t len, uint32_t room,
			 struct virtio_mem_resp *ret_response)
{
	uint16_t used = used_index(&d, 0);
	gpa_t reply = BUFFER_AT + 0x1000;
	struct virtq_used_elem elem;

	*ret_response = (struct virtio_mem_resp){ .type = 0xaaaa, .state = 0xaaaa };
	put(f.vm, BUFFER_AT, request, sizeof(*request));
	put(f.vm, reply, ret_response, sizeof(*ret_response));
	put_desc(f.vm, DESC_AT(0), 0, (struct virtq_desc){ BUFFER_AT, len,
							     room ? VIRTQ_DESC_F_NEXT : 0, 1 });
	put_desc(f.vm, DESC_AT(0), 1,
		 (struct virtq_desc){ reply, room, VIRTQ_DESC_F_WRITE, 0 });
	offer(&d, 0, 0);
	notify(&d, 0);
	TURN_UNTIL(f.vm, used_index(&d, 0) == (uint16_t)(used + 1));
	ck_assert_int_eq(mem_read(vm_mem(f.vm), reply, ret_response, sizeof(*ret_response)), 0);
	ck_assert_int_eq(mem_read(vm_mem(f.vm),
				  USED_AT(0) + sizeof(struct virtq_used) +
					  used % RING_SIZE * sizeof(elem),
				  &elem, sizeof(elem)),
			 0);
	return elem.len;
}

static struct virtio_mem_resp ask(uint16_t type, uint64_t addr, uint16_t count)
{
	const struct virtio_mem_req request = { .type = type, .addr = addr, .nb_blocks = count };
	struct virtio_mem_resp response;

	ck_assert_uint_eq(send_cut(&request, sizeof(request), sizeof(response), &response),
			  sizeof(response));
	return response;
}

static uint16_t plug(uint64_t block, uint16_t count)
{
	return ask(VIRTIO_MEM_REQ_PLUG, PLUG_AT + block * BLOCK, count).type;
}

static uint16_t unplug(uint64_t block, uint16_t count)
{
	return ask(VIRTIO_MEM_REQ_UNPLUG, PLUG_AT + block * BLOCK, count).type;
}

static bool is_memory(uint64_t block)
{
	return mem_ptr(vm_mem(f.vm), PLUG_AT + block * BLOCK, BLOCK) != NULL;
}

static size_t regions(void)
{
	return mem_map(vm_mem(f.vm))->count;
}

START_TEST(test_device_tells_its_region_and_its_feature)
{
	setup_of(SIZE);
	ck_assert_uint_eq(config(CONFIG(block_size)), BLOCK);
	ck_assert_uint_eq(config(CONFIG(addr)), PLUG_AT);
	ck_assert_uint_eq(config(CONFIG(region_size)), SIZE);
	ck_assert_uint_eq(config(CONFIG(usable_region_size)), 0);
	ck_assert_uint_eq(config(CONFIG(requested_size)), 0);
	ck_assert_uint_eq(config(CONFIG(plugged_size)), 0);
	ck_assert(offered(&d) >> VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE & 1);
	ck_assert(!(offered(&d) >> VIRTIO_MEM_F_ACPI_PXM & 1));
	mmio_write(f.vm, d.device + CONFIG(requested_size), SIZE, 8); /* the host's */
	ck_assert_uint_eq(config(CONFIG(requested_size)), 0);
	teardown();
}
END_TEST

START_TEST(test_request_is_told_by_the_configuration)
{
	setup_of(SIZE);
	mmio_read(f.vm, d.isr, 1);
	ck_assert_int_eq(vmem_request(vmem, 3 * BLOCK), 0);
	ck_assert_uint_eq(config(CONFIG(requested_size)), 3 * BLOCK);
	ck_assert_uint_eq(config(CONFIG(usable_region_size)), SIZE);
	ck_assert_uint_eq(mmio_read(f.vm, d.isr, 1), VIRTIO_ISR_CONFIG);
	ck_assert_int_eq(vmem_request(vmem, SIZE + BLOCK), -ERANGE);
	ck_assert_int_eq(vmem_request(vmem, BLOCK + 4096), -EINVAL);
	ck_assert_uint_eq(vmem_requested(vmem), 3 * BLOCK);
	ck_assert_int_eq(vmem_request(vmem, 0), 0);
	ck_assert_uint_eq(config(CONFIG(usable_region_size)), SIZE); /* there may be something */
	teardown();
}
END_TEST

START_TEST(test_usable_region_covers_the_request_and_shrinks_with_nothing_plugged)
{
	setup_of(8 * GIB);
	ck_assert_int_eq(vmem_request(vmem, 3 * GIB), 0);
	ck_assert_uint_eq(config(CONFIG(usable_region_size)), 4 * GIB);
	ck_assert_uint_eq(plug(4 * GIB / BLOCK, 1), VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(plug(4 * GIB / BLOCK - 1, 2), VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(plug(4 * GIB / BLOCK - 1, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert_int_eq(vmem_request(vmem, GIB), 0);
	ck_assert_uint_eq(config(CONFIG(usable_region_size)), 4 * GIB);
	mmio_read(f.vm, d.isr, 1);
	ck_assert_uint_eq(ask(VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0).type, VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(config(CONFIG(usable_region_size)), 2 * GIB);
	ck_assert_uint_eq(mmio_read(f.vm, d.isr, 1) & VIRTIO_ISR_CONFIG, VIRTIO_ISR_CONFIG);
	teardown();
}
END_TEST

START_TEST(test_plugged_blocks_are_memory)
{
	setup();
	ck_assert_uint_eq(regions(), 1);
	ck_assert(!is_memory(0));
	ck_assert_uint_eq(plug(0, 2), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(config(CONFIG(plugged_size)), 2 * BLOCK);
	ck_assert(is_memory(0) && is_memory(1));
	put16(f.vm, PLUG_AT + 2 * BLOCK - 2, 0x4242);
	ck_assert_uint_eq(plug(2, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(get16(f.vm, PLUG_AT + 2 * BLOCK - 2), 0x4242);
	teardown();
}
END_TEST

START_TEST(test_memory_comes_by_chunks_and_goes_by_chunks)
{
	const uint64_t each = CHUNK / BLOCK;

	setup();
	ck_assert_uint_eq(plug(each - 1, 2), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(regions(), 3);
	ck_assert_uint_eq(plug(3 * each, 32), VIRTIO_MEM_RESP_ACK); /* the short one, whole */
	ck_assert_uint_eq(regions(), 4);
	ck_assert(!is_memory(2 * each));
	ck_assert_uint_eq(plug(0, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(regions(), 4);
	ck_assert_uint_eq(unplug(each - 1, 2), VIRTIO_MEM_RESP_ACK);
	ck_assert(!is_memory(each)); /* nothing is left in the second */
	ck_assert(is_memory(0));
	ck_assert_uint_eq(unplug(0, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert(!is_memory(0));
	ck_assert_uint_eq(unplug(3 * each, 31), VIRTIO_MEM_RESP_ACK);
	ck_assert(is_memory(3 * each + 31));
	ck_assert_uint_eq(config(CONFIG(plugged_size)), BLOCK);
	teardown();
}
END_TEST

START_TEST(test_unplugged_pages_go_back_to_the_host)
{
	setup();
	ck_assert_uint_eq(plug(0, 3), VIRTIO_MEM_RESP_ACK);
	for (uint64_t i = 0; i < 3; i++)
		put16(f.vm, PLUG_AT + i * BLOCK, 0x4242);
	ck_assert_uint_eq(unplug(1, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(get16(f.vm, PLUG_AT), 0x4242);
	ck_assert_uint_eq(get16(f.vm, PLUG_AT + BLOCK), 0);
	ck_assert_uint_eq(unplug(0, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(unplug(2, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(plug(0, 3), VIRTIO_MEM_RESP_ACK); /* the chunk is another one */
	for (uint64_t i = 0; i < 3; i++)
		ck_assert_uint_eq(get16(f.vm, PLUG_AT + i * BLOCK), 0);
	teardown();
}
END_TEST

/* A picture of the map stays for each change: the guest alone must not be able to make many. */
START_TEST(test_a_guest_alone_changes_the_map_only_so_often)
{
	setup();
	for (int i = 0; i < 100; i++) {
		ck_assert_uint_eq(plug(0, 1), VIRTIO_MEM_RESP_ACK);
		ck_assert_uint_eq(unplug(0, 1), VIRTIO_MEM_RESP_ACK);
	}
	ck_assert(is_memory(0)); /* the chunk has stayed after the first time */
	ck_assert_uint_eq(get16(f.vm, PLUG_AT), 0);
	ck_assert_int_eq(vmem_request(vmem, 0), 0);
	ck_assert(!is_memory(0));
	teardown();
}
END_TEST

START_TEST(test_state_of_blocks_is_told)
{
	struct virtio_mem_resp response;

	setup();
	ck_assert_uint_eq(plug(4, 4), VIRTIO_MEM_RESP_ACK);
	response = ask(VIRTIO_MEM_REQ_STATE, PLUG_AT + 4 * BLOCK, 4);
	ck_assert_uint_eq(response.type, VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(response.state, VIRTIO_MEM_STATE_PLUGGED);
	response = ask(VIRTIO_MEM_REQ_STATE, PLUG_AT, 4);
	ck_assert_uint_eq(response.type, VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(response.state, VIRTIO_MEM_STATE_UNPLUGGED);
	response = ask(VIRTIO_MEM_REQ_STATE, PLUG_AT + 3 * BLOCK, 2);
	ck_assert_uint_eq(response.type, VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(response.state, VIRTIO_MEM_STATE_MIXED);
	teardown();
}
END_TEST

START_TEST(test_unplug_all_unplugs_all)
{
	const uint64_t each = CHUNK / BLOCK;

	setup();
	ck_assert_uint_eq(ask(VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0).type, VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(plug(5, 4), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(plug(2 * each, 4), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(ask(VIRTIO_MEM_REQ_UNPLUG_ALL, ~0ULL, 0xffff).type, VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(config(CONFIG(plugged_size)), 0);
	ck_assert_uint_eq(regions(), 1);
	teardown();
}
END_TEST

START_TEST(test_plugging_what_is_plugged_is_an_error)
{
	setup();
	ck_assert_uint_eq(plug(4, 2), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(plug(4, 2), VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(plug(5, 2), VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(plug(0, 5), VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(config(CONFIG(plugged_size)), 2 * BLOCK);
	teardown();
}
END_TEST

START_TEST(test_unplugging_what_is_not_plugged_is_an_error)
{
	setup();
	ck_assert_uint_eq(unplug(0, 1), VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(plug(4, 2), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(unplug(3, 2), VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(unplug(5, 2), VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(config(CONFIG(plugged_size)), 2 * BLOCK);
	teardown();
}
END_TEST

START_TEST(test_plugging_beyond_the_request_is_refused)
{
	setup();
	ck_assert_int_eq(vmem_request(vmem, 4 * BLOCK), 0);
	ck_assert_uint_eq(plug(0, 5), VIRTIO_MEM_RESP_NACK);
	ck_assert_uint_eq(plug(0, 3), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(plug(3, 2), VIRTIO_MEM_RESP_NACK);
	ck_assert_uint_eq(plug(3, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert_int_eq(vmem_request(vmem, BLOCK), 0);
	ck_assert_uint_eq(unplug(0, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(plug(0, 1), VIRTIO_MEM_RESP_NACK);
	teardown();
}
END_TEST

START_TEST(test_addresses_that_are_no_blocks_are_errors)
{
	static const struct {
		uint64_t addr;
		uint16_t count;
	} bad[] = {
		{ PLUG_AT + 4096, 1 },
		{ PLUG_AT + 1, 1 },
		{ PLUG_AT, 0 },
		{ PLUG_AT - BLOCK, 1 },
		{ PLUG_AT - BLOCK, 2 },
		{ PLUG_AT + SIZE, 1 },
		{ PLUG_AT + SIZE - BLOCK, 2 },
		{ PLUG_AT, 0xffff },
		{ 0, 1 },
		{ ~0ULL, 1 },
		{ ~0ULL - BLOCK + 1, 2 },
	};

	setup();
	for (uint16_t type = VIRTIO_MEM_REQ_PLUG; type <= VIRTIO_MEM_REQ_STATE; type++)
		for (size_t i = 0; i < ARRAY_SIZE(bad) && type != VIRTIO_MEM_REQ_UNPLUG_ALL; i++)
			ck_assert_uint_eq(ask(type, bad[i].addr, bad[i].count).type,
					  VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(config(CONFIG(plugged_size)), 0);
	teardown();
}
END_TEST

START_TEST(test_unknown_and_cut_requests_are_errors)
{
	const struct virtio_mem_req all = { .type = VIRTIO_MEM_REQ_PLUG, .addr = PLUG_AT,
					    .nb_blocks = 1 };
	struct virtio_mem_resp response;

	setup();
	ck_assert_uint_eq(ask(4, PLUG_AT, 1).type, VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(ask(0xffff, PLUG_AT, 1).type, VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(send_cut(&all, sizeof(all) - 1, sizeof(response), &response),
			  sizeof(response));
	ck_assert_uint_eq(response.type, VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(send_cut(&all, sizeof(all), 2, &response), 2);
	ck_assert_uint_eq(response.type, VIRTIO_MEM_RESP_ERROR);
	ck_assert_uint_eq(send_cut(&all, sizeof(all), 0, &response), 0); /* no room at all */
	ck_assert_uint_eq(config(CONFIG(plugged_size)), 0);
	ck_assert_uint_eq(plug(0, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(status(&d), ALL_OK);
	teardown();
}
END_TEST

START_TEST(test_nothing_changes_while_memory_is_copied)
{
	setup();
	ck_assert_uint_eq(plug(0, 1), VIRTIO_MEM_RESP_ACK);
	mem_pin(vm_mem(f.vm));
	mem_pin(vm_mem(f.vm));
	ck_assert_uint_eq(plug(1, 1), VIRTIO_MEM_RESP_BUSY);
	ck_assert_uint_eq(unplug(0, 1), VIRTIO_MEM_RESP_BUSY);
	ck_assert_uint_eq(ask(VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0).type, VIRTIO_MEM_RESP_BUSY);
	ck_assert_uint_eq(ask(VIRTIO_MEM_REQ_STATE, PLUG_AT, 1).state, VIRTIO_MEM_STATE_PLUGGED);
	ck_assert_int_eq(vmem_request(vmem, 0), 0);
	mem_unpin(vm_mem(f.vm));
	ck_assert_uint_eq(unplug(0, 1), VIRTIO_MEM_RESP_BUSY);
	mem_unpin(vm_mem(f.vm));
	ck_assert_uint_eq(unplug(0, 1), VIRTIO_MEM_RESP_ACK);
	teardown();
}
END_TEST

START_TEST(test_a_reset_keeps_what_is_plugged)
{
	setup();
	ck_assert_uint_eq(plug(7, 2), VIRTIO_MEM_RESP_ACK);
	set_status(&d, 0);
	TURN_UNTIL(f.vm, status(&d) == 0);
	ck_assert_uint_eq(config(CONFIG(plugged_size)), 2 * BLOCK);
	ck_assert(is_memory(7));
	teardown();
}
END_TEST

START_TEST(test_registers_restore_into_a_fresh_vm)
{
	struct reg_list list = { 0 };
	uint8_t *bytes;
	size_t size;

	setup();
	ck_assert_int_eq(vmem_request(vmem, CHUNK + 8 * BLOCK), 0);
	ck_assert_uint_eq(plug(CHUNK / BLOCK + 3, 9), VIRTIO_MEM_RESP_ACK);
	bytes = save_registers(f.vm, &list, &size);
	register_named(f.vm, "memory.chunks");
	register_named(f.vm, "memory.plugged0");
	register_named(f.vm, "virtio.00:01.0.requested_size");
	teardown();
	create(SIZE);
	restore_registers(f.vm, &list, bytes, size);
	ck_assert_uint_eq(vmem_blocks_plugged(blocks), 9 * BLOCK);
	ck_assert_uint_eq(config(CONFIG(requested_size)), CHUNK + 8 * BLOCK);
	ck_assert_uint_eq(config(CONFIG(usable_region_size)), SIZE);
	ck_assert(is_memory(CHUNK / BLOCK));
	ck_assert(!is_memory(0));
	teardown();
	reg_list_finish(&list);
	free(bytes);
}
END_TEST

static int set_u64(const char *name, uint64_t value)
{
	return reg_file_set(vm_regs(f.vm), register_named(f.vm, name), &value);
}

START_TEST(test_registers_refuse_what_cannot_be)
{
	uint64_t bits[512 / 64] = { 1 };

	create(SIZE);
	ck_assert_int_eq(reg_file_set(vm_regs(f.vm), register_named(f.vm, "memory.plugged0"), bits),
			 -EINVAL); /* its chunk is not there */
	ck_assert_int_eq(set_u64("memory.chunks", 1 << 4), -EINVAL);
	ck_assert_int_eq(set_u64("memory.chunks", 1 << 3), 0);
	ck_assert_uint_eq(regions(), 2);
	bits[0] = 0;
	bits[3] = 1ULL << 31 | 1ULL << 32; /* the last block, and one behind it */
	ck_assert_int_eq(reg_file_set(vm_regs(f.vm), register_named(f.vm, "memory.plugged0"), bits),
			 -EINVAL);
	bits[3] = 1ULL << 31;
	ck_assert_int_eq(reg_file_set(vm_regs(f.vm), register_named(f.vm, "memory.plugged0"), bits),
			 0);
	ck_assert_uint_eq(vmem_blocks_plugged(blocks), BLOCK);
	ck_assert_int_eq(set_u64("memory.chunks", 1 << 0), 0);
	ck_assert_uint_eq(vmem_blocks_plugged(blocks), 0);
	ck_assert(is_memory(0));
	mem_pin(vm_mem(f.vm));
	ck_assert_int_eq(set_u64("memory.chunks", 1 << 0), 0);
	ck_assert_int_eq(set_u64("memory.chunks", 1 << 1), -EBUSY);
	mem_unpin(vm_mem(f.vm));
	ck_assert_int_eq(set_u64("virtio.00:01.0.requested_size", SIZE + BLOCK), -EINVAL);
	ck_assert_int_eq(set_u64("virtio.00:01.0.usable_region_size", 4096), -EINVAL);
	teardown();
}
END_TEST

START_TEST(test_large_region_has_few_chunks_and_wide_registers)
{
	struct reg_list list = { 0 };
	uint64_t size = 1016 * GIB;
	uint8_t *bytes;
	size_t total;

	setup_of(size);
	if (arch_address_bits(f.vm) < 40) {
		teardown();
		return;
	}
	ck_assert_int_eq(vmem_request(vmem, size), 0);
	ck_assert_uint_eq(plug(0, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(plug(size / BLOCK - 1, 1), VIRTIO_MEM_RESP_ACK);
	ck_assert_uint_eq(regions(), 3);
	ck_assert_uint_eq(mem_map_at(mem_map(vm_mem(f.vm)), 1)->size, 32 * GIB);
	register_named(f.vm, "memory.plugged262144");
	bytes = save_registers(f.vm, &list, &total);
	teardown();
	create(size);
	restore_registers(f.vm, &list, bytes, total);
	teardown();
	reg_list_finish(&list);
	free(bytes);
}
END_TEST

CHECK_MAIN("mem", test_device_tells_its_region_and_its_feature,
	   test_request_is_told_by_the_configuration,
	   test_usable_region_covers_the_request_and_shrinks_with_nothing_plugged,
	   test_plugged_blocks_are_memory, test_memory_comes_by_chunks_and_goes_by_chunks,
	   test_unplugged_pages_go_back_to_the_host,
	   test_a_guest_alone_changes_the_map_only_so_often, test_state_of_blocks_is_told,
	   test_unplug_all_unplugs_all, test_plugging_what_is_plugged_is_an_error,
	   test_unplugging_what_is_not_plugged_is_an_error,
	   test_plugging_beyond_the_request_is_refused,
	   test_addresses_that_are_no_blocks_are_errors, test_unknown_and_cut_requests_are_errors,
	   test_nothing_changes_while_memory_is_copied, test_a_reset_keeps_what_is_plugged,
	   test_registers_restore_into_a_fresh_vm, test_registers_refuse_what_cannot_be,
	   test_large_region_has_few_chunks_and_wide_registers)
