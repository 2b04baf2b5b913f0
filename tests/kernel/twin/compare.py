"""The packets, the outcome and the connections of one flow, in the kernel and in the simulation.

Compared per interface: the order of all that opens, refuses or breaks (SYN, SYN-ACK, RST, ICMP errors, SCTP), and for each
direction of a connection that of data, FIN and datagrams (how the two directions mix depends on when a process is woken)."""

import re

from scenario import split_end

# Of packets that open or end: all directions together.  The rest: each direction for itself.  Pure acknowledgements are
# left out: when they ride on data is a matter of microseconds.
WHOLE = ("SYN", "SYN-ACK", "RST", "RST-ACK")
EACH = ("DATA", "FIN")


def table_of(sightings, known, only_first):
    """{interface, or interface and direction: [texts in order]}.  only_first: repetitions are not counted."""
    table = {}
    for s in sightings:
        packet = s.packet
        if s.interface.endswith("/lo"):  # There a kernel shows what is never on a wire, twice.
            continue
        text = packet.text(known)
        if packet.kind in ("ICMP", "SCTP") or packet.detail in WHOLE:
            key = s.interface
        elif packet.kind == "UDP" or packet.detail in EACH:
            key = "%s %s > %s" % ((s.interface,) + packet.names(known))
        else:
            continue
        lines = table.setdefault(key, [])
        if not (only_first and text in lines):
            lines.append(text)
    return table


def packet_differences(kernel, simulated):
    lines = []
    for key in sorted(set(kernel) | set(simulated)):
        mine, theirs = kernel.get(key, []), simulated.get(key, [])
        if mine != theirs:
            lines += ["%s: - kernel    %s" % (key, p) for p in mine]
            lines += ["%s: + simulator %s" % (key, p) for p in theirs]
    return lines


LIVE = ("ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE")
PROTOCOLS = ("tcp", "udp", "sctp")


def port_word(word, known):
    return re.sub(r"port=(\d+)", lambda m: "port=%s" % (m.group(1) if int(m.group(1)) in known else "R"), word)


def connections(text, known, ends=None):
    """conntrack -L lines without what is volatile.  How far a connection has been closed is left out, and with it
    [ASSURED]: closing takes time.  `ends`: only connections of these (address, port)."""
    result = set()
    for line in text.splitlines():
        words = [w for w in line.split() if not w.startswith(("use=", "mark="))]
        while words and words[0] in ("ipv4", "ipv6"):
            words = words[2:]
        if len(words) < 6 or words[0] not in PROTOCOLS or "dport=9" in words:  # WARM_UP_PORT
            continue
        if ends is not None and not tuples_of(words) & ends:
            continue
        state = words[3] if words[0] != "udp" else ""
        rest = [port_word(w, known) for w in words[4 if state else 3:]]
        if words[0] == "tcp" and state in LIVE:
            state = "LIVE"
            rest = [w for w in rest if w != "[ASSURED]"]
        result.add(" ".join([words[0], state] + rest))
    return result


def tuples_of(words):
    values = {}
    found = set()
    for word in words:
        key, _, value = word.partition("=")
        values[key] = value
        if key == "dport":
            found |= {(values["src"], int(values["sport"])), (values["dst"], int(values["dport"]))}
    return found


def outcome_differences(unit, outcome, answer, status):
    flow, server, lines = unit.flow, unit.flow["server"], []
    if flow["outcome"] != outcome:
        lines.append("outcome: kernel %s, simulator %s" % (outcome, flow["outcome"]))
    if outcome == "connected" and server and answer.get("pod"):
        if server["pod"] != answer["pod"]:
            lines.append("server: kernel %s, simulator %s" % (answer["pod"], server["pod"]))
        if split_end(server["sourceSeen"])[0] != answer["source"]:
            lines.append("source seen: kernel %s, simulator %s" % (answer["source"], server["sourceSeen"]))
    if status and flow.get("status") and status != flow["status"]:
        lines.append("status: kernel %s, simulator %s" % (status, flow["status"]))
    if "addresses" in answer and flow["dialed"] not in answer["addresses"]:
        lines.append("addresses: kernel %s, simulator %s" % (answer["addresses"], flow["dialed"]))
    return lines
