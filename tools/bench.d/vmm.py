# SPDX-License-Identifier: Apache-2.0
"""The programs that are compared: how each is started, watched and stopped."""

import os
import re
import select
import signal
import time

import parts

MEMORY_MIB = 256

# How long anything may take to say what is waited for; an emulated machine is slow.
PATIENCE = 12 * float(os.environ.get("FERRY_TEST_SLOWDOWN", "1"))


def ferry(kernel, initrd=None, cmdline=None, disk=None):
    """The command line of ferry."""
    command = [parts.FERRY, "run", "--memory", f"{MEMORY_MIB}M", kernel]
    if initrd:
        command += ["--initrd", initrd, "--cmdline", cmdline]
    if disk:
        command += ["--disk", f"path={disk},direct"]
    return command


def ferry_xen(bus):
    """A function that makes the command line of ferry with a Xen guest, whose disk is on BUS."""
    def command(kernel, initrd, cmdline, disk):
        return ferry(kernel, initrd, cmdline, f"{disk},bus={bus}") + ["--xen"]
    return command


def ferry_xen_net(bus):
    """Likewise, of one whose network is on BUS."""
    def command(kernel, initrd, cmdline):
        return ferry(kernel, initrd, cmdline) + ["--xen", "--net", f"tap={parts.TAP},bus={bus}"]
    return command


def ferry_smoke(kernel, initrd, cmdline):
    """The command line of ferry's test of a kernel that says that it has come to userspace."""
    return [parts.FERRY, "smoke", "--memory", f"{MEMORY_MIB}M", "--initrd", initrd, "--cmdline",
            cmdline, "--expect", parts.MARKER + " userspace", kernel]


def ferry_smoke_two(kernel):
    """The command line of ferry's test of two guests at once, which never end."""
    return [parts.FERRY, "smoke", "--memory", f"{MEMORY_MIB}M", "--expect", "never", "--jobs", "2",
            "--kernel", kernel, parts.TWO]


def ferry_smoke_many(*more):
    """A function that makes the command line of many tests of a kernel, one after the other."""
    def command(kernel, initrd, cmdline):
        return [parts.FERRY, "smoke", "--memory", f"{MEMORY_MIB}M", "--initrd", initrd, "--cmdline",
                cmdline, "--jobs", "1", "--kernel", kernel, *more, parts.MANY]
    return command


def qemu(machine, kernel, initrd, cmdline, disk):
    """The command line of QEMU with the given machine and nothing that was not asked for."""
    command = ["qemu-system-x86_64", "-M", f"{machine},accel=kvm", "-cpu", "host",
               "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config",
               "-display", "none", "-serial", "stdio", "-kernel", kernel]
    if initrd:
        command += ["-initrd", initrd, "-append", cmdline]
    if disk:
        command += ["-drive", f"if=none,id=disk,format=raw,cache=none,aio=io_uring,file={disk}",
                    "-device", "virtio-blk-pci,drive=disk"]
    return command


def microvm(kernel, initrd=None, cmdline=None, disk=None):
    """QEMU's smallest machine, as it comes; PCI Express is for disks."""
    return qemu("microvm,pcie=on", kernel, initrd, cmdline, disk)


def microvm_tuned(kernel, initrd=None, cmdline=None, disk=None):
    """
    Likewise, as it boots Debian's kernel soonest: that waits for seconds where there is no clock
    chip. Leaving out the timer and the interrupt controllers of old does not help it.
    """
    return qemu("microvm,pcie=on,rtc=on,x-option-roms=off", kernel, initrd, cmdline, disk)


def microvm_memfd(kernel, initrd=None, cmdline=None, disk=None):
    """Likewise, with its memory in a file, so that what is beyond it can be told apart."""
    return qemu("microvm,memory-backend=memory", kernel, initrd, cmdline, disk) + [
        "-object", f"memory-backend-memfd,id=memory,size={MEMORY_MIB}M"]


def q35(kernel, initrd=None, cmdline=None, disk=None):
    """QEMU's usual machine."""
    return qemu("q35", kernel, initrd, cmdline, disk)


def ferry_arm64(kernel, initrd, cmdline):
    """The command line of ferry for arm64."""
    return [parts.BUILD_ARM64 / "ferry", "run", "--memory", f"{MEMORY_MIB}M", "--initrd", initrd,
            "--cmdline", cmdline, kernel]


def virt(kernel, initrd, cmdline):
    """QEMU's machine for arm64 guests, with nothing that was not asked for."""
    return ["qemu-system-aarch64", "-M", "virt,accel=kvm,gic-version=host", "-cpu", "host",
            "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-display", "none",
            "-serial", "stdio", "-kernel", kernel, "-initrd", initrd,
            "-append", cmdline.replace("ttyS0", "ttyAMA0")]


def floor(kernel):
    """The bare loop around KVM_RUN."""
    return [parts.FLOOR, kernel]


class Failed(Exception):
    """A guest ended, or did not say in time what was waited for."""


class Vm:
    """
    A running VM, seen through what its console prints, and spoken to if TYPED. Use as a context.
    """

    def __init__(self, command, typed=False):
        command = [str(word) for word in command]
        read_end, write_end = os.pipe()
        null = os.open("/dev/null", os.O_RDWR)
        input_end, self.keyboard = os.pipe() if typed else (null, None)
        actions = [(os.POSIX_SPAWN_DUP2, input_end, 0), (os.POSIX_SPAWN_DUP2, write_end, 1),
                   (os.POSIX_SPAWN_DUP2, null, 2)]
        self.command = command
        self.console = read_end
        self.text = b""
        self.begin = time.monotonic_ns()
        self.pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
        os.close(write_end)
        os.close(null)
        if typed:
            os.close(input_end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.console)
        if self.keyboard is not None:
            os.close(self.keyboard)

    def has_ended(self):
        """Whether its process is no more."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def type(self, text):
        """Has it read that from its console."""
        os.write(self.keyboard, text.encode())

    def read(self, patience=PATIENCE):
        """More of what the console prints; returns when it came, in seconds since the start."""
        ready, _, _ = select.select([self.console], [], [], patience)
        data = os.read(self.console, 65536) if ready else b""
        at = time.monotonic_ns()
        if not data:
            why = "ended" if ready else "said nothing in time"
            raise Failed(f"{why}: {' '.join(self.command)}; the end of its console: "
                          f"{self.text[-300:].decode(errors='replace')}")
        self.text += data
        return (at - self.begin) / 1e9

    def wait_for(self, pattern, patience=PATIENCE):
        """Reads until PATTERN is there; returns the match, and when it came."""
        end = time.monotonic() + patience
        at = (time.monotonic_ns() - self.begin) / 1e9
        while not (match := re.search(pattern, self.text)):
            at = self.read(max(0, end - time.monotonic()))
        return match, at

    def children(self):
        """The processes that its process has started, and that are there."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def resident_bytes(self, pid=None):
        """Its resident memory beyond the guest's, which is a memfd; or that of another process."""
        total, counted = 0, True
        with open(f"/proc/{pid or self.pid}/smaps", encoding="utf-8") as smaps:
            for line in smaps:
                if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                    counted = "/memfd:" not in line
                elif line.startswith("Rss:") and counted:
                    total += int(line.split()[1]) * 1024
        return total
