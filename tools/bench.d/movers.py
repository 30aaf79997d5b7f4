# SPDX-License-Identifier: Apache-2.0
"""Those who can move a running guest, each driven in its own way: QEMU, and ferry."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time
import typing

import parts
import qmp
import vmm

MIB = 1 << 20

# ferry's default, and QEMU's.
DOWNTIME_MS = 300
# A guest that has not moved by then will never do.
CONVERGENCE = 5 * vmm.PATIENCE
# How many times QEMU goes over memory before it moves by demand.
ROUNDS_BEFORE_POSTCOPY = 2
SAMPLING = 0.02


@dataclasses.dataclass
class Way:
    """How to move."""

    # 0: QEMU's plain way, with one connection.
    connections: int = 0
    # What to do about a guest that writes faster than it is copied: None, "throttle", "postcopy".
    remedy: typing.Optional[str] = None
    # Memory is watched, which takes time.
    watched: bool = False


@dataclasses.dataclass
class Moved:
    """How it went; times in ms, memory in MiB beyond the guest's, at its most."""

    total: float
    reported: typing.Optional[float]
    source: typing.Optional[float] = None
    destination: typing.Optional[float] = None


class Watch:
    """Looks at the memory of two monitors while they are busy. Use as a context."""

    def __init__(self, *vms):
        self.most = [0.0] * len(vms)
        self.vms = vms
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        """Samples until it is over; a process may be, before."""
        while not self.over.wait(SAMPLING):
            for number, vm in enumerate(self.vms):
                with contextlib.suppress(OSError):
                    self.most[number] = max(self.most[number], vm.resident_bytes() / MIB)


class Mover:
    """A guest (guest/migrate/oracle.c) in a VM that can be moved to another. Use as a context."""

    name = ""

    def __init__(self, memory_mib):
        self.memory_mib = memory_mib
        self.count = 0
        self.vm = None
        self.directory = tempfile.TemporaryDirectory(prefix="ferry-bench-")
        self.path = pathlib.Path(self.directory.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop(self.vm)
        self.directory.cleanup()

    def drop(self, vm):
        """Ends a VM, if there is one."""
        if vm:
            vm.__exit__()

    def boot(self, cmdline):
        """Starts the guest; returns when it is ready."""
        self.vm = self.start_first(cmdline)
        self.vm.wait_for(rb"oracle ready .*\n", 5 * vmm.PATIENCE)

    def start_first(self, cmdline):
        """A VM that boots the guest."""
        raise NotImplementedError

    def ask(self, characters, pattern=None):
        """Says that to the guest; returns the match of what it is to answer."""
        self.vm.text = b""
        self.vm.type(characters)
        return self.vm.wait_for(pattern, 5 * vmm.PATIENCE)[0] if pattern else None

    def gap(self):
        """The longest time for which the guest stood still, since it was last asked, in ms."""
        return int(self.ask("g", rb"gap_ns=(\d+)\s").group(1)) / 1e6

    def check(self):
        """All of the guest's memory is what it should be, and its time never went back."""
        said = self.ask("c", rb"check .*\n").group(0).decode().strip()
        if not re.search(r"check ok .* back=0 ", said):
            raise vmm.Failed(f"{self.name}: {said}")

    def move(self, way):
        """Moves the guest; None: that did not end, and the guest is where it was."""
        destination = self.start_destination(way)
        try:
            with Watch(self.vm, destination) if way.watched else contextlib.nullcontext() as watch:
                moved = self.move_to(destination, way)
        except BaseException:
            self.drop(destination)
            raise
        if not moved:
            self.drop(destination)
            return None
        if watch:
            moved.source, moved.destination = watch.most
        self.drop(self.vm)
        self.vm = destination
        return moved

    def start_destination(self, way):
        """A VM that waits for the guest."""
        raise NotImplementedError

    def move_to(self, destination, way):
        """What move() does, once the destination waits."""
        raise NotImplementedError

    def save(self):
        """Writes the guest to a file, or files; it need not go on after that."""
        raise NotImplementedError

    def restored(self):
        """Starts what save() wrote, in place of the present VM."""
        raise NotImplementedError


class Qemu(Mover):
    """QEMU's smallest machine. Its memory is a file only while memory is watched."""

    name = "QEMU"

    def __init__(self, memory_mib, in_file=False):
        super().__init__(memory_mib)
        self.in_file = in_file

    def drop(self, vm):
        if vm:
            vm.qmp.close()
        super().drop(vm)

    def start_first(self, cmdline):
        return self.start("-append", cmdline)

    def start(self, *arguments):
        """A VM with these arguments too."""
        self.count += 1
        monitor = self.path / f"monitor-{self.count}"
        machine = "microvm,accel=kvm,x-option-roms=off"
        command = ["qemu-system-x86_64", "-cpu", "host", "-m", str(self.memory_mib), "-nodefaults",
                   "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
                   "-qmp", f"unix:{monitor},server=on,wait=off",
                   "-kernel", parts.ORACLE, *arguments]
        if self.in_file:
            machine += ",memory-backend=memory"
            command += ["-object",
                        f"memory-backend-memfd,id=memory,size={self.memory_mib}M"]
        vm = vmm.Vm([*command, "-M", machine], typed=True)
        try:
            vm.qmp = qmp.Qmp(monitor)
        except BaseException:
            vm.__exit__()
            raise
        return vm

    def set_up(self, vm, way, answered=True):
        """The same on both sides, except for what only the source looks at. A file does not answer."""
        wanted = {"events": True, "return-path": answered, "multifd": way.connections > 0,
                  "auto-converge": way.remedy == "throttle",
                  "postcopy-ram": way.remedy == "postcopy",
                  "postcopy-preempt": way.remedy == "postcopy"}
        vm.qmp.do("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": state} for name, state in wanted.items()])
        vm.qmp.do("migrate-set-parameters", max_bandwidth=0, downtime_limit=DOWNTIME_MS,
                  max_postcopy_bandwidth=0, multifd_channels=max(1, way.connections))

    def start_destination(self, way):
        destination = self.start("-incoming", "defer")
        self.set_up(destination, way)
        destination.port = free_port()
        destination.qmp.do("migrate-incoming", uri=f"tcp:127.0.0.1:{destination.port}")
        return destination

    def move_to(self, destination, way):
        source = self.vm.qmp
        self.set_up(self.vm, way)
        source.events.clear()
        begin = time.monotonic()
        source.do("migrate", uri=f"tcp:127.0.0.1:{destination.port}")
        if way.remedy == "postcopy":
            while source.do("query-migrate").get("ram", {}).get(
                    "dirty-sync-count", 0) < ROUNDS_BEFORE_POSTCOPY:
                time.sleep(0.002)
            with contextlib.suppress(vmm.Failed):  # it may be over already
                source.do("migrate-start-postcopy")
        how = source.wait_for("completed", "failed", patience=CONVERGENCE)
        if how == "failed":
            raise vmm.Failed(f"QEMU: {source.do('query-migrate')}")
        if not how:
            source.do("migrate_cancel")
            source.wait_for("cancelled", patience=vmm.PATIENCE)
            return None
        if not destination.qmp.wait_for("RESUME", patience=vmm.PATIENCE):
            raise vmm.Failed("QEMU: the destination does not run")
        total = (time.monotonic() - begin) * 1e3
        return Moved(total, source.do("query-migrate")["downtime"])

    def save(self):
        self.set_up(self.vm, Way(), answered=False)
        self.vm.qmp.do("migrate", uri=f"exec:cat >{self.path}/saved")
        if self.vm.qmp.wait_for("completed", "failed", patience=10 * vmm.PATIENCE) != "completed":
            raise vmm.Failed(f"QEMU: {self.vm.qmp.do('query-migrate')}")

    def restored(self):
        self.drop(self.vm)
        self.vm = None
        self.vm = self.start("-incoming", f"exec:cat {self.path}/saved")


class Ferry(Mover):
    """ferry, by its command line."""

    name = "ferry"

    def start(self, *arguments):
        """A VM with these arguments too."""
        self.count += 1
        name = f"bench-{os.getpid()}-{self.count}"
        vm = vmm.Vm([parts.FERRY, "run", "--name", name, *arguments], typed=True)
        vm.name = name
        return vm

    def start_first(self, cmdline):
        return self.start("--memory", f"{self.memory_mib}M", "--cmdline", cmdline, parts.ORACLE)

    def start_destination(self, way):
        port = free_port()
        destination = self.start("--incoming", f"tcp:127.0.0.1:{port}")
        destination.port = port
        wait_for_listener(port, destination)
        return destination

    def move_to(self, destination, way):
        command = [parts.FERRY, "migrate", self.vm.name, f"tcp:127.0.0.1:{destination.port}",
                   "--connections", str(max(1, way.connections)), "--json"]
        if way.remedy != "throttle":
            command.append("--no-throttle")
        if way.remedy == "postcopy":
            command.append("--postcopy")
        begin = time.monotonic()
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=CONVERGENCE,
                                  check=False)
        except subprocess.TimeoutExpired:
            subprocess.run([parts.FERRY, "migrate", "--cancel", self.vm.name], check=False)
            return None
        total = (time.monotonic() - begin) * 1e3
        if done.returncode:
            raise vmm.Failed(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
        last = json.loads(done.stdout.splitlines()[-1])
        return Moved(total, last.get("downtime_ms"))

    def save(self):
        done = subprocess.run([parts.FERRY, "snapshot", self.vm.name, self.path / "saved"],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise vmm.Failed(done.stderr.strip())

    def restored(self):
        self.drop(self.vm)
        self.vm = None
        self.vm = self.start("--restore", self.path / "saved")


def free_port():
    """A port of the loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for_listener(port, vm):
    """Returns when VM listens there; who connected to see would be taken for a source."""
    end = time.monotonic() + vmm.PATIENCE
    while f" 0100007F:{port:04X} 00000000:0000 0A " not in pathlib.Path(
            "/proc/net/tcp").read_text(encoding="utf-8"):
        if vm.has_ended() or time.monotonic() > end:
            vm.__exit__()
            raise vmm.Failed(f"it does not listen: {' '.join(vm.command)}")
        time.sleep(0.002)
