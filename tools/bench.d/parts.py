# SPDX-License-Identifier: Apache-2.0
"""What the measurements need: ferry, guests, kernels, initial RAM disks, the lab's disk."""

import json
import lzma
import pathlib
import re
import shutil
import subprocess

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = TREE / "build/release"
MADE = TREE / "build/bench"
LAB = TREE / "tools/lab"
HERE = TREE / "tools/bench.d"

FERRY = BUILD / "ferry"
FLOOR = MADE / "floor"
TRANSFER = MADE / "transfer"
SLOTS = BUILD / "tests/bench-slots"
INHIBIT = BUILD / "tests/bench-inhibit"
FLUSHER = BUILD / "guest/hyperv/flush"
ORACLE = BUILD / "guest/migrate/oracle"
INITRD = MADE / "initrd"
INITRD_DISK = MADE / "initrd-disk"
INITRD_NET = MADE / "initrd-net"
NETLOAD = MADE / "netload"
MANY = MADE / "many.json"
TWO = MADE / "two.json"
KERNEL = "6.12-cloud"

# The same of arm64, for its lab, and what is needed there beside what every lab has.
BUILD_ARM64 = TREE / "build/arm64"
INITRD_ARM64 = MADE / "initrd-arm64"
KERNEL_ARM64 = "arm64-6.12"
PACKAGES_ARM64 = "qemu-system-arm python3"
SDEI_COST = BUILD_ARM64 / "tests/pv-sdei-cost_test"

# What a guest says when its first process runs, and before each result.
MARKER = "ferry-bench:"

INIT = f"""#!/bin/busybox sh
echo "{MARKER} userspace"
/bin/busybox sleep 1000
"""

INIT_DISK = f"""#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod $module 2>/dev/null; done # not all have Xen
until [ -b /dev/vda ] || [ -b /dev/xvda ]; do /bin/busybox sleep 0.1; done
/bin/blkload /dev/*vda $SECONDS_EACH || echo "{MARKER} failed"
/bin/busybox sleep 1000
"""


# A network of the host's and the guest's.
TAP, HOST, GUEST = "ferrybench", "10.0.10.1", "10.0.10.2"

INIT_NET = f"""#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod $module 2>/dev/null; done # not all have Xen
until /bin/busybox ip link set eth0 up 2>/dev/null; do /bin/busybox sleep 0.1; done
/bin/busybox ip addr add {GUEST}/24 dev eth0
/bin/netload {HOST} $SECONDS_EACH || echo "{MARKER} failed"
/bin/busybox sleep 1000
"""


class Missing(Exception):
    """Something that cannot be built or found; the text says what to do."""


def output(*command):
    """What COMMAND prints; its complaints go where ours go."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Missing(f"failed: {' '.join(map(str, command))}")
    return done.stdout.strip()


def guest(name):
    """The path of a guest program of guest/bench."""
    return BUILD / "guest/bench" / name


def kernel():
    """The path of the Debian kernel that the Linux guests boot."""
    return pathlib.Path((MADE / "kernel").read_text(encoding="utf-8"))


def build_ferry():
    """The release build: ferry and the guests."""
    targets = ["ferry-bin"] + [f"guest-bench-{g}" for g in ("first", "pio", "mmio", "flush")]
    targets.append("guest-migrate-oracle")
    output(TREE / "tests/build", "release", *targets)


def build_c(source, target, *options):
    """One of our own C programs."""
    output("cc", "-O2", "-Wall", "-Wextra", "-std=gnu17", *options, HERE / source, "-o", target)


def kernel_arm64():
    """The path of Debian's kernel for arm64."""
    return pathlib.Path((MADE / "kernel-arm64").read_text(encoding="utf-8"))


def busybox():
    """The machine's static busybox."""
    found = shutil.which("busybox")
    if not found or "INTERP" in output("readelf", "-lW", found):
        raise Missing("no static busybox here: tools/packages --install bench")
    return found


def copy_modules(directory, names):
    """Copies modules and what they depend on, unpacked, named in the order of insertion."""
    modules = pathlib.Path(output(LAB, "--print-modules", KERNEL))
    listing = output("modprobe", "--dirname", modules.parents[2], "-S", modules.name,
                     "--show-depends", "-a", *names)
    directory.mkdir()
    for number, path in enumerate(re.findall(r"^insmod (\S+)", listing, re.MULTILINE)):
        data = pathlib.Path(path).read_bytes()
        if path.endswith(".xz"):
            data = lzma.decompress(data)
        (directory / f"{number:02}").write_bytes(data)


def make_initrd(target, init, programs=(), modules=(), box=None):
    """An initial RAM disk of busybox, the script INIT, more programs, and modules."""
    root = MADE / "root"
    shutil.rmtree(root, ignore_errors=True)
    for directory in ("bin", "dev"):
        (root / directory).mkdir(parents=True)
    for program in (box or busybox(), *programs):
        shutil.copy(program, root / "bin")
    (root / "init").write_text(init, encoding="utf-8")
    (root / "init").chmod(0o755)
    if modules:
        copy_modules(root / "modules", modules)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with open(target, "wb") as archive:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, stdout=archive,
                       input=names.encode(), check=True)
    shutil.rmtree(root)


def memslot_perf():
    """The path of the kernel's test, once build_slots() was called."""
    return pathlib.Path((MADE / "memslot-perf").read_text(encoding="utf-8"))


def build_slots():
    """What changes memory maps. The kernel's sources are large: they come when they are needed."""
    output("cmake", "--build", BUILD, "--target", "bench-slots", "guest-bench-slots")
    (MADE / "memslot-perf").write_text(output(HERE / "memslot-perf"), encoding="utf-8")


def make_tests():
    """Files of tests for ferry smoke: twenty that end at once, two that do not."""
    many = [{"name": f"test {n}", "run": "/bin/busybox true"} for n in range(20)]
    MANY.write_text(json.dumps({"timeout": 600, "tests": many}), encoding="utf-8")
    TWO.write_text(json.dumps({"tests": [{"name": "one"}, {"name": "other"}]}), encoding="utf-8")


def build_inhibit():
    """What inhibits vCPUs."""
    output("cmake", "--build", BUILD, "--target", "bench-inhibit", "guest-hyperv-flush")


def build(seconds):
    """Makes everything that does not depend on where it will run."""
    build_ferry()
    MADE.mkdir(parents=True, exist_ok=True)
    build_c("floor.c", FLOOR)
    build_c("transfer.c", TRANSFER, "-D_GNU_SOURCE", "-pthread")
    build_c("blkload.c", MADE / "blkload", "-static")
    build_c("netload.c", NETLOAD, "-static")
    (MADE / "kernel").write_text(output(LAB, "--print-kernel", KERNEL), encoding="utf-8")
    make_tests()
    make_initrd(INITRD, INIT)
    make_initrd(INITRD_DISK, INIT_DISK.replace("$SECONDS_EACH", str(seconds)),
                [MADE / "blkload"], ["virtio_pci", "virtio_blk", "xen-blkfront"])
    make_initrd(INITRD_NET, INIT_NET.replace("$SECONDS_EACH", str(seconds)), [NETLOAD],
                ["virtio_pci", "virtio_net", "xen-netfront"])


def build_arm64():
    """What runs in the arm64 lab."""
    output(TREE / "tests/build", "arm64", "ferry-bin", "pv-sdei-cost_test", "guest-sdei-cost")
    MADE.mkdir(parents=True, exist_ok=True)
    (MADE / "kernel-arm64").write_text(output(LAB, "--print-kernel", KERNEL_ARM64),
                                       encoding="utf-8")
    sysroot = pathlib.Path(output(LAB, "--print-sysroot"))
    make_initrd(INITRD_ARM64, INIT, box=sysroot / "bin/busybox")


def runs_linux():
    """Whether this machine's KVM can run stock kernels, as ferry judges it."""
    done = subprocess.run([FERRY, "doctor", "--json"], stdout=subprocess.PIPE, check=False)
    return b'"name":"stock Linux guests","have":"yes"' in done.stdout
