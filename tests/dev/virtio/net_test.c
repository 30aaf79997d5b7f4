/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net on a real tap interface, on the real passt, and on processes that pretend to be it. */
#include "check_main.h"
#include "dev/virtio/fake_core.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry/error.h>

#include <abi/virtio_net.h>

#include "dev/virtio/net.h"

#define RX   0
#define TX   1
#define CTRL 2

#define HEADER ((unsigned)sizeof(struct virtio_net_hdr))

/* IEEE 802: local experimental ethertype; nobody else's frames have it. */
#define ETHERTYPE 0x88b5

static struct vm vm;
static struct net *net;
static struct virtio_device *device;
static char tap_name[16];
static char dir[64];

static const uint8_t our_mac[6] = { 0x52, 0x54, 0, 1, 2, 3 };

static int open_net(struct net_options options)
{
	int r;

	options.id = "net0";
	memcpy(options.mac, our_mac, 6);
	fake_vm_init(&vm);
	net = NULL;
	r = net_create(&vm, NULL, &options, &net);
	device = fake_device;
	if (r < 0)
		return r;
	device->ops->start(device->self);
	fake_notify(device, RX);
	return 0;
}

static void teardown(void)
{
	net_destroy(net);
	fake_vm_finish(&vm);
}

/* False where this user may not make tap interfaces. */
static bool setup_tap(void)
{
	int r;

	snprintf(tap_name, sizeof(tap_name), "ferry%u", (unsigned)getpid() % 1000000);
	r = open_net((struct net_options){ .kind = NET_TAP, .tap = tap_name });
	if (r == 0)
		return true;
	ck_assert_msg(r == -EPERM || r == -EACCES || r == -ENOENT, "%s", error_text(r));
	teardown();
	return false;
}

/* A passt of our own making: a shell script. */
static void setup_script(const char *script)
{
	char path[128];
	FILE *file;

	snprintf(dir, sizeof(dir), "/tmp/ferry-net-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/passt", dir);
	file = fopen(path, "w");
	fprintf(file, "#!/bin/sh\nPATH=%s\ncd %s\n%s\n", getenv("PATH"), dir, script);
	fclose(file);
	ck_assert_int_eq(chmod(path, 0755), 0);
	setenv("PATH", dir, 1);
	ck_assert_int_eq(open_net((struct net_options){ .kind = NET_USER }), 0);
}

static void teardown_script(void)
{
	char command[128];

	teardown();
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void fill_frame(uint8_t *frame, unsigned len, uint8_t seed)
{
	memset(frame, 0xff, 6);
	memcpy(frame + 6, our_mac, 6);
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
	for (unsigned i = 14; i < len; i++)
		frame[i] = (uint8_t)(seed + i);
}

/* A socket on the other end of the tap. */
static int packet_socket(uint16_t type)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(type));
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(type),
		.sll_ifindex = (int)if_nametoindex(tap_name),
	};

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static unsigned send_frame(struct virtio_net_hdr *header, uint8_t *frame, unsigned len)
{
	struct iovec out[] = { { header, HEADER }, { frame, len } };
	unsigned head = fake_add(&device->queues[TX], out, 2, NULL, 0);

	fake_notify(device, TX);
	return head;
}

static bool is_pushed(unsigned q, unsigned head)
{
	return device->queues[q].chains[head].pushed;
}

static bool has_type(const uint8_t *frame, uint16_t type)
{
	return frame[12] == type >> 8 && frame[13] == (type & 0xff);
}

START_TEST(test_sent_packets_come_out_of_the_tap)
{
	struct virtio_net_hdr header = { 0 };
	uint8_t frame[900], got[2048];
	int fd;

	if (!setup_tap())
		return;
	fd = packet_socket(ETHERTYPE);
	fill_frame(frame, sizeof(frame), 7);
	ck_assert(is_pushed(TX, send_frame(&header, frame, sizeof(frame))));
	fake_wait(&vm, recv(fd, got, sizeof(got), MSG_PEEK) > 0);
	ck_assert_int_eq(recv(fd, got, sizeof(got), 0), sizeof(frame));
	ck_assert_mem_eq(got, frame, sizeof(frame));
	fake_wait(&vm, device->queues[TX].interrupts == 1);
	close(fd);
	teardown();
}
END_TEST

/* The kernel sends frames of its own when an interface comes up: looks for ours among them. */
static int received(const uint8_t (*bufs)[2048], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (is_pushed(RX, i) && has_type(bufs[i] + HEADER, ETHERTYPE))
			return (int)i;
	return -1;
}

START_TEST(test_packets_from_the_tap_reach_the_guest_and_wait_for_its_buffers)
{
	static uint8_t bufs[64][2048];
	const struct virtio_net_hdr *header;
	uint8_t frame[700];
	int fd, i;

	if (!setup_tap())
		return;
	fd = packet_socket(ETHERTYPE);
	fill_frame(frame, sizeof(frame), 9);
	ck_assert_int_eq(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	fake_run_ms(&vm, 20);
	for (i = 0; i < 64; i++)
		fake_add(&device->queues[RX], NULL, 0, &(struct iovec){ bufs[i], 2048 }, 1);
	fake_notify(device, RX);
	fake_wait(&vm, received(bufs, 64) >= 0);
	i = received(bufs, 64);
	header = (const struct virtio_net_hdr *)bufs[i];
	ck_assert_uint_eq(device->queues[RX].chains[i].written, HEADER + sizeof(frame));
	ck_assert_mem_eq(bufs[i] + HEADER, frame, sizeof(frame));
	ck_assert_uint_eq(header->num_buffers, 1);
	fake_wait(&vm, device->queues[RX].interrupts >= 1);
	close(fd);
	teardown();
}
END_TEST

START_TEST(test_offload_flags_of_a_driver_that_did_not_ask_are_ignored)
{
	struct virtio_net_hdr header = { .flags = 1, .csum_start = 60000, .csum_offset = 60000 };
	uint8_t frame[100], got[2048];
	int fd;

	if (!setup_tap())
		return;
	fd = packet_socket(ETHERTYPE);
	fill_frame(frame, sizeof(frame), 1);
	ck_assert(is_pushed(TX, send_frame(&header, frame, sizeof(frame)))); /* the kernel's no */
	device->features &= ~(1ULL << VIRTIO_NET_F_CSUM);
	ck_assert(is_pushed(TX, send_frame(&header, frame, sizeof(frame))));
	fake_wait(&vm, recv(fd, got, sizeof(got), MSG_PEEK) > 0);
	ck_assert_int_eq(recv(fd, got, sizeof(got), 0), sizeof(frame));
	ck_assert_int_eq(recv(fd, got, sizeof(got), 0), -1);
	close(fd);
	teardown();
}
END_TEST

START_TEST(test_a_driver_without_checksums_gets_zero_headers)
{
	static uint8_t bufs[64][2048];
	const struct virtio_net_hdr *header;
	struct {
		uint8_t vnet[10];
		uint8_t frame[100];
	} packet = { .vnet = { [0] = 1, [6] = 34, [8] = 6 } }; /* needs a checksum at 34 + 6 */
	int fd, i, pushed[2];

	if (!setup_tap())
		return;
	fd = packet_socket(ETHERTYPE);
	ck_assert_int_eq(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &(int){ 1 }, sizeof(int)), 0);
	fill_frame(packet.frame, sizeof(packet.frame), 3);
	for (i = 0; i < 64; i++)
		fake_add(&device->queues[RX], NULL, 0, &(struct iovec){ bufs[i], 2048 }, 1);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(send(fd, &packet, sizeof(packet), 0), sizeof(packet));
		fake_notify(device, RX);
		fake_wait(&vm, received(bufs, 64) >= 0);
		pushed[i] = received(bufs, 64);
		bufs[pushed[i]][HEADER + 12] = 0; /* not to be found again */
		header = (const struct virtio_net_hdr *)bufs[pushed[i]];
		ck_assert_uint_eq(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, i == 0);
		ck_assert_uint_eq(header->csum_start, i == 0 ? 34 : 0);
		device->features &= ~(1ULL << VIRTIO_NET_F_GUEST_CSUM);
	}
	close(fd);
	teardown();
}
END_TEST

START_TEST(test_a_tap_that_another_uses_is_refused)
{
	struct net_options options = { .id = "net1", .kind = NET_TAP, .tap = tap_name };
	struct net *second;

	if (!setup_tap())
		return;
	memcpy(options.mac, our_mac, 6);
	ck_assert_int_eq(net_create(&vm, NULL, &options, &second), -EBUSY);
	ck_assert_ptr_nonnull(strstr(error_text(-EBUSY), tap_name));
	options.tap = "an-interface-of-a-long-name";
	ck_assert_int_eq(net_create(&vm, NULL, &options, &second), -EINVAL);
	teardown();
}
END_TEST

START_TEST(test_passt_answers_arp)
{
	static uint8_t bufs[16][2048];
	/* who has 192.0.2.77? tell 192.0.2.2; padded */
	static uint8_t arp[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 1, 2,
				   3,	 8,    6,    0,	   1,	 8,    0,    6,	   4, 0, 1,
				   0x52, 0x54, 0,    1,	   2,	 3,    192,  0,	   2, 2, 0,
				   0,	 0,    0,    0,	   0,	 192,  0,    2,	   77 };
	struct virtio_net_hdr header = { 0 };
	int r = open_net((struct net_options){ .kind = NET_USER });

	if (r == -ENOENT) { /* not installed */
		teardown();
		return;
	}
	ck_assert_msg(r == 0, "%s", error_text(r));
	for (int i = 0; i < 16; i++)
		fake_add(&device->queues[RX], NULL, 0, &(struct iovec){ bufs[i], 2048 }, 1);
	fake_notify(device, RX);
	ck_assert(is_pushed(TX, send_frame(&header, arp, sizeof(arp))));
	fake_wait(&vm, is_pushed(RX, 0) || vm.logged[0]);
	ck_assert_str_eq(vm.logged, "");
	ck_assert(has_type(bufs[0] + HEADER, 0x0806));
	ck_assert_uint_eq(bufs[0][HEADER + 21], 2); /* a reply */
	teardown();
}
END_TEST

/* Gets the orphans, and so sees passt's end. */
START_TEST(test_passt_ends_with_the_process_that_started_it)
{
	pid_t owner, pid;
	int status = 0;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	owner = fork();
	if (owner == 0) {
		if (open_net((struct net_options){ .kind = NET_USER }) < 0)
			_exit(77);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(owner, &status, 0), owner);
	if (WIFEXITED(status)) /* not installed */
		return;
	pid = waitpid(-1, &status, 0); /* the test's own time limit bounds it */
	ck_assert_int_gt(pid, 0);
}
END_TEST

START_TEST(test_a_missing_passt_is_told_with_its_name)
{
	setenv("PATH", "/nonexistent", 1);
	ck_assert_int_eq(open_net((struct net_options){ .kind = NET_USER }), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error_text(-ENOENT), "install passt"));
	teardown();
}
END_TEST

static uint16_t status(void)
{
	struct virtio_net_config config;

	device->ops->config_read(device->self, 0, &config, sizeof(config));
	return config.status;
}

START_TEST(test_a_passt_that_fails_takes_the_link_down)
{
	struct virtio_net_hdr header = { 0 };
	uint8_t frame[60] = { 0 };

	setup_script("echo 'no namespaces' >&2; echo here >&2; exit 3");
	fake_wait(&vm, vm.logged[0]);
	ck_assert_ptr_nonnull(strstr(vm.logged, "net0"));
	fake_wait(&vm, !(status() & VIRTIO_NET_S_LINK_UP));
	ck_assert_uint_ge(device->config_changes, 1);
	ck_assert(is_pushed(TX, send_frame(&header, frame, sizeof(frame))));
	teardown_script();
}
END_TEST

START_TEST(test_last_words_are_in_the_message)
{
	setup_script("echo 'no namespaces' >&2; echo here >&2; exit 3");
	fake_wait(&vm, strstr(vm.logged, "status"));
	ck_assert_str_eq(
		vm.logged,
		"net0: the network is gone: passt ended with status 3: no namespaces; here");
	teardown_script();
}
END_TEST

START_TEST(test_a_killed_passt_is_told)
{
	setup_script("kill -9 $$");
	fake_wait(&vm, strstr(vm.logged, "signal 9"));
	teardown_script();
}
END_TEST

START_TEST(test_impossible_lengths_on_the_stream_take_the_link_down)
{
	static uint8_t buf[2048];

	setup_script("printf '\\377\\377\\377\\377aaaaaaaaaaaaaaaaaaaaaa' >&3; sleep 100");
	fake_add(&device->queues[RX], NULL, 0, &(struct iovec){ buf, 2048 }, 1);
	fake_notify(device, RX);
	fake_wait(&vm, vm.logged[0]);
	ck_assert_ptr_nonnull(strstr(vm.logged, "impossible length"));
	ck_assert_uint_eq(status() & VIRTIO_NET_S_LINK_UP, 0);
	ck_assert(!is_pushed(RX, 0));
	teardown_script();
}
END_TEST

START_TEST(test_frames_may_arrive_in_pieces)
{
	static uint8_t bufs[3][2048];

	setup_script("printf '\\0\\0' >&3; sleep 0.05; printf '\\0\\020abcdefgh' >&3; sleep 0.05;"
		     "printf 'ijklmnop\\0\\0\\0\\016qqqqqqqqqqqqqq\\0\\0\\0\\003xyz' >&3;"
		     "sleep 0.05; printf '\\0\\0\\0\\017rrrrrrrrrrrrrrr' >&3; sleep 100");
	for (int i = 0; i < 3; i++)
		fake_add(&device->queues[RX], NULL, 0, &(struct iovec){ bufs[i], 2048 }, 1);
	fake_notify(device, RX);
	fake_wait(&vm, is_pushed(RX, 2));
	ck_assert_mem_eq(bufs[0] + HEADER, "abcdefghijklmnop", 16);
	ck_assert_mem_eq(bufs[1] + HEADER, "qqqqqqqqqqqqqq", 14);
	ck_assert_mem_eq(bufs[2] + HEADER, "rrrrrrrrrrrrrrr", 15); /* the one of 3 bytes is lost */
	ck_assert_uint_eq(device->queues[RX].chains[2].written, HEADER + 15);
	teardown_script();
}
END_TEST

START_TEST(test_a_long_frame_fills_several_merged_buffers)
{
	static uint8_t bufs[8][100];
	const struct virtio_net_hdr *header = (void *)bufs[0];

	setup_script(
		"printf '\\0\\0\\1\\054' >&3; head -c 300 /dev/zero | tr '\\0' z >&3; sleep 100");
	for (int i = 0; i < 3; i++)
		fake_add(&device->queues[RX], NULL, 0, &(struct iovec){ bufs[i], 100 }, 1);
	fake_notify(device, RX);
	fake_run_ms(&vm, 100);
	ck_assert_uint_eq(device->queues[RX].pushed, 0); /* three do not suffice: none is used */
	ck_assert_uint_eq(device->queues[RX].popped, 0);
	for (int i = 3; i < 8; i++)
		fake_add(&device->queues[RX], NULL, 0, &(struct iovec){ bufs[i], 100 }, 1);
	fake_notify(device, RX);
	fake_wait(&vm, is_pushed(RX, 0));
	ck_assert_uint_eq(header->num_buffers, 4);
	ck_assert_uint_eq(device->queues[RX].pushed, 4);
	ck_assert_uint_eq(device->queues[RX].chains[0].written, 100);
	ck_assert_uint_eq(device->queues[RX].chains[3].written, 12);
	ck_assert_uint_eq(bufs[3][11], 'z');
	ck_assert_uint_eq(bufs[3][12], 0);
	teardown_script();
}
END_TEST

START_TEST(test_a_frame_too_long_for_an_unmerged_buffer_is_lost_alone)
{
	static uint8_t bufs[2][100];

	setup_script("printf '\\0\\0\\1\\054' >&3; head -c 300 /dev/zero >&3;"
		     "printf '\\0\\0\\0\\016qqqqqqqqqqqqqq' >&3; sleep 100");
	device->features &= ~(1ULL << VIRTIO_NET_F_MRG_RXBUF);
	for (int i = 0; i < 2; i++)
		fake_add(&device->queues[RX], NULL, 0, &(struct iovec){ bufs[i], 100 }, 1);
	fake_notify(device, RX);
	fake_wait(&vm, is_pushed(RX, 0));
	ck_assert_mem_eq(bufs[0] + HEADER, "qqqqqqqqqqqqqq", 14);
	ck_assert_uint_eq(device->queues[RX].popped, 1);
	teardown_script();
}
END_TEST

START_TEST(test_receive_buffers_without_room_for_the_header_break_the_device)
{
	static uint8_t buf[2048];

	setup_script("printf '\\0\\0\\0\\016qqqqqqqqqqqqqq' >&3; sleep 100");
	fake_add(&device->queues[RX], NULL, 0, &(struct iovec){ buf, 11 }, 1);
	fake_notify(device, RX);
	fake_wait(&vm, device->broken);
	ck_assert_uint_eq(buf[0], 0);
	teardown_script();
}
END_TEST

START_TEST(test_a_packet_shorter_than_its_header_breaks_the_device)
{
	uint8_t bytes[16] = { 0 };

	setup_script("sleep 100");
	fake_add(&device->queues[TX], &(struct iovec){ bytes, 11 }, 1, NULL, 0);
	fake_notify(device, TX);
	ck_assert(device->broken);
	teardown_script();
}
END_TEST

START_TEST(test_packets_of_impossible_sizes_are_dropped)
{
	static uint8_t big[1 << 20];
	struct virtio_net_hdr header = { 0 };
	struct iovec huge[5] = { { &header, 12 },
				 { big, 1UL << 30 },
				 { big, 1UL << 30 },
				 { big, 1UL << 30 },
				 { big, (1UL << 30) - 12 } };

	setup_script("cat <&3 >out; touch done");
	for (unsigned len = 0; len < 14; len++)
		ck_assert(is_pushed(TX, send_frame(&header, big, len ? len : 1)));
	ck_assert(is_pushed(TX, send_frame(&header, big, 65535 + 19)));
	ck_assert(is_pushed(TX, send_frame(&header, big, sizeof(big))));
	fake_add(&device->queues[TX], huge, 5, NULL, 0);
	fake_notify(device, TX);
	ck_assert_uint_eq(device->queues[TX].pushed, device->queues[TX].added);
	ck_assert(!device->broken);
	teardown_script();
}
END_TEST

/* What a slow reader got: our frames, in order, whole, each behind its length. */
static unsigned length_of(unsigned frame)
{
	return 65000 - frame * 997;
}

static void check_stream(const char *path, unsigned frames)
{
	static uint8_t expected[65000], got[65004];
	FILE *file = fopen(path, "r");

	ck_assert_ptr_nonnull(file);
	for (unsigned i = 0; i < frames; i++) {
		uint32_t length, len = length_of(i);

		fill_frame(expected, len, (uint8_t)i);
		ck_assert_uint_eq(fread(got, 1, len + 4, file), len + 4);
		memcpy(&length, got, 4);
		ck_assert_uint_eq(ntohl(length), len);
		if (memcmp(got + 4, expected, len))
			ck_abort_msg("frame %u is not what was sent", i);
	}
	fclose(file);
}

static long size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : (long)st.st_size;
}

START_TEST(test_a_slow_reader_holds_the_queue_and_loses_nothing)
{
	enum { FRAMES = 50 };
	static uint8_t frames[FRAMES][65000]; /* the socket takes parts of them */
	struct virtio_net_hdr header = { 0 };
	char path[128], go[128];
	long total = 0;

	setup_script("while ! [ -e go ]; do sleep 0.02; done; cat <&3 >out");
	for (unsigned i = 0; i < FRAMES; i++) {
		struct iovec out[] = { { &header, HEADER }, { frames[i], length_of(i) } };

		fill_frame(frames[i], length_of(i), (uint8_t)i);
		total += 4 + length_of(i);
		fake_add(&device->queues[TX], out, 2, NULL, 0);
	}
	fake_notify(device, TX);
	fake_run_ms(&vm, 50);
	ck_assert_uint_lt(device->queues[TX].pushed, FRAMES);
	snprintf(go, sizeof(go), "%s/go", dir);
	snprintf(path, sizeof(path), "%s/out", dir);
	close(open(go, O_CREAT | O_WRONLY, 0644));
	fake_wait(&vm, size_of(path) == total);
	ck_assert_uint_eq(device->queues[TX].pushed, FRAMES);
	check_stream(path, FRAMES);
	teardown_script();
}
END_TEST

static uint8_t command(uint8_t class, uint8_t number, unsigned len)
{
	struct virtio_net_ctrl ctrl = { class, number };
	uint8_t ack = 0xee;

	fake_add(&device->queues[CTRL], &(struct iovec){ &ctrl, len }, len ? 1 : 0,
		 &(struct iovec){ &ack, 1 }, 1);
	fake_notify(device, CTRL);
	return ack;
}

START_TEST(test_announcement_is_asked_for_until_it_is_acknowledged)
{
	setup_script("sleep 100");
	ck_assert_uint_eq(status(), VIRTIO_NET_S_LINK_UP);
	net_announce(net);
	ck_assert_uint_eq(device->config_changes, 1);
	ck_assert_uint_eq(status(), VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	ck_assert_uint_eq(command(3, 1, 2), VIRTIO_NET_ERR);
	ck_assert_uint_eq(command(0, 0, 2), VIRTIO_NET_ERR);
	ck_assert_uint_eq(command(3, 0, 1), VIRTIO_NET_ERR);
	ck_assert_uint_eq(command(3, 0, 0), VIRTIO_NET_ERR);
	ck_assert_uint_eq(status(), VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	ck_assert_uint_eq(command(3, 0, 2), VIRTIO_NET_OK);
	ck_assert_uint_eq(status(), VIRTIO_NET_S_LINK_UP);
	device->features &= ~(1ULL << VIRTIO_NET_F_GUEST_ANNOUNCE);
	net_announce(net);
	ck_assert_uint_eq(device->config_changes, 1);
	fake_add(&device->queues[CTRL], NULL, 0, NULL, 0);
	fake_notify(device, CTRL);
	ck_assert(device->broken);
	teardown_script();
}
END_TEST

START_TEST(test_switches_behind_a_tap_are_told_where_the_guest_is)
{
	uint8_t got[2048];
	int fd;

	if (!setup_tap())
		return;
	fd = packet_socket(ETHERTYPE_REVARP);
	net_announce(net);
	for (int i = 0; i < 3; i++) { /* more than once */
		fake_wait(&vm, recv(fd, got, sizeof(got), MSG_PEEK) > 0);
		ck_assert_int_eq(recv(fd, got, sizeof(got), 0), 60);
		ck_assert_mem_eq(got, "\xff\xff\xff\xff\xff\xff", 6);
		ck_assert_mem_eq(got + 6, our_mac, 6);
		ck_assert_mem_eq(got + 14, "\0\1\x8\0\6\4\0\3", 8);
		ck_assert_mem_eq(got + 22, our_mac, 6);
		ck_assert_mem_eq(got + 32, our_mac, 6);
	}
	close(fd);
	teardown(); /* with some still to come */
}
END_TEST

START_TEST(test_registers_carry_address_and_announcement)
{
	struct reg_key net_status = { REG_VM,
				      REG_ID(REG_BANK_VIRTIO, 0, 1, FAKE_BDF << 16 | 0x8006) };

	setup_script("sleep 100");
	net_announce(net);
	fake_check_bank(&vm.regs, &vm.regs);
	ck_assert_int_eq(reg_file_set(&vm.regs, net_status, "\0\0"), 0);
	ck_assert_uint_eq(status(), VIRTIO_NET_S_LINK_UP);
	ck_assert_int_eq(reg_file_set(&vm.regs, net_status, "\1\0"), -EINVAL);
	teardown_script();
}
END_TEST

START_TEST(test_bad_addresses_and_mtus_are_refused)
{
	struct net_options options = { .id = "net0", .mac = { 1, 2, 3, 4, 5, 6 } };

	fake_vm_init(&vm);
	net = NULL;
	ck_assert_int_eq(net_create(&vm, NULL, &options, &net), -EINVAL);
	memset(options.mac, 0, 6);
	ck_assert_int_eq(net_create(&vm, NULL, &options, &net), -EINVAL);
	memcpy(options.mac, our_mac, 6);
	options.mtu = 67;
	ck_assert_int_eq(net_create(&vm, NULL, &options, &net), -EINVAL);
	teardown();
}
END_TEST

CHECK_MAIN("virtio-net", test_sent_packets_come_out_of_the_tap,
	   test_packets_from_the_tap_reach_the_guest_and_wait_for_its_buffers,
	   test_offload_flags_of_a_driver_that_did_not_ask_are_ignored,
	   test_a_driver_without_checksums_gets_zero_headers,
	   test_a_tap_that_another_uses_is_refused, test_passt_answers_arp,
	   test_passt_ends_with_the_process_that_started_it,
	   test_a_missing_passt_is_told_with_its_name, test_a_passt_that_fails_takes_the_link_down,
	   test_last_words_are_in_the_message, test_a_killed_passt_is_told,
	   test_impossible_lengths_on_the_stream_take_the_link_down,
	   test_frames_may_arrive_in_pieces, test_a_long_frame_fills_several_merged_buffers,
	   test_a_frame_too_long_for_an_unmerged_buffer_is_lost_alone,
	   test_receive_buffers_without_room_for_the_header_break_the_device,
	   test_a_packet_shorter_than_its_header_breaks_the_device,
	   test_packets_of_impossible_sizes_are_dropped,
	   test_a_slow_reader_holds_the_queue_and_loses_nothing,
	   test_announcement_is_asked_for_until_it_is_acknowledged,
	   test_switches_behind_a_tap_are_told_where_the_guest_is,
	   test_registers_carry_address_and_announcement, test_bad_addresses_and_mtus_are_refused)
