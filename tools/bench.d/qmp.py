# SPDX-License-Identifier: Apache-2.0
"""QEMU's machine protocol, as much of it as a migration needs."""

import json
import select
import socket
import time

import vmm


class Qmp:
    """A connection to the monitor of a QEMU that was started with -qmp unix:PATH,server=on."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.text = b""
        self.events = []
        end = time.monotonic() + vmm.PATIENCE
        while self.socket.connect_ex(str(path)):
            if time.monotonic() > end:
                raise vmm.Failed(f"no monitor at {path}")
            time.sleep(0.005)
        self.receive(vmm.PATIENCE)
        self.do("qmp_capabilities")

    def close(self):
        """Ends the connection, not QEMU."""
        self.socket.close()

    def receive(self, patience):
        """The next message, or None: none came in time."""
        while b"\n" not in self.text:
            if not select.select([self.socket], [], [], max(0, patience))[0]:
                return None
            more = self.socket.recv(65536)
            if not more:
                raise vmm.Failed("QEMU's monitor is gone")
            self.text += more
        line, self.text = self.text.split(b"\n", 1)
        return json.loads(line)

    def do(self, command, **arguments):
        """Does it, and returns what it returned; a_b is an argument's a-b."""
        names = {name.replace("_", "-"): value for name, value in arguments.items()}
        self.socket.sendall(json.dumps({"execute": command, "arguments": names}).encode())
        while message := self.receive(vmm.PATIENCE):
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise vmm.Failed(f"{command}: {message['error']['desc']}")
            else:
                return message["return"]
        raise vmm.Failed(f"{command}: no answer")

    def wait_for(self, *names, patience):
        """
        Waits for one of these events, or for one of these states of a migration; returns which, or
        None: none came in time. What came before it is forgotten.
        """
        end = time.monotonic() + patience
        while True:
            while self.events:
                event = self.events.pop(0)
                for name in (event["event"], event.get("data", {}).get("status")):
                    if name in names:
                        return name
            message = self.receive(end - time.monotonic())
            if not message:
                return None
            self.events.append(message)
