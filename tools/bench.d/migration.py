# SPDX-License-Identifier: Apache-2.0
"""What is measured of moving and restoring a guest. As a program: QEMU's or ferry's, as a table."""

import os
import sys
import time

import movers
import parts
import vmm
from movers import Way

MEMORY_MIB = 2048
FILLED = "fill=50%"
FILLED_MIB = MEMORY_MIB // 2
CONNECTIONS = (1, 2, 4)
# Pages a second that the guest writes to, as its r command takes them: r0 is as many as it can.
RATES = {"idle": "ri", "1k": "r1000.", "10k": "r10000.", "50k": "r50000.", "100k": "r100000.",
         "max": "r0."}
WORKING = "mem=512M"
# For so long it writes before it is moved.
WARM_UP = 0.5
RESTORED_MIB = {"512M": 512, "8G": 8192}


def qemu():
    """QEMU moves a guest of the usual size."""
    return movers.Qemu(MEMORY_MIB)


def qemu_in_file():
    """Likewise, its memory told apart from the guest's."""
    return movers.Qemu(MEMORY_MIB, in_file=True)


def ferry():
    """ferry moves a guest of the usual size."""
    return movers.Ferry(MEMORY_MIB)


def moved(mover, way):
    """Moves the guest, and makes sure that it is whole; with the time for which it stood still."""
    mover.gap()
    result = mover.move(way)
    gap = mover.gap()
    mover.check()
    if not result:
        print(f"{mover.name}: {way}: it did not converge", file=sys.stderr)
    return result, gap


def sample_total(make_mover):
    """How long it takes in all, for each number of connections."""
    if make_mover is transfer:
        return {f"migrate-{n}": transfer(n) for n in CONNECTIONS}
    with make_mover() as mover:
        mover.boot(f"{WORKING} {FILLED} rate=idle scan=0")
        done = {n: moved(mover, Way(n))[0] for n in CONNECTIONS}
    return {f"migrate-{n}": one.total for n, one in done.items() if one}


def transfer(connections):
    """The floor: as much memory through as many connections, and nothing else."""
    return float(parts.output(parts.TRANSFER, str(connections), str(FILLED_MIB)))


def sample_downtime(rates, way):
    """For how long the guest stood still, for each rate of writing at which that ended."""
    def sample(make_mover):
        result = {}
        with make_mover() as mover:
            mover.boot(f"{WORKING} {FILLED} rate=idle scan=0")
            for name in rates:
                mover.ask(RATES[name])
                time.sleep(WARM_UP)
                done, gap = moved(mover, way)
                if done:
                    result[f"downtime-{name}{'-' + way.remedy if way.remedy else ''}"] = gap
        return result
    return sample


def sample_memory(make_mover):
    """What the two monitors keep resident beyond the guest's memory, at the most."""
    with make_mover() as mover:
        mover.boot(f"{WORKING} {FILLED} rate=1000")
        done, _ = moved(mover, Way(max(CONNECTIONS), watched=True))
    return {"migrate-source": done.source, "migrate-target": done.destination} if done else {}


def bare(memory_mib):
    """The floor: as soon as a guest with so much memory runs in a bare loop around KVM_RUN."""
    with vmm.Vm([*vmm.floor(parts.guest("first")), str(memory_mib)]) as vm:
        return vm.read() * 1e3


def sample_restore(make_mover):
    """From the start of the process to what a restored guest prints, whatever its size."""
    if make_mover is bare:
        return {f"restore-{name}": bare(size) for name, size in RESTORED_MIB.items()}
    result = {}
    for name, size in RESTORED_MIB.items():
        with make_mover(size) as mover:
            mover.boot("mem=64M rate=idle scan=0")
            mover.ask("p", rb"\.")
            mover.save()
            mover.restored()
            result[f"restore-{name}"] = mover.vm.read() * 1e3
            mover.ask("p", rb"\n")
            mover.check()
    return result


def show(mover):
    """One line for each way and rate."""
    row = "{:<8} {:<9} {:>11} {:>9} {:>9} {:>9} {:>6}"
    print(row.format("rate", "remedy", "connections", "total", "reported", "seen", "load"))
    with mover:
        mover.boot(f"{WORKING} {FILLED} rate=idle scan=0")
        for way in (*map(Way, (0, *CONNECTIONS)), Way(0, "throttle"), Way(0, "postcopy")):
            for name, rate in RATES.items():
                mover.ask(rate)
                time.sleep(WARM_UP)
                try:
                    done, gap = moved(mover, way)
                except vmm.Failed as failure:
                    print(failure, file=sys.stderr)
                    return
                times = (f"{done.total:.0f}", str(done.reported)) if done else ("never", "")
                print(row.format(name, way.remedy or "", way.connections, *times, f"{gap:.1f}",
                                 f"{os.getloadavg()[0]:.1f}"), flush=True)


if __name__ == "__main__":
    show({"qemu": qemu, "ferry": ferry}[sys.argv[1]]())
