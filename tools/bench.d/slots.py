# SPDX-License-Identifier: Apache-2.0
"""Changes of the memory map, beside the kernel's own test of them and bare ioctls."""

import re
import subprocess

import parts
import vmm

PATIENCE = 10 * vmm.PATIENCE
# As in slots.c: 512 MiB in so many slots, for a second each.
PERF = ["-s", "512", "-l", "1", "-r", "1"]
MOVES = {"slots-active": "3", "slots-inactive": "4"}


def output(command):
    """What it prints."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=PATIENCE, check=False)
    if done.returncode:
        raise vmm.Failed(f"{command[0]}: {done.stdout[-200:]}{done.stderr[-200:]}")
    return done.stdout


def program(*words):
    """What tools/bench.d/slots.c prints, in microseconds."""
    lines = output([parts.SLOTS, parts.guest("slots"), *words]).splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines)}


def ferry():
    """By transactions."""
    return program("ferry")


def floor():
    """By bare ioctls, and by memslot_perf_test."""
    taken = program("bare")
    for name, number in MOVES.items():
        text = output([parts.memslot_perf(), *PERF, "-f", number, "-e", number])
        taken[name] = float(re.search(r", avg ([0-9.]+)s each", text).group(1)) * 1e6
        setup = float(re.search(r"took ([0-9.]+)s for slot setup", text).group(1)) * 1e6
        taken["slots-map"] = min(setup, taken.get("slots-map", setup))
    return taken


def stopped():
    """By bare ioctls, with the vCPUs kept out as transactions do it."""
    return program("stopped")


def many(how, count):
    """One comes and goes while so many are left alone."""
    return lambda: program(how, str(count))


def sample(contender):
    """As each of them has measured it."""
    return contender()
