"""Associations over raw sockets: kernels without the module have no sockets for SCTP, but their routers treat it all the same.

What is said is what sim/transport/sctp.c says: the handshake of four, then SHUTDOWN; ABORT where nobody listens."""

import errno
import ipaddress
import random
import select
import socket
import struct
import threading
import time

PROTO = 132
INIT, INIT_ACK, ABORT, SHUTDOWN, SHUTDOWN_ACK, COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE = 1, 2, 6, 7, 8, 10, 11, 14
NAMES = {INIT: "INIT", INIT_ACK: "INIT-ACK", ABORT: "ABORT", SHUTDOWN: "SHUTDOWN", SHUTDOWN_ACK: "SHUTDOWN-ACK",
         COOKIE_ECHO: "COOKIE-ECHO", COOKIE_ACK: "COOKIE-ACK", SHUTDOWN_COMPLETE: "SHUTDOWN-COMPLETE"}
T_BIT = 1  # The tag is the receiver's own, reflected.
COOKIE = b"\0" * 8
asked = set()  # (namespace's label, port) that began an association: what comes to these a Host there hears, too.


def crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)
    return table


CRC32C = crc_table()


def checksum(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 255]
    return crc ^ 0xffffffff


class Chunk:
    """A packet with one chunk.  init_tag: what INIT and INIT ACK announce."""

    def __init__(self, kind, ports, tag, init_tag=0, flags=0):
        self.kind, self.ports, self.tag, self.init_tag, self.flags = kind, ports, tag, init_tag, flags

    def build(self):
        value = b""
        if self.kind in (INIT, INIT_ACK):
            value = struct.pack("!IIHHI", self.init_tag, 65535, 1, 1, 1)
        if self.kind == INIT_ACK:
            value += struct.pack("!HH", 7, 4 + len(COOKIE)) + COOKIE
        if self.kind == COOKIE_ECHO:
            value = COOKIE
        if self.kind == SHUTDOWN:
            value = bytes(4)
        chunk = struct.pack("!BBH", self.kind, self.flags, 4 + len(value)) + value
        head = struct.pack("!HHI", *self.ports, self.tag)
        return head + struct.pack("<I", checksum(head + bytes(4) + chunk)) + chunk

    @staticmethod
    def parse(data):
        source, target, tag = struct.unpack("!HHI", data[:8])
        init_tag = struct.unpack("!I", data[16:20])[0] if data[12] in (INIT, INIT_ACK) else 0
        return Chunk(data[12], (source, target), tag, init_tag, data[13])

    def answer(self, kind, init_tag=0, to=0):
        """To the sender, whose tag is `to`; 0: reflected."""
        return Chunk(kind, self.ports[::-1], to or self.tag, init_tag, 0 if to else T_BIT)


def raw_socket(space, version):
    return space.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_RAW, PROTO)


def receive(sock):
    """(chunk, sender's address)."""
    data, peer = sock.recvfrom(2000)
    if sock.family == socket.AF_INET:
        data = data[(data[0] & 15) * 4:]
    return Chunk.parse(data), peer[0]


class Host:
    """Who answers associations in a namespace, at its listening ports."""

    def __init__(self, space):
        self.sockets = [raw_socket(space, version) for version in (4, 6)]
        self.label, self.ports, self.peers = space.label, set(), {}
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while self.sockets:
            try:
                for sock in select.select(self.sockets, [], [], 1)[0]:
                    chunk, sender = receive(sock)
                    answer = self.answer(chunk, sender)
                    if answer:
                        sock.sendto(answer.build(), (sender, 0))
            except (OSError, ValueError):  # Closed, or an answer that found no way.
                continue

    def answer(self, chunk, sender):
        key = (sender, chunk.ports)
        if (self.label, chunk.ports[1]) in asked:
            return None
        if chunk.ports[1] not in self.ports:
            return None if chunk.kind in (ABORT, SHUTDOWN_COMPLETE) else chunk.answer(ABORT, to=chunk.init_tag)
        if chunk.kind == INIT:
            self.peers[key] = chunk.init_tag
            return chunk.answer(INIT_ACK, random.getrandbits(32) | 1, to=chunk.init_tag)
        kinds = {COOKIE_ECHO: COOKIE_ACK, SHUTDOWN: SHUTDOWN_ACK}
        if chunk.kind in kinds and key in self.peers:
            return chunk.answer(kinds[chunk.kind], to=self.peers[key])
        return None

    def close(self):
        sockets, self.sockets = self.sockets, []
        for sock in sockets:
            sock.close()


def associate(space, address, port, timeout, source_port=0):
    """Opens and ends an association.  Raises what a connect() would."""
    own, peer = random.getrandbits(32) | 1, 0
    ports = (source_port or random.randrange(32768, 61000), port)
    asked.add((space.label, ports[0]))
    with raw_socket(space, ipaddress.ip_address(address).version) as sock:
        sock.connect((address, 0))
        deadline = time.monotonic() + timeout
        sock.send(Chunk(INIT, ports, 0, own).build())
        while True:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            chunk, _ = receive(sock)
            if chunk.ports != ports[::-1] or chunk.tag != own:
                continue
            if chunk.kind == INIT_ACK:
                peer = chunk.init_tag
                sock.send(Chunk(COOKIE_ECHO, ports, peer).build())
            elif chunk.kind == COOKIE_ACK:
                sock.send(Chunk(SHUTDOWN, ports, peer).build())
            elif chunk.kind == SHUTDOWN_ACK:
                sock.send(chunk.answer(SHUTDOWN_COMPLETE).build())
                return
            elif chunk.kind == ABORT:
                raise ConnectionRefusedError(errno.ECONNREFUSED, "ABORT")
