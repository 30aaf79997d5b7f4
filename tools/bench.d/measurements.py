# SPDX-License-Identifier: Apache-2.0
"""What is measured: who takes part, what is to be reached, and how one sample is taken."""

import dataclasses
import os
import re
import statistics
import subprocess
import time
import typing

import migration
import movers
import parts
import slots
import vmm
from movers import Way

# The console's exits would drown the rest.
CMDLINE = "console=ttyS0 panic=-1 quiet"
BATCH = 1000  # guest/bench/entry.h
BATCHES = 21
FLUSH_BATCH = 100  # guest/bench/flush.c
FLUSH_BATCHES = 5
DISK = "/dev/ram0"
DISK_MIB = 256
MIB = 1 << 20


@dataclasses.dataclass
class Measurement:
    """A sample of it is taken from each contender in turn, ferry first, round after round."""

    name: str
    about: str
    unit: str
    # Takes the function that makes a contender's command line, and returns {name: value}.
    sample: typing.Callable
    peers: dict
    # What ferry's share of a peer's value must be: {peer: (relation, limit)}.
    goals: dict
    linux: bool = False
    # How many rounds make up for the noise of one.
    rounds: int = 5
    # What ferry's own value must be.
    limit: typing.Optional[tuple] = None
    # It is enough to reach one of the goals.
    either: bool = False
    # The lab's clock counts instructions: one CPU's work, whatever else this machine does.
    counted: bool = False
    # What "sample" takes to measure ferry.
    ferry: typing.Callable = vmm.ferry

    def contenders(self):
        """By name, ferry first."""
        return {"ferry": self.ferry, **self.peers}


def sample_start(command):
    """From the start of the process to the byte that the guest's first instructions print."""
    with vmm.Vm(command(parts.guest("first"))) as vm:
        return {"start": vm.read() * 1e3}


def sample_exits(name):
    """
    The time from one exit to the next, of a guest that does nothing but exit. Two marks read at
    once would make one batch too long, and the median does not mind.
    """
    def sample(command):
        with vmm.Vm(command(parts.guest(name))) as vm:
            vm.wait_for(b"m")
            marks = [vm.read() for _ in range(BATCHES + 1)]
            batches = [end - begin for begin, end in zip(marks, marks[1:])]
            return {name: statistics.median(batches) / BATCH * 1e6}
    return sample


def hyperv(engine):
    """ferry, with a Hyper-V guest of two CPUs."""
    def command(kernel):
        return vmm.ferry(kernel) + ["--hyperv", "--hyperv-engine", engine, "--cpus", "2",
                                    "--cmdline", "cpus=2"]
    return command


def sample_flush(command):
    """The time from one flush of another CPU's TLB to the next, of a guest that does nothing else."""
    with vmm.Vm(command(parts.guest("flush"))) as vm:
        vm.wait_for(b"m")
        marks = [vm.read() for _ in range(FLUSH_BATCHES + 1)]
        batches = [end - begin for begin, end in zip(marks, marks[1:])]
        return {"hyperv-flush": statistics.median(batches) / FLUSH_BATCH * 1e6}


def sample_idle(command):
    """What pio measures."""
    return {"hyperv-idle": sample_exits("pio")(command)["pio"]}


def idle_hyperv(kernel):
    """ferry, with a Hyper-V guest that could flush, and whose vCPUs could be inhibited."""
    return vmm.ferry(kernel) + ["--hyperv", "--hyperv-engine", "portable"]


def inhibitor(engine):
    """The program that inhibits vCPUs, 1, 2 and 4 of them."""
    return lambda: [[parts.INHIBIT, engine, parts.FLUSHER, cpus] for cpus in (1, 2, 4)]


def sample_inhibit(contender):
    """What it prints: names and microseconds."""
    lines = [line for command in contender() for line in slots.output(command).splitlines()]
    return {"hyperv-" + name: float(value) for name, value in (line.split() for line in lines)}


def wait_for_userspace(vm):
    """Returns when the guest's first process ran."""
    return vm.wait_for(parts.MARKER.encode() + b" userspace")[1]


def sample_memory(command):
    """What the monitor keeps resident while the smallest guest runs."""
    with vmm.Vm(command(parts.guest("pio"))) as vm:
        vm.wait_for(b"m")
        return {"memory": vm.resident_bytes() / MIB}


def sample_memory_linux(command):
    """Likewise, for Linux, once it has used every device."""
    with vmm.Vm(command(parts.kernel(), parts.INITRD, CMDLINE)) as vm:
        wait_for_userspace(vm)
        return {"memory-linux": vm.resident_bytes() / MIB}


def read_once(command):
    """What a contender reads at its start is in the page cache, for the first one as for all."""
    for word in command:
        if os.path.isfile(word):
            with open(word, "rb") as file:
                while file.read(MIB):
                    pass


def sample_boot(command):
    """From the start of the process to the guest's first process."""
    command_line = command(parts.kernel(), parts.INITRD, CMDLINE)
    read_once(command_line)
    with vmm.Vm(command_line) as vm:
        return {"boot": wait_for_userspace(vm) * 1e3}


def sample_boot_arm64(command):
    """Likewise, of arm64."""
    command_line = command(parts.kernel_arm64(), parts.INITRD_ARM64, CMDLINE)
    read_once(command_line)
    with vmm.Vm(command_line) as vm:
        return {"boot": wait_for_userspace(vm) * 1e3}


def sample_sdei(name, pattern):
    """One of the numbers that the test of an event's cost counts, in a hundred events."""
    def sample(command):
        done = subprocess.run(command(), stdout=subprocess.PIPE, text=True, check=False)
        found = re.search(pattern, done.stdout)
        if not found:
            raise vmm.Failed(f"it says: {done.stdout[-300:]}")
        return {name: float(found[1])}
    return sample


def sdei_cost():
    """The test that signals another CPU a hundred times, and counts."""
    return [parts.SDEI_COST]


def sample_smoke(command):
    """Until the verdict; of QEMU until a wrapper can have seen what the verdict depends on."""
    command_line = command(parts.kernel(), parts.INITRD, CMDLINE)
    read_once(command_line)
    with vmm.Vm(command_line) as vm:
        pattern = parts.MARKER.encode() + b" userspace|verdict: pass"
        return {"smoke": vm.wait_for(pattern)[1] * 1e3}


def sample_smoke_many(command):
    """From the start of the process to its end, with the verdicts of twenty tests."""
    command_line = command(parts.kernel(), parts.INITRD, CMDLINE)
    read_once(command_line)
    begin = time.monotonic_ns()
    done = subprocess.run([str(word) for word in command_line], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, check=False)
    if done.returncode or done.stdout.count(b"verdict: pass") != 20:
        raise vmm.Failed(f"not twenty passes: {done.stdout[-300:].decode(errors='replace')}")
    return {"smoke-warm": (time.monotonic_ns() - begin) / 1e6}


def sample_memory_smoke(command):
    """What a guest's process takes of the host beyond the guest's memory, without ferry smoke's own."""
    with vmm.Vm(command(parts.guest("pio"))) as vm:
        if command is vmm.ferry:
            vm.wait_for(b"m")
            return {"memory-smoke": vm.resident_bytes() / MIB}
        end = time.monotonic() + vmm.PATIENCE
        while len(vm.children()) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(vmm.PATIENCE / 12)  # until the guests run
        guests = vm.children()
        if len(guests) != 2:
            raise vmm.Failed(f"{len(guests)} guests")
        total = sum(vm.resident_bytes(pid) for pid in guests)
        return {"memory-smoke": total / len(guests) / MIB}


def make_disk():
    """A disk made of memory: what is measured is the way to it."""
    if os.path.exists(DISK):
        return
    subprocess.run(["modprobe", "brd", "rd_nr=1", f"rd_size={DISK_MIB * 1024}"], check=True)
    with open(DISK, "wb", buffering=0) as disk:
        for _ in range(DISK_MIB):
            disk.write(b"x" * MIB)


def sample_blk(command, name="blk"):
    """What a load inside the guest gets done on its disk."""
    make_disk()
    with vmm.Vm(command(parts.kernel(), parts.INITRD_DISK, CMDLINE, DISK)) as vm:
        vm.wait_for(parts.MARKER.encode() + b" (done|failed)", 10 * vmm.PATIENCE)
        found = re.findall(parts.MARKER + r" (\S+) ([0-9.]+)\s", vm.text.decode(errors="replace"))
        return {f"{name}-{load}": float(value) for load, value in found}


def sample_xen_blk(command):
    """Likewise."""
    return sample_blk(command, "xen-blk")


def make_network():
    """The host's side of a network, and the other end of the loads there. Use as a context."""
    if not os.path.exists(f"/sys/class/net/{parts.TAP}"):
        for words in (["tuntap", "add", "dev", parts.TAP, "mode", "tap"],
                      ["addr", "add", parts.HOST + "/24", "dev", parts.TAP],
                      ["link", "set", parts.TAP, "up"]):
            if subprocess.run(["ip", *words], check=False).returncode:
                raise vmm.Failed("no tap interface: it takes root")
    return vmm.Vm([parts.NETLOAD, "serve", parts.HOST])


def sample_xen_net(command):
    """What a load inside the guest gets across its network."""
    with make_network() as other_end:
        other_end.wait_for(b"serving")
        with vmm.Vm(command(parts.kernel(), parts.INITRD_NET, CMDLINE)) as vm:
            vm.wait_for(parts.MARKER.encode() + b" (done|failed)", 10 * vmm.PATIENCE)
            text = vm.text.decode(errors="replace")
            found = re.findall(parts.MARKER + r" (\S+) ([0-9.]+)\s", text)
            return {f"xen-net-{load}": float(value) for load, value in found}


VIRT = "QEMU virt"
MICROVM, TUNED, Q35, FLOOR = "QEMU microvm", "tuned microvm", "QEMU q35", "floor"
# What a move cannot do without: the vCPUs kept out, and the ioctl.
STOPPED = "stop + ioctl"
BUSY = [rate for rate in migration.RATES if rate != "idle"]

MEASUREMENTS = [
    Measurement(
        "start", "process start to first guest instruction", "ms", sample_start,
        {TUNED: vmm.microvm_tuned, FLOOR: vmm.floor}, {TUNED: ("<=", 0.2)}, rounds=9),
    Measurement(
        "pio", "one exit for a read of a device's port", "us", sample_exits("pio"),
        {FLOOR: vmm.floor, TUNED: vmm.microvm_tuned}, {FLOOR: ("<=", 1.1)}, rounds=9),
    Measurement(
        "mmio", "one exit for a read of a device's memory", "us", sample_exits("mmio"),
        {FLOOR: vmm.floor, TUNED: vmm.microvm_tuned}, {FLOOR: ("<=", 1.1)}, rounds=9),
    Measurement(
        "hyperv-flush", "a flush of another CPU's TLB, portable engine beside KVM's", "us",
        sample_flush, {"KVM's Hyper-V": hyperv("kernel")}, {}, linux=True, rounds=3, counted=True,
        ferry=hyperv("portable")),
    Measurement(
        "hyperv-idle", "one exit of a guest that could flush and does not, beside a plain one",
        "us", sample_idle, {"plain": vmm.ferry}, {"plain": ("<=", 1.05)}, rounds=9,
        counted=True, ferry=idle_hyperv),
    Measurement(
        "hyperv-inhibit", "an inhibit of flushes and its end, portable engine beside KVM's", "us",
        sample_inhibit, {"KVM's Hyper-V": inhibitor("kernel")}, {}, linux=True, rounds=3,
        counted=True, ferry=inhibitor("portable")),
    Measurement(
        "memory", "resident memory beyond the guest's, tiny guest", "MiB", sample_memory,
        {MICROVM: vmm.microvm_memfd}, {}, rounds=3, limit=("<", 5)),
    Measurement(
        "memory-linux", "resident memory beyond the guest's, Linux", "MiB", sample_memory_linux,
        {MICROVM: vmm.microvm_memfd}, {}, linux=True, rounds=1, limit=("<", 5)),
    Measurement(
        "boot", "process start to userspace, Debian " + parts.KERNEL, "ms", sample_boot,
        {MICROVM: vmm.microvm, TUNED: vmm.microvm_tuned, Q35: vmm.q35},
        {MICROVM: ("<=", 0.5), TUNED: ("<=", 0.5)}, linux=True),
    Measurement(
        "smoke", "a kernel's test by ferry smoke, to its verdict", "ms", sample_smoke,
        {MICROVM: vmm.microvm, TUNED: vmm.microvm_tuned}, {MICROVM: ("<=", 0.5)}, linux=True,
        ferry=vmm.ferry_smoke),
    Measurement(
        "smoke-warm", "twenty commands in a guest that was saved after its boot", "ms",
        sample_smoke_many, {"20 boots": vmm.ferry_smoke_many()}, {"20 boots": ("<=", 0.1)},
        linux=True, rounds=1, ferry=vmm.ferry_smoke_many("--warm")),
    Measurement(
        "memory-smoke", "resident memory beyond each guest's, two guests under test", "MiB",
        sample_memory_smoke, {"ferry run": vmm.ferry}, {"ferry run": ("<=", 1.1)}, rounds=3,
        ferry=vmm.ferry_smoke_two),
    Measurement(
        "blk", "virtio-blk, requests done by a load in the guest", "1/s", sample_blk,
        {TUNED: vmm.microvm_tuned, Q35: vmm.q35}, {TUNED: (">=", 1), Q35: (">=", 1)},
        linux=True, rounds=3),
    Measurement(
        "xen-blk", "xen-blk, likewise, beside virtio-blk in a Xen guest too", "1/s",
        sample_xen_blk, {"virtio-blk": vmm.ferry_xen("virtio"),
                         "persistent": vmm.ferry_xen("xen,persistent")}, {"virtio-blk": (">=", 0.9)},
        linux=True, rounds=1, counted=True, ferry=vmm.ferry_xen("xen")),
    Measurement(
        "xen-net", "xen-net, 64 KiB or round trips, beside virtio-net in a Xen guest too", "1/s",
        sample_xen_net, {"virtio-net": vmm.ferry_xen_net("virtio")}, {"virtio-net": (">=", 0.9)},
        linux=True, rounds=1, counted=True, ferry=vmm.ferry_xen_net("xen")),
    Measurement(
        "migrate", "a guest of 2 GiB moves, half of it not zero", "ms", migration.sample_total,
        {MICROVM: migration.qemu, FLOOR: migration.transfer},
        {MICROVM: ("<=", 0.5), FLOOR: ("<=", 1 / 0.9)}, either=True, ferry=migration.ferry),
    Measurement(
        "downtime-idle", "an idle guest stands still while it moves", "ms",
        migration.sample_downtime(["idle"], Way()),
        {MICROVM: migration.qemu}, {MICROVM: ("<=", 1)}, ferry=migration.ferry),
    Measurement(
        "downtime", "a guest that writes stands still while it moves", "ms",
        migration.sample_downtime(BUSY, Way()),
        {MICROVM: migration.qemu}, {MICROVM: ("<=", 0.5)}, rounds=3, ferry=migration.ferry),
    Measurement(
        "downtime-throttle", "likewise, slowed down when it writes too fast", "ms",
        migration.sample_downtime(BUSY, Way(remedy="throttle")),
        {MICROVM: migration.qemu}, {MICROVM: ("<=", 0.5)}, rounds=3, ferry=migration.ferry),
    Measurement(
        "downtime-postcopy", "likewise, moved by demand after the first round", "ms",
        migration.sample_downtime(BUSY, Way(remedy="postcopy")),
        {MICROVM: migration.qemu}, {MICROVM: ("<=", 0.5)}, rounds=3, ferry=migration.ferry),
    Measurement(
        "migrate-memory", "resident memory beyond the guest's, while it moves", "MiB",
        migration.sample_memory, {MICROVM: migration.qemu_in_file}, {}, rounds=1,
        limit=("<", 32), ferry=migration.ferry),
    Measurement(
        "restore", "process start to the first instruction of a restored guest", "ms",
        migration.sample_restore, {MICROVM: movers.Qemu, FLOOR: migration.bare}, {}, rounds=3,
        limit=("<", 10),
        ferry=movers.Ferry),
    Measurement(
        "slots", "the memory map changes under a guest: 512 MiB in chunks, add, move", "us",
        slots.sample, {FLOOR: slots.floor, STOPPED: slots.stopped},
        {FLOOR: ("<=", 1.2), STOPPED: ("<=", 1.2)}, rounds=3, counted=True, ferry=slots.ferry),
    Measurement(
        "slots-many", "one slot comes and goes beside 32,000, or 100", "us", slots.sample,
        {"100 slots": slots.many("ferry", 100), FLOOR: slots.many("bare", 32000)},
        {"100 slots": ("<=", 1.2), FLOOR: ("<=", 1.2)}, rounds=3, counted=True,
        ferry=slots.many("ferry", 32000)),
]

# In the arm64 lab.
MEASUREMENTS_ARM64 = [
    Measurement(
        "boot", "process start to userspace, Debian " + parts.KERNEL_ARM64, "ms",
        sample_boot_arm64, {VIRT: vmm.virt}, {VIRT: ("<=", 0.8)}, linux=True, rounds=3,
        ferry=vmm.ferry_arm64),
    Measurement(
        "sdei-signal", "exits from SDEI_EVENT_SIGNAL to the handler on another vCPU", "exits",
        sample_sdei("sdei-signal", r"to its handler: ([0-9.]+)"), {}, {}, rounds=1,
        limit=("<=", 4), ferry=sdei_cost),
    Measurement(
        "sdei-event", "exits of an event that is handled as Linux does", "exits",
        sample_sdei("sdei-event", r"like Linux's: ([0-9.]+)"), {}, {}, rounds=1,
        limit=("<=", 6), ferry=sdei_cost),
    Measurement(
        "sdei-ioctls", "register ioctls of such an event", "calls",
        sample_sdei("sdei-ioctls", r"and ([0-9.]+) register ioctls"), {}, {}, rounds=1,
        limit=("<=", 60), ferry=sdei_cost),
]
