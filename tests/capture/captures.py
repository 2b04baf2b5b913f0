#!/usr/bin/env python3
"""Reads the captures of healthy scenarios back with tshark, each interface by itself: no expert warning or error, right
checksums, HTTP and DNS dissected, and what the flows say of rewriting is what the packets at both ends show.

Usage: captures.py SVCSIM"""

import collections
import concurrent.futures
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile

HEALTHY = ("01-two-tier", "05-dns", "11-nodeport", "16-pod-addresses")
FIELDS = ("_ws.expert.severity", "_ws.expert.message", "ip.checksum.status", "tcp.checksum.status",
          "udp.checksum.status", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport",
          "http.request.method", "http.response.code", "dns.a", "_ws.malformed")
CHECKS = ("ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE")
WARN = 0x600000  # Notes and chats are below.


def tshark(path, fields, *options):
    command = ["tshark", "-r", path, "-T", "fields", "-E", "occurrence=a"]
    for check in CHECKS:
        command += ["-o", check]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command + list(options), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("tshark cannot read %s: %s" % (path, done.stderr))
    return [dict(zip(fields, line.split("\t"))) for line in done.stdout.splitlines()]


def split(path, folder):
    """One nanosecond pcap for each interface of a pcapng; returns name -> path."""
    data = open(path, "rb").read()
    names, packets = [], collections.defaultdict(list)
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 1:
            option, name = at + 16, None
            while option < at + length - 4:
                code, size = struct.unpack_from("<HH", data, option)
                if code == 2:
                    name = data[option + 4:option + 4 + size].decode()
                if code == 0:
                    break
                option += 4 + (size + 3 & ~3)
            names.append(name)
        elif kind == 6:
            interface, high, low, captured, original = struct.unpack_from("<IIIII", data, at + 8)
            packets[interface].append((high << 32 | low, original, data[at + 28:at + 28 + captured]))
        at += length
    paths = {}
    for interface, records in packets.items():
        if names[interface].startswith("router/"):  # The same packets as at the other ends of its cables.
            continue
        paths[names[interface]] = "%s/%d.pcap" % (folder, interface)
        with open(paths[names[interface]], "wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, 1))
            for time, original, frame in records:
                out.write(struct.pack("<IIII", time // 10**9, time % 10**9, len(frame), original) + frame)
    return paths


def check_health(where, rows):
    for number, row in enumerate(rows, 1):
        for severity, message in zip(row["_ws.expert.severity"].split(","), row["_ws.expert.message"].split(",")):
            if severity and int(severity) >= WARN:
                yield "%s: packet %d: %s" % (where, number, message)
        for layer in ("ip", "tcp", "udp"):
            # The header that an ICMP error quotes comes second and is not ours to judge.
            status = row[layer + ".checksum.status"].split(",")[0]
            if status not in ("", "1"):
                yield "%s: packet %d: %s checksum is not right (status %s)" % (where, number, layer, status)
        if row["_ws.malformed"]:
            yield "%s: packet %d is malformed" % (where, number)


def endpoint(text):
    address, port = text.rsplit(":", 1)
    return address, port


def has(rows, source, target):
    """Is there a packet from source to target?  None and port None: any."""
    for row in rows:
        ports = (row["tcp.srcport"] or row["udp.srcport"]).split(",")[0], (row["tcp.dstport"] or row["udp.dstport"]).split(",")[0]
        got = ((row["ip.src"], ports[0]), (row["ip.dst"], ports[1]))
        if all(want is None or (want[0] == have[0] and want[1] in (None, have[1]))
               for want, have in zip((source, target), got)):
            return True
    return False


def check_flow(flow, by_interface):
    """The flow's claims at the server's and at the client's own interface."""
    server = flow["server"]
    at_client = by_interface.get(flow["from"] + "/eth0")
    at_server = server and server["pod"] and by_interface.get(
        "pod/" + server["pod"].removeprefix("default/") + "/eth0")
    if flow["outcome"] != "connected" or not server:
        return
    if at_server is None:
        yield "%s: no capture at %s" % (flow["name"], server["pod"])
    elif not has(at_server, endpoint(server["sourceSeen"]), endpoint(server["address"])):
        yield "%s: the pod sees no packet %s > %s" % (flow["name"], server["sourceSeen"], server["address"])
    elif not has(at_server, endpoint(server["address"]), endpoint(server["sourceSeen"])):
        yield "%s: the pod sends no answer" % flow["name"]
    if at_client is None or flow["proto"] != "tcp":
        return
    dialed = endpoint(flow["dialed"])
    if not has(at_client, None, dialed) or not has(at_client, dialed, None):
        yield "%s: the client's packets do not name %s" % (flow["name"], flow["dialed"])
    hairpin = at_client is at_server
    if flow["dnat"] and not hairpin and has(at_client, None, endpoint(server["address"])):
        yield "%s: the client sees the pod's address in spite of DNAT" % flow["name"]
    if not flow["dnat"] and server["address"] != flow["dialed"]:
        yield "%s: another server than dialed, without DNAT" % flow["name"]
    own = {row["ip.src"] for row in at_client if (row["ip.dst"], row["tcp.dstport"]) == dialed}
    seen = endpoint(server["sourceSeen"])[0]
    if own and not flow["snat"] and seen not in own:
        yield "%s: the source changed from %s to %s without SNAT" % (flow["name"], own, seen)


def check_comments(path, flows):
    rows = tshark(path, ("frame.interface_name", "frame.comment"))
    if not all(row["frame.interface_name"] for row in rows):
        yield path + ": a packet without interface name"
    comments = "\n".join(row["frame.comment"] for row in rows)
    for flow in flows:
        for rewrite in flow["dnat"] + flow["snat"]:
            if rewrite["rule"] and rewrite["rule"].split()[0] not in comments:
                yield "%s: no comment names %s" % (path, rewrite["rule"])


def check_scenario(svcsim, name):
    errors, n = [], 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([svcsim, "run", "scenarios/article/%s.yaml" % name, "--out", folder], check=True,
                       capture_output=True)
        flows = json.load(open(folder + "/flows.json"))["flows"]
        os.mkdir(folder + "/split")
        paths = split(folder + "/trace.pcapng", folder + "/split")
        by_interface = {}
        for interface, path in sorted(paths.items()):
            by_interface[interface] = tshark(path, FIELDS)
            errors += check_health("%s at %s" % (name, interface), by_interface[interface])
            n += 1
        for flow in flows:
            errors += ["%s: %s" % (name, error) for error in check_flow(flow, by_interface)]
            n += 1
        errors += check_comments(folder + "/trace.pcapng", flows)
        rows = [row for rows in by_interface.values() for row in rows]
        if not any("200" in row["http.response.code"] for row in rows):
            errors.append(name + ": no HTTP answer dissected")
        if name == "05-dns" and not any("10.96.5.81" in row["dns.a"] for row in rows):
            errors.append(name + ": no DNS answer dissected")
        n += 2
    return n, errors


def check_pcaps(svcsim, name):
    """The captures that a scenario itself asks for."""
    errors = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([svcsim, "run", "scenarios/article/%s.yaml" % name, "--out", folder], check=True,
                       capture_output=True)
        paths = sorted(glob.glob(folder + "/*.pcap"))
        for path in paths:
            errors += check_health(os.path.basename(path), tshark(path, FIELDS))
    return len(paths), errors if paths else [name + ": no capture"]


def main():
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda name: check_scenario(sys.argv[1], name), HEALTHY))
        results.append(check_pcaps(sys.argv[1], "article"))
    errors = [error for _, found in results for error in found]
    for error in errors:
        print("FAIL " + error)
    print("%d passed, %d failed, 0 skipped" % (sum(n for n, _ in results) - len(errors), len(errors)))
    return 1 if errors else 0


sys.exit(main())
