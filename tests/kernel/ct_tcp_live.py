#!/usr/bin/env python3
"""Sends the segments of ct_tcp_steps.txt through a Linux router in network namespaces and compares what its conntrack
shows with the file.  Needs root, iproute2, iptables and conntrack; exits with 77 (skipped) without them.

Usage: ct_tcp_live.py [SUBSTRING OF CASE]"""

import ctypes
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PREFIX = "ctlive%d-" % os.getpid()
CLIENT, SERVER = "10.0.0.1", "10.0.1.1"
DEFAULTS = {"tcp_be_liberal": "0", "tcp_loose": "1", "tcp_ignore_invalid_rst": "0"}
STATES = ("NEW", "ESTABLISHED", "INVALID")


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def inside(ns, *words):
    return run("ip", "netns", "exec", PREFIX + ns, *words)


def set_up():
    for ns in ("c", "r", "s"):
        run("ip", "netns", "add", PREFIX + ns)
        inside(ns, "ip", "link", "set", "lo", "up")
    for ns, net in (("c", "10.0.0"), ("s", "10.0.1")):
        run("ip", "-n", PREFIX + ns, "link", "add", "eth0", "type", "veth", "peer", "name", "eth-" + ns, "netns",
            PREFIX + "r")
        for where, dev, addr in ((ns, "eth0", net + ".1/24"), ("r", "eth-" + ns, net + ".254/24")):
            inside(where, "ip", "addr", "add", addr, "dev", dev)
            inside(where, "ip", "link", "set", dev, "up")
        inside(ns, "ip", "route", "add", "default", "via", net + ".254")
        inside(ns, "iptables", "-A", "INPUT", "-p", "tcp", "-j", "DROP")  # Their own stacks must not answer.
    inside("r", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    for state in STATES:
        inside("r", "iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", state)


def tear_down():
    for ns in ("c", "r", "s"):
        subprocess.run(["ip", "netns", "del", PREFIX + ns], capture_output=True, check=False)


def socket_in(ns):
    """A raw socket that lives in the namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as home, open("/var/run/netns/" + PREFIX + ns) as there:
        if libc.setns(there.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        finally:
            libc.setns(home.fileno(), 0x40000000)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def send(sock, src, sport, dst, dport, flags, seq, ack, window, length):
    bits = sum(1 << "FSRPAU".index(letter) for letter in flags if letter != "-")
    options = bytes([2, 4, 5, 180, 1, 3, 3, 8, 4, 2, 1, 1]) if "S" in flags else b""
    header = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, (5 + len(options) // 4) << 4, bits, window, 0, 0)
    body = header + options + bytes(length)
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, 6, len(body))
    summed = pseudo + body + bytes(len(body) % 2)
    body = body[:16] + struct.pack("!H", checksum(summed)) + body[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, 6, 0, socket.inet_aton(src),
                     socket.inet_aton(dst))
    sock.sendto(ip + body, (dst, 0))


def counters():
    text = inside("r", "iptables", "-vnxL", "FORWARD")
    return [int(re.search(r"^\s*(\d+).*ctstate %s" % state, text, re.M).group(1)) for state in STATES]


def entry(sport):
    text = inside("r", "conntrack", "-L", "-p", "tcp", "--orig-port-src", str(sport))
    match = re.search(r"^tcp +6 (\d+) (\w+) src=%s dst=%s sport=%d " % (CLIENT, SERVER, sport), text, re.M)
    return (match.group(2), int(match.group(1))) if match else ("-", 0)


def cases(path):
    name, steps = None, []
    for number, line in enumerate(open(path), 1):
        line = line.strip()
        if line.startswith("case "):
            if name:
                yield name, steps
            name, steps = line[5:], []
        elif line == "handshake":
            steps += [(number, step) for step in ("> S 0 0 0 NEW SYN_SENT 120", "< SA 0 1 0 ESTABLISHED SYN_RECV 60",
                                                  "> A 1 1 0 ESTABLISHED ESTABLISHED 432000")]
        elif line and not line.startswith("#"):
            steps.append((number, line))
    yield name, steps


def run_case(name, steps, sport, socks):
    differences = 0
    for key, value in DEFAULTS.items():
        inside("r", "sysctl", "-qw", "net.netfilter.nf_conntrack_%s=%s" % (key, value))
    for number, step in steps:
        words = step.split()
        if words[0] == "sysctl":
            inside("r", "sysctl", "-qw", "net.netfilter.nf_conntrack_%s=%s" % (words[1], words[2]))
            continue
        if words[0] == "wait":
            if float(words[1]) > 5:
                return differences  # Too long to sit through.
            time.sleep(float(words[1]))
            continue
        up, flags = words[0] == ">", words[1]
        own, other = (1000, 5000) if up else (5000, 1000)
        window = int(words[8][4:]) if len(words) > 8 else 64240
        before = counters()
        send(socks[up], CLIENT if up else SERVER, sport if up else 80, SERVER if up else CLIENT, 80 if up else sport,
             flags, (int(words[2]) + own) % 2**32, (int(words[3]) + other) % 2**32 if "A" in flags else 0, window,
             int(words[4]))
        time.sleep(0.01)
        seen = [state for state, a, b in zip(STATES, before, counters()) if b > a]
        state, seconds = entry(sport)
        if seen != [words[5]] or state != words[6] or not int(words[7]) - 2 <= seconds <= int(words[7]):
            print("%s, line %d: %s: the kernel: %s %s %d" % (name, number, step, seen, state, seconds))
            differences += 1
    return differences


def main():
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("ip", "iptables", "conntrack")):
        print("skipped: needs root, ip, iptables and conntrack")
        return 77
    try:
        set_up()
    except (subprocess.CalledProcessError, OSError) as error:
        tear_down()
        print("skipped: no namespaces here: %s" % error)
        return 77
    try:
        socks = {True: socket_in("c"), False: socket_in("s")}
        differences = n_cases = 0
        for i, (name, steps) in enumerate(cases(os.path.join(HERE, "ct_tcp_steps.txt"))):
            if len(sys.argv) < 2 or sys.argv[1] in name:
                differences += run_case(name, steps, 20000 + i, socks)
                n_cases += 1
    finally:
        tear_down()
    print("%d cases, %d differences" % (n_cases, differences))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
