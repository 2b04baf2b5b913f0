#!/usr/bin/env python3
"""Races of first packets in the kernel and in the simulator: plays tests/kernel/race/cases.txt through a node between two
network namespaces.  NFQUEUE holds each NEW packet behind NAT and before its entry comes into the table, and we let them go
on in the script's order: what is chance on several CPUs happens each time.  Compares with what race_script said: which
packets arrived and how they looked, conntrack's table and its counters.  All cases at once, in namespaces of their own.

Usage: race_live.py [-v] [CASE...]; needs root, iproute2, iptables (nf_tables), nft, conntrack and a kernel with
nfnetlink_queue, else it says so and exits with 77."""

import os
import re
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

SCRIPT = os.path.join(HERE, "race", "cases.txt")
PROGRAM = os.path.join(os.environ.get("BUILD", "build"), "race_script")
PATIENCE = 5.0  # Seconds until a packet must have come somewhere.
QUIET = 0.3     # Seconds in which one that was not dropped would have arrived.
# A packet may be late on a busy machine, but hardly in the same case each time.
ATTEMPTS = 3
NETLINK_NETFILTER = 12
QUEUE_PACKET, QUEUE_VERDICT, QUEUE_CONFIG = 0x300, 0x301, 0x302  # NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_*.
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}
NAMES = {number: name for name, number in PROTOCOLS.items()}


class Case:
    """One case of the script, and what both sides said."""

    def __init__(self, name):
        self.name, self.rules, self.actions = name, [], []
        self.expected, self.seen = [], []
        self.ports = {"0"}  # Those that the script names.


def read_cases():
    cases = []
    for line in open(SCRIPT, encoding="utf-8"):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "case":
            cases.append(Case(words[1]))
        elif words[0] == "rule":
            cases[-1].rules.append(words[1:])
        else:
            cases[-1].actions.append(words)
            cases[-1].ports.update(re.findall(r":(\d+)", line))
    return cases


def read_expected(cases):
    by_name = {case.name: case for case in cases}
    case = None
    for line in subprocess.run([PROGRAM, SCRIPT], check=True, capture_output=True, text=True).stdout.splitlines():
        if line.startswith("case "):
            case = by_name[line.split()[1]]
        else:
            case.expected.append(plain(line, case.ports))
    for case in cases:
        case.expected.sort()


def plain(line, ports):
    """Without what cannot be equal: ports that were drawn, time left, users of an entry."""
    line = re.sub(r"((?::|sport=|dport=| id=))(\d+)", lambda m: m[1] + (m[2] if m[2] in ports else "R"), line)
    line = re.sub(r"^(\w+ +\d+) \d+ ", r"\1 ", line) if "src=" in line else line
    return re.sub(r"(mark=\d+) use=\d+", r"\1", " ".join(line.split()))


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data + b"\0") // 2), (data + b"\0")[:len(data + b"\0") // 2 * 2]))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def build(number, proto, source, target, flags="S"):
    """An IPv4 packet that says its number by its size."""
    (src, sport), (dst, dport) = (end.split(":") for end in (source, target))
    src, dst, ports = socket.inet_aton(src), socket.inet_aton(dst), (int(sport), int(dport))
    if proto == "icmp":
        body, at = struct.pack("!BBHHH", 8, 0, 0, ports[0], 1), 2
    elif proto == "udp":
        body, at = struct.pack("!HHHH", *ports, 8 + number, 0), 6
    else:
        bits = ("S" in flags) << 1 | ("A" in flags) << 4
        body, at = struct.pack("!HHIIBBHHH", *ports, 1000, 1001 if "A" in flags else 0, 5 << 4, bits, 64240, 0, 0), 16
    body += bytes(number)
    pseudo = b"" if proto == "icmp" else src + dst + struct.pack("!BBH", 0, PROTOCOLS[proto], len(body))
    body = body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2:]
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, PROTOCOLS[proto], 0, src, dst) + body


def parse(ip):
    """The packet's number, and the packet in words; None for what is none of ours."""
    if len(ip) < 28 or ip[0] != 0x45 or ip[9] not in NAMES:
        return None
    size, name = struct.unpack("!H", ip[2:4])[0] - 20, NAMES[ip[9]]
    src, dst = socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20])
    if name == "icmp":
        if ip[20] != 8:
            return None
        ports = struct.unpack("!H", ip[24:26])[0], 0
    else:
        ports = struct.unpack("!HH", ip[20:24])
    return size - (20 if name == "tcp" else 8), "%s %s:%d > %s:%d" % (name, src, ports[0], dst, ports[1])


class Queue:
    """The node's NFQUEUE 0."""

    def __init__(self, space):
        self.sock = space.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.sock.settimeout(PATIENCE)
        self.ids = {}  # By packet's number.
        try:
            self.ask(QUEUE_CONFIG, 1, struct.pack("!BBH", 1, 0, socket.AF_INET))  # NFQA_CFG_CMD: bind.
            self.ask(QUEUE_CONFIG, 2, struct.pack("!IB", 0xffff, 2))              # NFQA_CFG_PARAMS: the whole packet.
        except OSError:
            self.sock.close()
            raise

    def ask(self, kind, attribute, value):
        """One request with one attribute; raises what the kernel answers."""
        padding = bytes(-len(value) % 4)
        body = struct.pack("!BBH", socket.AF_UNSPEC, 0, 0) + struct.pack("=HH", 4 + len(value), attribute) + value + padding
        self.sock.send(struct.pack("=IHHII", 16 + len(body), kind, 5, 0, 0) + body)  # NLM_F_REQUEST | NLM_F_ACK.
        while True:
            error = self.receive()
            if error is not None:
                if error:
                    raise OSError(-error, os.strerror(-error))
                return

    def receive(self):
        """Reads one message: notes a held packet, or returns the answer to a request."""
        data, answer = self.sock.recv(65536), None
        while len(data) >= 16:
            length, kind = struct.unpack("=IH", data[:6])
            if kind == 2:  # NLMSG_ERROR.
                answer = struct.unpack("=i", data[16:20])[0]
            elif kind == QUEUE_PACKET:
                self.on_packet(data[20:length])
            data = data[(length + 3) & ~3:]
        return answer

    def on_packet(self, data):
        attributes = {}
        while len(data) >= 4:
            length, kind = struct.unpack("=HH", data[:4])
            attributes[kind & 0x3fff] = data[4:length]
            data = data[(length + 3) & ~3:]
        parsed = parse(attributes[10])  # NFQA_PAYLOAD.
        if parsed:
            self.ids[parsed[0]] = struct.unpack("!I", attributes[1][:4])[0]  # NFQA_PACKET_HDR.

    def accept(self, number):
        self.ask(QUEUE_VERDICT, 2, struct.pack("!II", 1, self.ids.pop(number)))  # NFQA_VERDICT_HDR: NF_ACCEPT.


class Play:
    """A case in the kernel."""

    def __init__(self, case):
        self.case, self.sent, self.arrived = case, 0, set()
        self.spaces = {side: lab.Namespace(case.name + "/" + side) for side in ("client", "node", "server")}
        self.node = self.spaces["node"]
        self.taps, self.raws, self.queue = {}, {}, None

    def prepare(self):
        node = self.node
        for side, dev, net, hosts in (("client", "c0", "10.0.0.", (1, 2)), ("server", "s0", "10.0.1.", (1, 2, 3))):
            space = self.spaces[side]
            lab.wire(space, "eth0", node, dev)
            space.ip(*["address add %s%d/24 dev eth0" % (net, host) for host in hosts])
            node.ip("address add %s254/24 dev %s" % (net, dev))
            space.ip("route add default via %s254" % net)
            # Their own stacks must not answer.
            space.run("nft", "add table ip t; add chain ip t c { type filter hook prerouting priority -300; policy drop; }")
            self.taps[side] = space.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.raws[side] = space.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        node.sysctl(ipv4__ip_forward=1)
        for words in self.case.rules:
            node.run("iptables", "-w", "-t", "nat", "-A", *words)
        hold(node)
        self.queue = Queue(node)

    def run(self):
        for action, *words in self.case.actions:
            getattr(self, "do_" + action)(*words)
        self.watch(time.time() + QUIET, lambda: False)
        table = self.node.run("conntrack", "-L")
        self.case.seen += [plain(line, self.case.ports) for line in table.splitlines()]
        self.case.seen.append(self.counters())
        self.case.seen.sort()

    def do_send(self, *words):
        self.sent += 1
        side = "client" if words[1].startswith("10.0.0.") else "server"
        packet, number = build(self.sent, *words), self.sent
        self.raws[side].sendto(packet, (words[2].split(":")[0], 0))
        self.watch(time.time() + PATIENCE, lambda: number in self.arrived or number in self.queue.ids)

    def do_go(self, number):
        if int(number) in self.queue.ids:
            self.queue.accept(int(number))
        else:
            self.case.seen.append("%s was not held" % number)
        self.watch(time.time(), lambda: False)

    def do_wait(self, milliseconds):
        self.watch(time.time() + int(milliseconds) / 1e3, lambda: False)

    def watch(self, until, done):
        poll = select.poll()
        sides = {tap.fileno(): side for side, tap in self.taps.items()}
        for number in list(sides) + [self.queue.sock.fileno()]:
            poll.register(number, select.POLLIN)
        while not done():
            ready = poll.poll(max(until - time.time(), 0) * 1e3)
            if not ready and until <= time.time():
                return
            for number, _ in ready:
                if number in sides:
                    self.on_frame(sides[number])
                else:
                    self.queue.receive()

    def on_frame(self, side):
        frame, address = self.taps[side].recvfrom(2048)
        parsed = parse(frame[14:]) if frame[12:14] == b"\x08\x00" else None
        if parsed and address[2] != socket.PACKET_OUTGOING:
            self.arrived.add(parsed[0])
            self.case.seen.append(plain("%d %s %s" % (parsed[0], side, parsed[1]), self.case.ports))

    def counters(self):
        with self.node:
            lines = [line.split() for line in open("/proc/thread-self/net/stat/nf_conntrack", encoding="ascii")]
        sums = {name: sum(int(line[i], 16) for line in lines[1:]) for i, name in enumerate(lines[0])}
        return "insert_failed %d drop %d clash_resolve %d" % (sums["insert_failed"], sums["drop"], sums["clashres"])

    def close(self):
        for sock in list(self.taps.values()) + list(self.raws.values()) + ([self.queue.sock] if self.queue else []):
            sock.close()
        for space in self.spaces.values():
            space.delete()


def hold(node):
    """The hook between NAT and the table has no chain of iptables: a chain of nft's calls one."""
    node.run("iptables", "-w", "-t", "mangle", "-N", "HOLD")
    node.run("iptables", "-w", "-t", "mangle", "-A", "HOLD", "-m", "conntrack", "--ctstate", "NEW", "-j", "NFQUEUE",
             "--queue-num", "0")
    node.run("nft", "add chain ip mangle late { type filter hook postrouting priority 200; }; "
                    "add rule ip mangle late jump HOLD")


def why_not():
    space = lab.Namespace("probe")
    try:
        hold(space)
        Queue(space).sock.close()
        with space:
            return None if os.path.exists("/proc/net/stat/nf_conntrack") else "no /proc/net/stat/nf_conntrack"
    except (RuntimeError, OSError) as error:
        return str(error).strip().splitlines()[-1]
    finally:
        space.delete()


def play(case):
    case.seen = []
    runner = None
    try:
        runner = Play(case)
        runner.prepare()
        runner.run()
    except (RuntimeError, OSError) as error:
        case.seen.append("not played: %s" % error)
    finally:
        if runner:
            runner.close()


def main():
    names = [word for word in sys.argv[1:] if word != "-v"]
    if not lab.guard("race_live", "iptables", "nft", "conntrack"):
        return 77
    reason = why_not()
    if reason:
        print("SKIP race_live: no NFQUEUE behind NAT here: %s" % reason)
        print("0 passed, 0 failed, 1 skipped")
        return 77
    cases = read_cases()
    read_expected(cases)
    cases = left = [case for case in cases if not names or case.name in names]
    for _ in range(ATTEMPTS):
        threads = [threading.Thread(target=play, args=(case,)) for case in left]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        left = [case for case in left if case.seen != case.expected]
    for case in cases:
        if case in left or "-v" in sys.argv:
            print("%s %s" % ("FAIL" if case in left else "ok  ", case.name))
        if case in left:
            print("\n".join(["    - kernel    " + line for line in case.seen if line not in case.expected] +
                            ["    + simulator " + line for line in case.expected if line not in case.seen]))
    print("%d passed, %d failed, 0 skipped" % (len(cases) - len(left), len(left)))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
