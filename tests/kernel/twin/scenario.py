"""A scenario as the twin needs it: its documents, and what svcsim says of it at a moment."""

import bisect
import glob
import itertools
import json
import os
import re
import subprocess
import tempfile

import yaml

from apps import seconds
from lab import PREFIX, sh
from topology import NotPlayable
from wire import read_pcapng

TRAFFIC = ("connect", "send", "resolve", "load")
PLACES = ("service/", "pod/", "node/", "lb/")  # What a `to` begins with that is no name of DNS.
MAX_FLOWS = 6  # Of the equal flows of a load or count.
MAX_REQUESTS = 2  # On one connection of a load: each can draw servers of its own, and a seed must agree with all.
APART = 0.5    # Seconds in which a flow is over.


def read_documents(path, seen=None):
    """Those of the file and of what it includes, each file once."""
    seen = set() if seen is None else seen
    path = os.path.realpath(path)
    if path in seen:
        return []
    seen.add(path)
    with open(path, encoding="utf-8") as file:
        documents = [d for d in yaml.safe_load_all(file) if d]
    for document in list(documents):
        if document["kind"] == "Scenario":
            for name in document["spec"].pop("include", []):
                documents += read_documents(os.path.join(os.path.dirname(path), name), seen)
    return documents


class Step:
    """One entry of the timeline."""

    def __init__(self, entry):
        self.at = seconds(entry["at"])
        (self.action, self.fields), = [(k, v) for k, v in entry.items() if k != "at"]
        self.name = self.fields.get("name", self.action) if isinstance(self.fields, dict) else self.action
        self.traffic = self.action in TRAFFIC


class Scenario:
    """The documents in one file, with kube-proxy's mode as asked."""

    def __init__(self, path, mode, network=None):
        self.name = os.path.basename(path)
        self.mode, self.documents = mode, read_documents(path)
        self.set_mode()
        # kube-proxy leaves out what the kernel cannot do; counting by name is a module that few kernels have.
        self.cluster().setdefault("kernel", {})["nfacct"] = []
        if network:
            self.cluster().setdefault("network", {})["kind"] = network
        self.thinned = {}
        self.thin_out(self.one("Scenario")["spec"].get("steps", []))
        self.steps = sorted((Step(s) for s in self.one("Scenario")["spec"].get("steps", [])), key=lambda s: s.at)
        handle, self.path = tempfile.mkstemp(prefix=PREFIX, suffix=".yaml")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yaml.safe_dump_all(self.documents, file)

    def set_mode(self):
        configs = [d for d in self.documents if d["kind"] == "KubeProxyConfiguration"]
        if not configs:
            # What svcsim takes where none is given.
            configs = [{"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
                        "clusterCIDR": ",".join(self.cluster().get("podCIDRs", ["10.244.0.0/16"]))}]
            self.documents += configs
        for config in configs:
            config["mode"] = self.mode

    def thin_out(self, entries):
        """Of many equal connections a few, over the same time, and where there is room each over before the next."""
        times = sorted(seconds(e["at"]) for e in entries)
        for entry in entries:
            step, at = Step(entry), seconds(entry["at"])
            if step.action == "load":
                time = seconds(step.fields.get("for", "1s"))
                self.thinned[step.name] = step.fields.get("rate", "10/s")
                step.fields["rate"] = "%g/s" % ((MAX_REQUESTS if step.fields.get("keepAlive") else MAX_FLOWS) / time)
            elif step.traffic and step.fields.get("count", 1) > 1:
                count = min(step.fields["count"], MAX_FLOWS)
                room = (min([t for t in times if t > at], default=at + 60) - at) / count
                if count < step.fields["count"]:
                    self.thinned[step.name] = "%d" % step.fields["count"]
                step.fields.update(count=count, interval="%dms" % max(1, min(room, APART) * 1000))

    def one(self, kind):
        return next((d for d in self.documents if d["kind"] == kind), None)

    def all(self, kind):
        return [d for d in self.documents if d["kind"] == kind]

    def cluster(self):
        if not self.one("Cluster"):
            self.documents.append({"apiVersion": "svcsim/v1", "kind": "Cluster", "metadata": {"name": "twin"}, "spec": {}})
        return self.one("Cluster")["spec"]

    def title(self):
        return "%s, %s, %s" % (self.name, self.network(), self.mode)

    def network(self):
        return self.cluster().get("network", {}).get("kind", "routed")

    def kernel(self, node):
        """spec.kernel, with the node's own fields over it."""
        merged = dict(self.cluster().get("kernel", {}))
        for own in self.cluster().get("nodes", []):
            if own["name"] == node:
                merged.update(own.get("kernel", {}))
        return merged

    def sysctls(self, node):
        """As the scenario has them; and route_localnet, which kube-proxy sets."""
        own = next((n for n in self.cluster().get("nodes", []) if n["name"] == node), {})
        if own.get("interfaces"):
            raise NotPlayable("interfaces of a node beside eth0 are not built")
        proxy = self.one("KubeProxyConfiguration")
        iptables = {**proxy.get("iptables", {}), **own.get("kubeProxy", {}).get("iptables", {})}
        localhost = iptables.get("localhostNodePorts", True)
        mode = own.get("kubeProxy", {}).get("mode", self.mode)
        return {"net.ipv4.conf.all.route_localnet": int(mode == "iptables" and localhost),
                **self.kernel(node).get("sysctls", {})}

    def clients(self):
        return {c["name"]: [str(a) for a in c.get("addresses", []) or [c["address"]]]
                for c in self.cluster().get("clients", [])}

    def get(self, program, kind, at):
        text = sh(program, "get", kind, self.path, "-A", "-o", "json", "--at", "%dus" % round(at * 1e6))
        return json.loads(text)["items"]

    def outside_routes(self, program, at):
        """[(prefix, next hop)] of single addresses that the router sends to a node: announced, or told by "via"."""
        found = []
        for version in ("-4", "-6"):
            text = sh(program, "ip", self.path, "--host", "router", version, "--at", "%dus" % round(at * 1e6), "route")
            found += re.findall(r"^([0-9a-f.:]+) via ([0-9a-f.:]+) dev br-lan", text, re.M)
        return found

    def remove(self):
        os.unlink(self.path)


class Simulation:
    """What one run said: all of it, or up to a moment."""

    def __init__(self, program, scenario, seed, until=None):
        self.seed = seed
        limit = [] if until is None else ["--until", "%dus" % round(until * 1e6), "--no-capture"]
        with tempfile.TemporaryDirectory(prefix=PREFIX) as out:
            done = subprocess.run([program, "run", scenario.path, "--out", out, "--seed", str(seed)] + limit,
                                  capture_output=True, text=True, check=False)
            if done.returncode > 1:
                raise RuntimeError("%s: %s" % (scenario.name, done.stderr))
            with open(out + "/flows.json", encoding="utf-8") as file:
                self.flows = json.load(file)["flows"]
            self.sightings, self.by_end = [], {}
            if until is None:
                self.read_trace(out + "/trace.pcapng")
            self.files = {os.path.basename(path): open(path, encoding="utf-8").read()
                          for suffix in ("conntrack", "iptables-save", "ip6tables-save", "nft")
                          for path in glob.glob(out + "/*." + suffix)}

    def read_trace(self, path):
        with open(path, "rb") as file:
            self.sightings = list(read_pcapng(file.read()))
        for number, sighting in enumerate(self.sightings):
            sighting.number = number
            for end in sighting.packet.ends():
                self.by_end.setdefault(end, []).append(sighting)

    def since(self, at):
        return itertools.islice(self.sightings, bisect.bisect_left(self.sightings, at - 1e-6, key=lambda s: s.at), None)

    def units(self, name):
        """The flows of a step: each with those that it caused ("page/backend:3000")."""
        own = [f for f in self.flows if re.fullmatch(re.escape(name) + r"(#\d+)?", f["name"])]
        return [Unit(self, [f] + [g for g in self.flows if g["name"].startswith(f["name"] + "/")]) for f in own]


class Unit:
    """One flow of a simulation, with those that it caused, and their packets."""

    def __init__(self, simulation, flows):
        self.flow, self.flows, self.simulation = flows[0], flows, simulation
        self.start = self.flow["start"]
        # What is over for the client is not yet over on the wire: the last acknowledgements.
        self.end = max(f["start"] + (f["durationMs"] or 0) / 1e3 for f in flows) + 0.2

    def ends(self):
        """(address, port) of the unit's own ends: the clients, also as servers saw them."""
        found = set()
        for flow in self.flows:
            texts = [t["from"] for t in flow["snat"]] + [t["to"] for t in flow["snat"]]
            if flow["server"]:
                texts.append(flow["server"]["sourceSeen"])
            found |= {split_end(t) for t in texts}
        opening = self.opening()
        if opening:
            found.add((opening.src, opening.ports[0]))
        return found

    def opening(self):
        """The first packet that the client sent: it says the port, also where nobody answered."""
        address, port = split_end(self.flow["dialed"]) if self.flow["dialed"] else (None, 0)
        kind, _, name = self.flow["from"].partition("/")
        where = {"node": name, "pod": "pod/" + name.removeprefix("default/")}.get(kind, self.flow["from"]) + "/"
        for s in self.simulation.since(self.start):
            if s.at > self.end:
                return None
            if s.interface.startswith(where) and s.packet.kind in ("TCP", "UDP", "SCTP") and s.packet.dst == address and \
                    s.packet.ports[1] == (port or 53):
                return s.packet
        return None

    def sightings(self):
        """In order of time."""
        found = [s for end in self.ends() for s in self.simulation.by_end.get(end, []) if self.lasts(s)]
        if self.asks():
            found += [s for s in self.simulation.since(self.start) if self.lasts(s) and s.packet.about().kind == "UDP" and
                      53 in s.packet.about().ports]
        return sorted({s.number: s for s in found}.values(), key=lambda s: s.number)

    def lasts(self, sighting):
        return self.start - 1e-6 <= sighting.at < self.end

    def askers(self):
        """(address, port) that asked for names."""
        if not self.asks():
            return set()
        return {(s.packet.src, s.packet.ports[0]) for s in self.sightings()
                if s.packet.kind == "UDP" and s.packet.ports[1] == 53}

    def asks(self):
        """Names are looked up in this unit."""
        return any(not f["to"].startswith(PLACES) and not is_address(f["to"]) for f in self.flows)


def split_end(text):
    """"10.0.0.1:80", "[fd00::1]:80", or an address alone."""
    if text.startswith("["):
        address, _, port = text[1:].partition("]:")
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    else:
        address, port = text, "0"
    return address, int(port or 0)


def is_address(text):
    host = split_end(text.split("/")[0])[0]
    return bool(host) and all(c in "0123456789abcdef.:" for c in host) and (":" in host or host.count(".") == 3 and
                                                                          host.replace(".", "").isdigit())
