"""What runs in pods, and clients that call it: HTTP as the simulator's applications speak it (model/network/pod_apps.c,
app_work.c), echo by UDP, and cluster DNS with a resolver that asks as glibc does (A and AAAA from one socket, search list
by ndots)."""

import errno
import ipaddress
import json
import re
import socket
import struct
import threading
import time

import associations

CLUSTER_DOMAIN = "cluster.local"
NDOTS = 5
A, AAAA = 1, 28
DNS_ATTEMPTS = 2
IP_RECVERR, IPV6_RECVERR = 11, 25  # glibc asks for ICMP errors (resolv/res_enable_icmp.c).
# A server answers when both questions are there: otherwise the scheduler decides how they mix.
DNS_DELAY = 0.002


def plain(address):
    """Without the mapping that an IPv6 socket shows IPv4 by."""
    address = ipaddress.ip_address(address.split("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address)


class Servers:
    """Listening sockets and their threads."""

    def __init__(self):
        self.sockets, self.hosts = {}, {}

    def speak_sctp(self, space, port=None):
        """As a kernel that has loaded its module: from then on what nobody takes is answered by ABORT."""
        if space.label not in self.hosts:
            self.hosts[space.label] = associations.Host(space)
        if port:
            self.hosts[space.label].ports.add(port)

    def listen(self, space, port, proto, handler):
        if (space.label, port, proto) in self.sockets:
            return
        sock = space.socket(socket.AF_INET6, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::", port))
        if proto == "tcp":
            sock.listen(64)
        self.sockets[space.label, port, proto] = sock
        threading.Thread(target=accept_all if proto == "tcp" else answer_all, args=(sock, handler), daemon=True).start()

    def close(self, label=None):
        for key in [k for k in self.sockets if label is None or k[0] == label]:
            sock = self.sockets.pop(key)
            try:
                sock.shutdown(socket.SHUT_RDWR)  # Wakes who waits in accept().
            except OSError:
                pass
            sock.close()
        for key in [k for k in self.hosts if label is None or k == label]:
            self.hosts.pop(key).close()


def accept_all(server, handler):
    while True:
        try:
            conn, peer = server.accept()
        except OSError:
            return
        threading.Thread(target=serve_http, args=(conn, plain(peer[0]), handler), daemon=True).start()


def answer_all(server, handler):
    while True:
        try:
            data, peer = server.recvfrom(2000)
            if peer is None:  # Shut down.
                return
            server.sendto(handler(data, plain(peer[0])), peer)
        except OSError:
            if server.fileno() < 0:
                return


def serve_http(conn, source, handler):
    """handler(source) returns (status, body)."""
    try:
        conn.settimeout(10)
        while True:
            head = read_head(conn)
            if not head:
                break
            if getattr(handler, "proxy_protocol", False):  # Nobody here speaks it.
                break
            status, body = handler(source)
            conn.sendall(("HTTP/1.1 %d %s\r\nContent-Length: %d\r\n\r\n%s" % (status, "OK" if status == 200 else "No",
                                                                             len(body), body)).encode())
            if "connection: close" in head.lower():
                break
        conn.close()
    except OSError:
        conn.close()


def read_head(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(4000)
        if not more:
            return ""
        data += more
    return data.decode()


class Application:
    """A pod's: its latency, then its calls one after the other, then the pod's name and what it saw."""

    def __init__(self, pod, space, spec, resolver):
        self.pod, self.space, self.resolver = pod, space, resolver
        self.calls = (spec.get("http") or {}).get("calls", [])
        self.proxy_protocol = spec.get("proxyProtocol", False)
        self.latency = seconds(spec.get("latency", "0s"))

    def __call__(self, source):
        time.sleep(self.latency)
        status = 200
        for call in self.calls:
            host, port = call.rsplit(":", 1)
            addresses = self.resolver.resolve(self.space, host, self.pod.split("/")[0])
            client = HttpClient(self.space, addresses[0], int(port)) if addresses else None
            if not client or client.exchange(5)[0] != "connected":
                status = 502
        return status, json.dumps({"pod": self.pod, "source": source})

    def echo(self, _, source):
        return json.dumps({"pod": self.pod, "source": source}).encode()


UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text):
    """"1500ms", "2m30s"."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(us|ms|s|m|h)", str(text)))


# --- HTTP client ------------------------------------------------------------------------------------------------------

REFUSED = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EPERM, errno.EINVAL)


def outcome_of(error):
    if isinstance(error, TimeoutError) or error.errno in (errno.ETIMEDOUT, errno.EAGAIN):
        return "timeout"
    return "reset" if error.errno in (errno.ECONNRESET, errno.EPIPE) else "refused"


class HttpClient:
    """One connection."""

    def __init__(self, space, address, port, source_port=0):
        version = ipaddress.ip_address(address).version
        self.sock = space.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        self.peer, self.status, self.answer = (address, port), None, {}
        if source_port:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind(("", source_port))

    def connect(self, timeout):
        self.sock.settimeout(timeout)
        self.sock.connect(self.peer)

    def request(self, path="/", close=True):
        ending = "Connection: close\r\n" if close else ""
        self.sock.sendall(("GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path, ending)).encode())
        head, _, body = self.read_answer(close)
        if not head:
            raise ConnectionResetError(errno.ECONNRESET, "closed early")
        self.status = int(head.split()[1])
        self.answer = json.loads(body) if body.startswith("{") else {}

    def read_answer(self, to_the_end):
        data = b""
        while True:
            head, found, body = data.partition(b"\r\n\r\n")
            if found and not to_the_end and len(body) >= int(head.split(b"Content-Length: ")[1].split()[0]):
                break
            more = self.sock.recv(4000)
            if not more:
                break
            data += more
        return data.decode().partition("\r\n\r\n")

    def exchange(self, timeout, path="/"):
        """Connects, asks once and closes.  Returns (outcome, the answer's object)."""
        try:
            self.connect(timeout)
            self.request(path)
            return "connected", self.answer
        except (OSError, TimeoutError) as error:
            return outcome_of(error), {}
        finally:
            self.sock.close()


def datagram(space, address, port, timeout, source_port=0):
    version = ipaddress.ip_address(address).version
    with space.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            if source_port:
                sock.bind(("", source_port))
            sock.settimeout(timeout)
            sock.connect((address, port))
            sock.send(b"hello")
            return "connected", json.loads(sock.recv(2000))
        except (OSError, TimeoutError) as error:
            return outcome_of(error), {}


# --- DNS --------------------------------------------------------------------------------------------------------------

def question(number, name, kind):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", number, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def read_question(data):
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels), struct.unpack("!H", data[at + 1:at + 3])[0], at + 5


class Dns:
    """CoreDNS: names {"web.default.svc.cluster.local": [addresses]}."""

    def __init__(self):
        self.names = {}

    def answer(self, data, _):
        time.sleep(DNS_DELAY)
        name, kind, end = read_question(data)
        found = [ipaddress.ip_address(a) for a in self.names.get(name, [])]
        found = [a for a in found if a.version == (4 if kind == A else 6)]
        flags = 0x8580 if name in self.names else 0x8583
        return data[:2] + struct.pack("!5H", flags, 1, len(found), 0, 0) + data[12:end] + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 5, len(a.packed)) + a.packed for a in found)


class Resolver:
    """resolv.conf of a pod: the cluster's DNS Service and the search list of its namespace."""

    def __init__(self):
        self.server = None

    def resolve(self, space, name, namespace):
        search = ["%s.svc.%s" % (namespace, CLUSTER_DOMAIN), "svc." + CLUSTER_DOMAIN, CLUSTER_DOMAIN]
        candidates = [name.rstrip(".")]
        if not name.endswith("."):
            listed = ["%s.%s" % (name, s) for s in search]
            candidates = candidates + listed if name.count(".") >= NDOTS else listed + candidates
        for candidate in candidates if self.server else []:
            addresses = self.ask(space, candidate)
            if addresses:
                return addresses
        return []

    def ask(self, space, name):
        version = ipaddress.ip_address(self.server).version
        for _ in range(DNS_ATTEMPTS):
            with space.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
                sock.settimeout(2)
                wish = (socket.IPPROTO_IP, IP_RECVERR) if version == 4 else (socket.IPPROTO_IPV6, IPV6_RECVERR)
                sock.setsockopt(*wish, 1)
                sock.connect((self.server, 53))
                # An error is there at once where links have no latency: the second question is asked all the same.
                refused = sum(not send_surely(sock, question(n, name, k)) for n, k in ((1, A), (2, AAAA)))
                if not refused:
                    return receive_answers(sock)
        return []


def send_surely(sock, data):
    """Returns False if the send reported the error of what was sent before."""
    try:
        sock.send(data)
        return True
    except OSError:
        sock.send(data)
        return False


def receive_answers(sock):
    answers = {}
    try:
        while len(answers) < 2:
            data = sock.recv(2000)
            answers[data[1]] = read_addresses(data)
    except (OSError, TimeoutError):
        pass
    return answers.get(1, []) + answers.get(2, [])


def read_addresses(data):
    _, _, at = read_question(data)
    found = []
    for _ in range(struct.unpack("!H", data[6:8])[0]):
        size = struct.unpack("!H", data[at + 10:at + 12])[0]
        found.append(str(ipaddress.ip_address(data[at + 12:at + 12 + size])))
        at += 12 + size
    return found
