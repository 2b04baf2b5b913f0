#!/usr/bin/env python3
"""The live twin: a scenario's cluster in network namespaces, its flows played with real sockets, both compared.

Usage: twin.py [--program build/svcsim] [--mode iptables|nftables] SCENARIO.yaml...

For each scenario: nodes, pods, clients and the router become network namespaces joined as the bridge network of the
design is (names included); each node loads what `svcsim rules` printed; every flow that `svcsim run` reports is played
again: same client, same destination.  Compared per flow: the outcome, the server, the source that it saw, the packets
on every interface that are SYN, SYN-ACK, RST, ICMP or UDP, in order (ports that nobody named stand as "R"), and the
connection tracking entries of every node.  Where several servers are possible the simulation is run with other seeds
until one agrees.

Needs root, iproute2, iptables, nft and conntrack; without them it says so and exits with 77.  All namespaces bear the
process's number and are removed at the end, also after Ctrl-C.  Their links carry nothing else."""

import ctypes
import glob
import ipaddress
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PREFIX = "svk%d-" % os.getpid()
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
MAX_SEEDS = 40


def sh(*words, stdin=None, check=True):
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError("%s: %s" % (" ".join(words), done.stderr.strip()))
    return done.stdout


class Namespace:
    """A network namespace; sockets made within enter() belong to it."""

    def __init__(self, label, number):
        self.label, self.name = label, "%s%d" % (PREFIX, number)
        sh("ip", "netns", "add", self.name)
        self.fd = os.open("/var/run/netns/" + self.name, os.O_RDONLY)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *words, stdin=None, check=True):
        return sh("ip", "netns", "exec", self.name, *words, stdin=stdin, check=check)

    def enter(self):
        if LIBC.setns(self.fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


class Twin:
    """The topology, from the objects of the simulation."""

    def __init__(self, nodes, pods, clients, mode):
        self.mode, self.spaces, self.servers, self.home = mode, {}, [], os.open("/proc/self/ns/net", os.O_RDONLY)
        self.router = self.space("router")
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0",
                        "net.ipv4.conf.default.send_redirects=0", "net.ipv4.icmp_ratelimit=0",
                        "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        self.bridge(self.router, "br-lan", "192.168.49.1/24", False)
        self.nodes = {}
        for name, (address, cidr) in nodes.items():
            self.add_node(name, address, cidr)
        for name, (address, cidr) in nodes.items():
            for other, (_, other_cidr) in nodes.items():
                if other != name:
                    self.nodes[name].run("ip", "route", "add", other_cidr, "via", nodes[other][0])
            self.router.run("ip", "route", "add", cidr, "via", address)
        for name, (address, node) in pods.items():
            self.add_pod(name, address, node, nodes[node][1])
        for index, (name, address) in enumerate(clients.items()):
            self.add_client(name, address, index)

    def space(self, label):
        self.spaces[label] = Namespace(label.replace("pod/default/", "pod/"), len(self.spaces))
        return self.spaces[label]

    @staticmethod
    def wire(a, dev_a, b, dev_b):
        a.run("ip", "link", "add", dev_a, "type", "veth", "peer", "name", dev_b, "netns", b.name)
        a.run("ip", "link", "set", dev_a, "up")
        b.run("ip", "link", "set", dev_b, "up")

    @staticmethod
    def bridge(space, name, address, call_iptables):
        space.run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0",
                  "nf_call_iptables", "1" if call_iptables else "0")
        space.run("ip", "addr", "add", address, "dev", name)
        space.run("ip", "link", "set", name, "up")

    def add_node(self, name, address, cidr):
        node = self.nodes[name] = self.space(name)
        net = ipaddress.ip_network(cidr)
        self.wire(node, "eth0", self.router, "v-" + name[-8:])
        self.router.run("ip", "link", "set", "v-" + name[-8:], "master", "br-lan")
        node.run("ip", "addr", "add", address + "/24", "dev", "eth0")
        node.run("ip", "route", "add", "default", "via", "192.168.49.1")
        node.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0",
                 "net.ipv4.conf.default.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0",
                 "net.ipv4.icmp_ratelimit=0", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0",
                 "net.ipv4.conf.default.rp_filter=0",
                 "net.ipv4.conf.all.route_localnet=%d" % (self.mode == "iptables"))
        self.bridge(node, "cni0", "%s/%d" % (net[1], net.prefixlen), True)
        node.run("sysctl", "-qw", "net.ipv4.conf.cni0.send_redirects=0", "net.ipv4.conf.cni0.rp_filter=0")

    def add_pod(self, name, address, node, cidr):
        pod, host, net = self.space("pod/" + name), self.nodes[node], ipaddress.ip_network(cidr)
        port = "v%sp" % address.split(".")[-1]
        self.wire(pod, "eth0", host, port)
        host.run("ip", "link", "set", port, "master", "cni0")
        host.run("bridge", "link", "set", "dev", port, "hairpin", "on")
        pod.run("ip", "addr", "add", "%s/%d" % (address, net.prefixlen), "dev", "eth0")
        pod.run("ip", "route", "add", "default", "via", str(net[1]))

    def add_client(self, name, address, index):
        client = self.space("client/" + name)
        self.wire(client, "eth0", self.router, "ext%d" % index)
        self.router.run("ip", "route", "add", address + "/32", "dev", "ext%d" % index)
        net = ipaddress.ip_network(address + "/24", strict=False)
        gateway = str(net[2] if str(net[1]) == address else net[1])
        self.router.run("ip", "addr", "add", gateway + "/32", "dev", "ext%d" % index)
        client.run("ip", "addr", "add", address + "/32", "dev", "eth0")
        client.run("ip", "route", "add", gateway + "/32", "dev", "eth0")
        client.run("ip", "route", "add", "default", "via", gateway)

    def serve(self, pod, port, proto):
        """A server that answers TCP with the pod's name and the source it saw, UDP likewise."""
        space = self.spaces["pod/" + pod]
        space.enter()
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
        os_setns(self.home)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("", port))
        if proto == "tcp":
            server.listen(16)
        self.servers.append(server)
        threading.Thread(target=serve_forever, args=(server, pod, proto), daemon=True).start()

    def close(self):
        for server in self.servers:
            server.close()
        for space in self.spaces.values():
            os.close(space.fd)


def os_setns(fd):
    if LIBC.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def serve_forever(server, pod, proto):
    while True:
        try:
            if proto == "tcp":
                conn, peer = server.accept()
                conn.sendall(("%s %s" % (pod, peer[0])).encode())
                conn.settimeout(2)
                conn.recv(100)  # Until the client closes.
                conn.close()
            else:
                _, peer = server.recvfrom(100)
                server.sendto(("%s %s" % (pod, peer[0])).encode(), peer)
        except OSError:
            if server.fileno() < 0:
                return


class Capture:
    """Packet sockets on every interface of every namespace."""

    def __init__(self, twin, known_ports):
        self.sockets, self.known = {}, known_ports
        for label, space in twin.spaces.items():
            space.enter()
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            os_setns(twin.home)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
            self.sockets[sock] = space.label

    def drain(self):
        """Lines (time, "label/interface dir packet") of what stands in the buffers."""
        seen = []
        while True:
            ready, _, _ = select.select(list(self.sockets), [], [], 0.02)
            if not ready:
                break
            for sock in ready:
                while True:
                    try:
                        frame, control, _, address = sock.recvmsg(2048, 64)
                    except BlockingIOError:
                        break
                    stamp = struct.unpack("ll", control[0][2]) if control else (0, 0)
                    text = packet_text(frame, self.known)
                    if text:
                        direction = "Out" if address[2] == socket.PACKET_OUTGOING else "In"
                        seen.append((stamp, "%s/%s %s %s" % (self.sockets[sock], address[0], direction, text)))
        return [line for _, line in sorted(seen, key=lambda x: x[0])]


def port_text(port, known):
    return str(port) if port in known else "R"


def packet_text(frame, known):
    """SYN, SYN-ACK, RST, UDP and ICMP errors of IPv4, in words that both sides can say; others: None."""
    if frame[12:14] != b"\x08\x00":
        return None
    ip = frame[14:]
    src, dst, proto = socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]), ip[9]
    body = ip[(ip[0] & 15) * 4:]
    if proto == 1:
        if body[0] not in (3, 11):
            return None
        inner = body[8:]
        iports = struct.unpack("!HH", inner[(inner[0] & 15) * 4:][:4])
        if iports[1] == 9:
            return None
        return "ICMP %s > %s %d/%d about %s.%s > %s.%s ttl %d" % (
            src, dst, body[0], body[1], socket.inet_ntoa(inner[12:16]), port_text(iports[0], known),
            socket.inet_ntoa(inner[16:20]), port_text(iports[1], known), ip[8])
    sport, dport = struct.unpack("!HH", body[:4])
    if dport == 9:
        return None  # warm_up()
    ends = "%s.%s > %s.%s" % (src, port_text(sport, known), dst, port_text(dport, known))
    if proto == 17:
        return "UDP %s ttl %d" % (ends, ip[8])
    if proto != 6:
        return None
    flags = body[13] & 0x17
    names = {0x02: "SYN", 0x12: "SYN-ACK", 0x04: "RST", 0x14: "RST-ACK"}
    return "TCP %s %s ttl %d" % (ends, names[flags], ip[8]) if flags in names else None


class Simulation:
    """What one run of the simulator said."""

    def __init__(self, program, scenario, seed):
        with tempfile.TemporaryDirectory(prefix=PREFIX) as out:
            sh(program, "run", scenario, "--out", out, "--seed", str(seed), check=False)
            with open(out + "/flows.json", encoding="utf-8") as file:
                self.flows = json.load(file)["flows"]
            with open(out + "/trace.pcapng", "rb") as file:
                self.frames = list(read_pcapng(file.read()))
            self.conntrack = {os.path.basename(path)[:-10]: open(path, encoding="utf-8").read()
                              for path in glob.glob(out + "/*.conntrack")}

    def packets(self, index, known):
        """Lines "label/interface packet" from the flow's start until the next one's."""
        start = self.flows[index]["start"]
        end = min([f["start"] for f in self.flows if f["start"] > start + 0.5], default=1e9)
        for at, interface, frame in self.frames:
            text = packet_text(frame, known) if start - 1e-6 <= at < end - 1e-6 else None
            if text:
                yield "%s %s" % (interface, text)


EPOCH = 946684800  # Simulations begin at 2000-01-01.


def read_pcapng(data):
    names, at = [], 0
    while at + 12 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 1:
            options, name = at + 16, "?"
            while options < at + size - 4:
                code, length = struct.unpack_from("<HH", data, options)
                if code == 2:
                    name = data[options + 4:options + 4 + length].decode()
                options += 4 + (length + 3) // 4 * 4
                if code == 0:
                    break
            names.append(name)
        elif kind == 6:
            interface, high, low, caught = struct.unpack_from("<IIII", data, at + 8)
            yield (high << 32 | low) / 1e9 - EPOCH, names[interface], data[at + 28:at + 28 + caught]
        at += size


def connections(text, known):
    """conntrack -L lines without what is volatile; how far a connection has been closed is left out."""
    result = set()
    for line in text.splitlines():
        words = [w for w in line.split() if not w.startswith(("use=", "mark="))]
        if len(words) < 6 or words[0] not in ("tcp", "udp") or "dport=9" in words:  # 9: warm_up()
            continue
        state = words[3] if words[0] == "tcp" else ""
        if state in ("ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE"):
            state = "LIVE"
        rest = [re.sub(r"port=(\d+)", lambda m: "port=" + port_text(int(m.group(1)), known), w)
                for w in words[4 if words[0] == "tcp" else 3:]]
        if state == "LIVE":
            rest = [w for w in rest if w != "[ASSURED]"]
        result.add(" ".join([words[0], state] + rest))
    return result


def route_by(twin, flow, via, nodes):
    """"via: NODE" of a step: from then on the router sends its destination to that node."""
    if via:
        twin.router.run("ip", "route", "replace", flow["dialed"].rsplit(":", 1)[0], "via", nodes[via][0])


def play(twin, flow):
    """Plays one flow with a real socket.  Returns (outcome, pod, source seen)."""
    kind, _, name = flow["from"].partition("/")
    label = {"client": "client/" + name, "node": name}.get(kind, "pod/" + (name if "/" in name else "default/" + name))
    host, port = flow["dialed"].rsplit(":", 1)
    tcp = flow["proto"] == "tcp"
    twin.spaces[label].enter()
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    os_setns(twin.home)
    sock.settimeout(0.7)
    try:
        sock.connect((host, int(port)))
        if not tcp:
            sock.send(b"x")
        answer = sock.recv(200).decode().split()
        return "connected", answer[0], answer[1]
    except socket.timeout:
        return "timeout", None, None
    except (ConnectionRefusedError, PermissionError, ConnectionResetError, OSError):
        return "refused", None, None
    finally:
        sock.close()


def by_interface(lines):
    table = {}
    for line in lines:
        interface, text = line.split(" ", 1)
        table.setdefault(interface, []).append(text)
    return table


def compare_flow(sim, index, got, packets, tables, known, twin):
    """Differences, as lines of text."""
    flow, (outcome, pod, source) = sim.flows[index], got
    server, lines = flow["server"], []
    if flow["outcome"] != outcome:
        lines.append("outcome: kernel %s, simulator %s" % (outcome, flow["outcome"]))
    if outcome == "connected" and server:
        if server["pod"] != pod:
            lines.append("server: kernel %s, simulator %s" % (pod, server["pod"]))
        if server["sourceSeen"].rsplit(":", 1)[0] != source:
            lines.append("source seen: kernel %s, simulator %s" % (source, server["sourceSeen"]))
    a, b = by_interface(packets), by_interface(sim.packets(index, known))
    if outcome == "timeout":  # Retransmissions: as many as there was time for.
        a, b = ({k: v[:1] for k, v in t.items()} for t in (a, b))
    for interface in sorted(set(a) | set(b)):
        mine, theirs = a.get(interface, []), b.get(interface, [])
        if mine != theirs:
            lines += ["%s: - kernel    %s" % (interface, p) for p in mine]
            lines += ["%s: + simulator %s" % (interface, p) for p in theirs]
    for node in twin.nodes:
        for entry in tables[node] - connections(sim.conntrack.get(node, ""), known):
            lines.append("%s: conntrack of the kernel only: %s" % (node, entry))
    return lines


def run_in_mode(program, scenario, mode):
    """Plays a copy of the scenario, and of what lies beside it, whose kube-proxy is of that mode."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        for path in glob.glob(os.path.join(os.path.dirname(scenario) or ".", "*.yaml")):
            with open(path, encoding="utf-8") as source, \
                    open(os.path.join(folder, os.path.basename(path)), "w", encoding="utf-8") as copy:
                copy.write(source.read().replace("kind: KubeProxyConfiguration\n",
                                                 "kind: KubeProxyConfiguration\nmode: %s\n" % mode))
        return run_scenario(program, os.path.join(folder, os.path.basename(scenario)), mode)


def run_scenario(program, scenario, mode):
    """Returns (flows that agree, flows that do not)."""
    text = open(scenario, encoding="utf-8").read()
    for name in re.findall(r"include: *\[([^]]*)\]", text):
        for part in name.split(","):
            text += open(os.path.join(os.path.dirname(scenario), part.strip()), encoding="utf-8").read()
    clients = dict(re.findall(r"name: *([\w-]+), *address: *\"?([\d.]+)", text))
    vias = dict(re.findall(r"connect: *\{name: *([\w-]+),.*\bvia: *([\w-]+)", text))
    nodes, pods, known = {}, {}, set()
    for item in json.loads(sh(program, "get", "nodes", scenario, "-o", "json"))["items"]:
        nodes[item["metadata"]["name"]] = (item["status"]["addresses"][0]["address"], item["spec"]["podCIDR"])
    items = json.loads(sh(program, "get", "pods", scenario, "-A", "-o", "json"))["items"]
    for item in items:
        name = item["metadata"]["namespace"] + "/" + item["metadata"]["name"]
        pods[name] = (item["status"]["podIP"], item["spec"]["nodeName"])
    sims = {1: Simulation(program, scenario, 1)}
    for flow in sims[1].flows:
        known.add(int(flow["dialed"].rsplit(":", 1)[1]))
    twin, good, bad = None, 0, 0
    try:
        twin = Twin(nodes, pods, clients, mode)
        for item in items:
            name = item["metadata"]["namespace"] + "/" + item["metadata"]["name"]
            for container in item["spec"].get("containers", []):
                for port in container.get("ports", []):
                    known.add(port["containerPort"])
                    twin.serve(name, port["containerPort"], port.get("protocol", "TCP").lower())
        for name, node in twin.nodes.items():
            rules = sh(program, "rules", scenario, "--node", name, "--mode", mode)
            node.run(*(["iptables-restore"] if mode == "iptables" else ["nft", "-f", "-"]), stdin=rules)
            if mode == "nftables" and "forwardPolicy: DROP" in text:  # Not in kube-proxy's table.
                node.run("iptables", "-P", "FORWARD", "DROP")
        warm_up(twin, nodes)
        for index, flow in enumerate(sims[1].flows):
            capture = Capture(twin, known)
            for node in twin.nodes.values():
                node.run("conntrack", "-F", check=False)
            route_by(twin, flow, vias.get(flow["name"]), nodes)
            got = play(twin, flow)
            packets = capture.drain()
            for sock in capture.sockets:
                sock.close()
            packets = [re.sub(r" (In|Out) ", " ", line, count=1) for line in packets]
            tables = {name: connections(node.run("conntrack", "-L", check=False), known)
                      for name, node in twin.nodes.items()}
            seed, differences = closest(sims, program, scenario,
                                        lambda sim: compare_flow(sim, index, got, packets, tables, known, twin))
            good, bad = good + (not differences), bad + bool(differences)
            if differences:
                print("FAIL %s, %s: flow %s, %s to %s (seed %d)" % (os.path.basename(scenario), mode, flow["name"],
                                                                    flow["from"], flow["dialed"], seed))
                for line in differences:
                    print("    " + line)
    finally:
        if twin:
            twin.close()
        clean_up()
    return good, bad


def closest(sims, program, scenario, compare):
    """The first seed without differences, or the one with the fewest of them."""
    found = {}
    for seed in range(1, MAX_SEEDS + 1):
        found[seed] = compare(sims.get(seed) or sims.setdefault(seed, Simulation(program, scenario, seed)))
        if not found[seed]:
            return seed, []
    return min(found.items(), key=lambda x: len(x[1]))


def warm_up(twin, nodes):
    """Neighbours learn each other before anything is captured: their frames are no part of the comparison."""
    for label, space in twin.spaces.items():
        for address in [a for a, _ in nodes.values()] + ["192.168.49.1"]:
            space.enter()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                os_setns(twin.home)
                try:
                    sock.sendto(b"", (address, 9))
                except OSError:
                    pass
    time.sleep(0.3)
    # What a node learned from its pods' questions is stale until probed, seconds later; the simulator starts without.
    for node in twin.nodes.values():
        node.run("ip", "neigh", "flush", "dev", "cni0")


def clean_up(*_):
    for name in os.listdir("/var/run/netns") if os.path.isdir("/var/run/netns") else []:
        if name.startswith(PREFIX):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    if _:
        sys.exit(130)


def main(arguments):
    program, modes, scenarios = "build/svcsim", ["iptables", "nftables"], []
    while arguments:
        word = arguments.pop(0)
        if word == "--program":
            program = arguments.pop(0)
        elif word == "--mode":
            modes = arguments.pop(0).split(",")
        else:
            scenarios.append(word)
    missing = [t for t in ("ip", "bridge", "iptables-restore", "nft", "conntrack", "sysctl") if not shutil.which(t)]
    if os.geteuid() != 0 or missing:
        print("SKIP twin: needs " + (", ".join(missing) or "root"))
        print("0 passed, 0 failed, 1 skipped")
        return 77
    signal.signal(signal.SIGINT, clean_up)
    signal.signal(signal.SIGTERM, clean_up)
    good = bad = 0
    try:
        for scenario in scenarios:
            for mode in modes:
                agree, differ = run_in_mode(program, scenario, mode)
                print("%s, %s: %d flows agree, %d differ" % (os.path.basename(scenario), mode, agree, differ), flush=True)
                good, bad = good + agree, bad + differ
    finally:
        clean_up()
    print("%d passed, %d failed, 0 skipped" % (good, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
