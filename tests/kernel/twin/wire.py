"""Packets in words: captured from interfaces of namespaces, or read from a pcapng of the simulator.

Both sides are put into the same words, with what cannot be equal left out: ports that nobody named stand as "R" (kernels
draw them at random), ARP, neighbour discovery and multicast listener reports are no packets of the comparison (the
simulator knows neighbours without frames)."""

import select
import socket
import struct

import associations

EPOCH = 946684800  # Simulations begin at 2000-01-01.
SO_TIMESTAMPNS = 35
WARM_UP_PORT = 9   # Datagrams to it teach neighbours each other; they are not compared.
TCP_FLAGS = {0x02: "SYN", 0x12: "SYN-ACK", 0x04: "RST", 0x14: "RST-ACK"}
# ICMP and ICMPv6 errors; the rest (echo, neighbour and router discovery, listener reports) is not looked at.
ERRORS4, ERRORS6 = (3, 11, 12), (1, 2, 3, 4)


class Packet:
    """What a frame says, or kind None."""

    def __init__(self, frame):
        self.kind, self.ports, self.inner = None, (0, 0), None
        if frame[12:14] == b"\x08\x00":
            self.read_ip4(frame[14:])
        elif frame[12:14] == b"\x86\xdd":
            self.read_ip6(frame[14:])

    def read_ip4(self, ip):
        header = (ip[0] & 15) * 4
        self.src, self.dst = (socket.inet_ntop(socket.AF_INET, ip[at:at + 4]) for at in (12, 16))
        self.ttl = ip[8]
        self.read_transport(ip[9], ip[header:], struct.unpack("!H", ip[2:4])[0] - header, 1, ERRORS4)

    def read_ip6(self, ip):
        self.src, self.dst = (socket.inet_ntop(socket.AF_INET6, ip[at:at + 16]) for at in (8, 24))
        self.ttl = ip[7]
        self.read_transport(ip[6], ip[40:], struct.unpack("!H", ip[4:6])[0], 58, ERRORS6)

    def read_transport(self, proto, body, length, icmp, errors):
        if proto == icmp:
            if body[0] in errors and len(body) >= 28:
                self.kind, self.detail = "ICMP", "%d/%d" % (body[0], body[1])
                self.inner = Packet(b"\0" * 12 + (b"\x08\x00" if icmp == 1 else b"\x86\xdd") + body[8:])
        elif proto == 17:
            self.kind, self.ports, self.detail = "UDP", struct.unpack("!HH", body[:4]), ""
        elif proto == associations.PROTO:
            self.kind, self.ports = "SCTP", struct.unpack("!HH", body[:4])
            self.detail = associations.NAMES.get(body[12], str(body[12])) if len(body) > 12 else ""
        elif proto == 6 and len(body) >= 14:
            self.kind, self.ports = "TCP", struct.unpack("!HH", body[:4])
            flags = body[13] & 0x17
            payload = length - (body[12] >> 4) * 4
            self.detail = TCP_FLAGS.get(flags) or ("FIN" if flags & 1 else "DATA" if payload > 0 else "ACK")
        elif proto == 6:  # The eight bytes that an ICMP error quotes.
            self.kind, self.ports, self.detail = "TCP", struct.unpack("!HH", body[:4]), ""

    def about(self):
        """The packet, or the one that an error is about."""
        return self.inner if self.kind == "ICMP" else self

    def ends(self):
        about = self.about()
        return {(about.src, about.ports[0]), (about.dst, about.ports[1])}

    def warm_up(self):
        return WARM_UP_PORT in self.about().ports

    def names(self, known):
        return tuple("%s.%s" % (a, p if p in known else "R") for a, p in zip((self.src, self.dst), self.ports))

    def text(self, known):
        if self.kind == "ICMP":
            return "ICMP %s > %s %s about %s > %s ttl %d" % ((self.src, self.dst, self.detail) + self.inner.names(known) +
                                                             (self.ttl,))
        return "%s %s > %s %s ttl %d" % ((self.kind,) + self.names(known) + (self.detail, self.ttl))


class Sighting:
    """A packet on an interface at a time (seconds)."""

    def __init__(self, at, interface, packet):
        self.at, self.interface, self.packet, self.number = at, interface, packet, 0


class Capture:
    """Packet sockets on every interface of every namespace."""

    def __init__(self, spaces):
        self.sockets = {}
        for space in spaces:
            self.add(space)

    def add(self, space):
        sock = space.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sockets[sock] = space.label

    def drain(self):
        """The sightings that stand in the buffers, once none has come for 20 ms."""
        seen = []
        while True:
            ready, _, _ = select.select(list(self.sockets), [], [], 0.02)
            if not ready:
                return sorted(seen, key=lambda s: s.at)
            for sock in ready:
                self.read(sock, seen)

    def read(self, sock, seen):
        while True:
            try:
                frame, control, _, address = sock.recvmsg(2048, 64)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # The interface went away.
                continue
            packet = Packet(frame)
            if packet.kind and address[0] != "lo" and not packet.warm_up():
                seconds, nanoseconds = struct.unpack("ll", control[0][2]) if control else (0, 0)
                seen.append(Sighting(seconds + nanoseconds / 1e9, "%s/%s" % (self.sockets[sock], address[0]), packet))

    def forget(self, label):
        for sock in [s for s, owner in self.sockets.items() if owner == label]:
            del self.sockets[sock]
            sock.close()

    def close(self):
        for sock in self.sockets:
            sock.close()


def read_pcapng(data):
    """Sightings, with the simulation's own time."""
    names, at = [], 0
    while at + 12 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 1:
            names.append(interface_name(data, at, size))
        elif kind == 6:
            interface, high, low, caught = struct.unpack_from("<IIII", data, at + 8)
            packet = Packet(data[at + 28:at + 28 + caught])
            if packet.kind:
                yield Sighting((high << 32 | low) / 1e9 - EPOCH, names[interface], packet)
        at += size


def interface_name(data, at, size):
    options, name = at + 16, "?"
    while options < at + size - 4:
        code, length = struct.unpack_from("<HH", data, options)
        if code == 0:
            break
        if code == 2:
            name = data[options + 4:options + 4 + length].decode()
        options += 4 + (length + 3) // 4 * 4
    return name
