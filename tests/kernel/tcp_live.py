#!/usr/bin/env python3
"""TCP's timers and segments in the kernel and in the simulator: plays tests/kernel/tcp/cases.txt between two network
namespaces with real sockets, and compares what each side sent, in order, with what tcp_script said; times within a
tolerance (they are the kernel's own capture times).  All cases at once, each in namespaces of its own.

Usage: tcp_live.py [-v] [CASE...]; needs root, iproute2 and nft, else it says so and exits with 77."""

import errno
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "twin"))
import lab  # noqa: E402  pylint: disable=wrong-import-position
from wire import SO_TIMESTAMPNS  # noqa: E402  pylint: disable=wrong-import-position

SCRIPT = os.path.join(HERE, "tcp", "cases.txt")
PROGRAM = os.path.join(os.environ.get("BUILD", "build"), "tcp_script")
PORT = 80
ADDRESSES = {"client": ("10.0.0.1", "fd00::1"), "server": ("10.0.0.2", "fd00::2")}
# A busy machine is late; the kernel's timers run up to an eighth late (kernel/time/timer.c); neither is early by much.
EARLY, LATE, LATE_SHARE = 0.02, 0.25, 0.125
# One that is busier still may spoil a case now and then, but hardly the same one each time.
ATTEMPTS = 3
ERRORS = {errno.ETIMEDOUT: "timeout", errno.ECONNREFUSED: "rst", errno.ECONNRESET: "rst", errno.EPIPE: "rst"}


class Case:
    """One case of the script, and what both sides said."""

    def __init__(self, name):
        self.name, self.sysctls, self.actions, self.skipped = name, [], [], None
        self.expected, self.seen = {side: [] for side in ADDRESSES}, {side: [] for side in ADDRESSES}


def read_cases():
    cases = []
    for line in open(SCRIPT, encoding="utf-8"):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "case":
            cases.append(Case(words[1]))
        elif words[0] == "sysctl":
            cases[-1].sysctls.append(words[1:])
        else:
            cases[-1].actions.append((int(words[0]) / 1e3, words[1:]))
    return cases


def read_expected(cases):
    by_name = {case.name: case for case in cases}
    case = None
    for line in subprocess.run([PROGRAM, SCRIPT], check=True, capture_output=True, text=True).stdout.splitlines():
        words = line.split()
        if words[0] == "case":
            case = by_name[words[1]]
        elif words[2] != "over":  # No socket tells its owner.
            case.expected[words[0]].append((float(words[1]) / 1e3, " ".join(words[2:])))


class Play:
    """A case in the kernel."""

    def __init__(self, case):
        self.case, self.start, self.first = case, 0.0, {}
        self.spaces = {side: lab.Namespace(case.name + "/" + side) for side in ADDRESSES}
        self.sockets, self.listeners, self.taps, self.frames = {}, [], {}, []
        self.connecting = False
        self.ended, self.over = set(), set()  # Sockets: nothing more to read; no error to come either.

    def prepare(self):
        client, server = self.spaces["client"], self.spaces["server"]
        for space in self.spaces.values():
            space.sysctl(ipv6__conf__default__accept_dad=0)
        lab.wire(client, "eth0", server, "eth0")
        for side, space in self.spaces.items():
            four, six = ADDRESSES[side]
            space.ip("address add %s/24 dev eth0" % four, "address add %s/64 dev eth0 nodad" % six,
                     "link set dev eth0 gso_max_segs 1")  # Segments as they are on a wire.
            space.run("nft", "add table inet t; add chain inet t c { type filter hook prerouting priority -300; }")
            tap = self.taps[side] = space.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            tap.setblocking(False)
        for side, key, value in self.case.sysctls:
            with self.spaces[side] as space:
                if space.get_sysctl(key) is None:
                    return "no %s here" % key
                space.set_sysctl(key, value)
        self.meet()
        for kind, address in zip((socket.AF_INET, socket.AF_INET6), ADDRESSES["server"]):
            listener = server.socket(kind, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, PORT))
            listener.listen(8)
            listener.setblocking(False)
            self.listeners.append(listener)
        return None

    def meet(self):
        """Neighbours learn each other first: a SYN that waits for that would be late."""
        for side, other in (("client", "server"), ("server", "client")) * 2:
            for kind, address in zip((socket.AF_INET, socket.AF_INET6), ADDRESSES[other]):
                with self.spaces[side].socket(kind, socket.SOCK_DGRAM) as sock:
                    sock.sendto(b"", (address, 9))
            time.sleep(0.1)

    def run(self):
        self.start = time.time()
        for at, words in self.case.actions:
            self.wait_until(self.start + at)
            getattr(self, "do_" + words[0])(*words[1:])
        self.wait_until(time.time())
        for at, side, tcp, size in sorted(self.frames, key=lambda f: f[0]):
            self.note_segment(side, at, tcp, size)

    # --- Actions ------------------------------------------------------------------------------------------------------

    def do_end(self):
        pass

    def do_mute(self, side):
        other = {"client": "server", "server": "client"}[side]
        self.spaces[other].run("nft", "add rule inet t c iifname eth0 meta l4proto tcp drop")

    def do_unmute(self, side):
        other = {"client": "server", "server": "client"}[side]
        self.spaces[other].run("nft", "flush chain inet t c")

    def do_dial(self, address, port, source="0", *options):
        sock = self.spaces["client"].socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        if "keepalive" in options:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if int(source):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((ADDRESSES["client"][0], int(source)))
        sock.setblocking(False)
        sock.connect_ex((address, int(port)))
        self.sockets["client"], self.connecting = sock, True

    def do_send(self, side, count):
        self.sockets[side].send(b"\0" * int(count))

    def do_shutdown(self, side):
        self.sockets[side].shutdown(socket.SHUT_WR)

    def do_close(self, side):
        self.sockets.pop(side).close()

    def do_abort(self, side):
        sock = self.sockets.pop(side)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    # --- Watching -----------------------------------------------------------------------------------------------------

    def wait_until(self, until):
        while True:
            left = until - time.time()
            poll = select.poll()
            for sock in list(self.taps.values()) + self.listeners:
                poll.register(sock, select.POLLIN)
            for sock in self.sockets.values():
                if sock not in self.ended:
                    poll.register(sock, select.POLLOUT if self.is_connecting(sock) else select.POLLIN)
                elif sock not in self.over:
                    poll.register(sock, 0)  # Errors only: its end would be told for ever.
            ready = poll.poll(max(left * 1e3, 0))
            if not ready and left <= 0:
                return
            for number, _ in ready:
                self.on_ready(number)

    def is_connecting(self, sock):
        return self.connecting and sock is self.sockets.get("client")

    def side_of(self, number):
        return next(side for side, sock in self.sockets.items() if sock.fileno() == number)

    def on_ready(self, number):
        for side, tap in self.taps.items():
            if tap.fileno() == number:
                self.on_frame(side, tap)
                return
        for listener in self.listeners:
            if listener.fileno() == number:
                self.sockets["server"], _ = listener.accept()
                self.sockets["server"].setblocking(False)
                return
        side = self.side_of(number)
        sock = self.sockets[side]
        if self.is_connecting(sock):
            self.connecting = False
            self.note_error(side, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        else:
            self.on_data(side, sock)

    def on_data(self, side, sock):
        try:
            if sock in self.ended:
                self.note_error(side, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                self.over.add(sock)
            elif not sock.recv(65536):
                self.note(side, "eof")
                self.ended.add(sock)
        except OSError as error:
            self.note_error(side, error.errno)

    def note(self, side, text):
        self.case.seen[side].append((time.time() - self.start, text))

    def note_error(self, side, number):
        if number:
            self.note(side, ERRORS.get(number, os.strerror(number)))
            self.ended.add(self.sockets[side])
            self.over.add(self.sockets[side])

    def on_frame(self, side, tap):
        try:
            frame, control, _, address = tap.recvmsg(200, 64)
        except BlockingIOError:
            return
        six = frame[12:14] == b"\x86\xdd"
        ip = frame[14:]
        if address[2] != socket.PACKET_OUTGOING or not (six or frame[12:14] == b"\x08\x00"):
            return
        if (ip[6] if six else ip[9]) != socket.IPPROTO_TCP:
            return
        size = 40 if six else (ip[0] & 15) * 4
        total = struct.unpack("!H", ip[4:6])[0] + 40 if six else struct.unpack("!H", ip[2:4])[0]
        seconds, nanoseconds = struct.unpack("ll", control[0][2])
        self.frames.append((seconds + nanoseconds / 1e9 - self.start, side, ip[size:], total - size))

    def note_segment(self, side, at, tcp, size):
        seq, ack = struct.unpack("!II", tcp[4:12])
        flags = tcp[13]
        if flags & 2:
            self.first[side] = seq
        other = {"client": "server", "server": "client"}[side]
        names = "".join(name for bit, name in ((2, "S"), (1, "F"), (4, "R"), (16, ".")) if flags & bit)
        self.case.seen[side].append((at, "%s seq %d ack %d len %d" % (
            names, (seq - self.first.get(side, 0)) & 0xffffffff,
            (ack - self.first.get(other, 0)) & 0xffffffff if flags & 16 else 0, size - (tcp[12] >> 4) * 4)))

    def close(self):
        for sock in list(self.sockets.values()) + self.listeners + list(self.taps.values()):
            sock.close()
        for space in self.spaces.values():
            space.delete()


def play(case):
    case.seen = {side: [] for side in ADDRESSES}
    runner = Play(case)
    try:
        case.skipped = runner.prepare()
        if not case.skipped:
            runner.run()
    finally:
        runner.close()


def differences(case):
    lines = []
    for side in ADDRESSES:
        mine, theirs = sorted(case.seen[side]), case.expected[side]
        same = [text for _, text in mine] == [text for _, text in theirs]
        late = [abs(a - b) for (a, _), (b, _) in zip(mine, theirs) if not b - EARLY <= a <= b + LATE + b * LATE_SHARE]
        if not same or late:
            lines += ["%s: - kernel    %8.3f %s" % (side, at, text) for at, text in mine]
            lines += ["%s: + simulator %8.3f %s" % (side, at, text) for at, text in theirs]
    return lines


def main():
    names = [word for word in sys.argv[1:] if word != "-v"]
    if not lab.guard("tcp_live", "nft"):
        return 77
    cases = [case for case in read_cases() if not names or case.name in names]
    read_expected(cases + [c for c in read_cases() if names and c.name not in names])
    left = cases
    for _ in range(ATTEMPTS):
        threads = [threading.Thread(target=play, args=(case,)) for case in left]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        left = [case for case in left if not case.skipped and differences(case)]
    failed = 0
    for case in cases:
        lines = [] if case.skipped else differences(case)
        failed += bool(lines)
        if case.skipped:
            print("SKIP %s: %s" % (case.name, case.skipped))
        elif lines or "-v" in sys.argv:
            print("%s %s" % ("FAIL" if lines else "ok  ", case.name))
        for line in lines:
            print("    " + line)
    skipped = sum(bool(case.skipped) for case in cases)
    print("%d passed, %d failed, %d skipped" % (len(cases) - failed - skipped, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
