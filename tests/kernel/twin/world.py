"""The cluster of a scenario at a moment: namespaces for its pods, servers in them, rules in its nodes."""

import re
import socket
import struct

from apps import Application, Dns, Resolver, Servers
from scenario import Simulation
from topology import Topology, family, label_of

# Connections are tracked on every node, whatever kube-proxy's rules are: kubelet's own rules ask for their state.
TRACKING = "".join("add table %s twin\nadd chain %s twin c { type filter hook output priority 300; }\n"
                   "add rule %s twin c ct state invalid counter\n" % (f, f, f) for f in ("ip", "ip6"))
# What `conntrack -F` sends: IPCTNL_MSG_CT_DELETE of nothing in particular, with an answer asked for.
NETLINK_NETFILTER = 12
FLUSH = struct.pack("=IHHII", 20, 1 << 8 | 2, 5, 1, 0) + bytes(4)
ZONE = "topology.kubernetes.io/zone"


def full_name(item):
    return "%s/%s" % (item["metadata"].get("namespace", "default"), item["metadata"]["name"])


def matches(selector, labels):
    return all(labels.get(k) == v for k, v in selector.items())


class World:
    """All of a scenario that stands in namespaces."""

    def __init__(self, program, scenario):
        self.program, self.scenario = program, scenario
        self.servers, self.dns, self.resolver = Servers(), Dns(), Resolver()
        self.pods, self.loaded, self.known, self.ready = {}, {}, {53}, {}
        nodes = {n["metadata"]["name"]: n for n in scenario.get(program, "nodes", 0)}
        self.topology = Topology(
            scenario.network(),
            {name: ([a["address"] for a in n["status"]["addresses"] if a["type"] == "InternalIP"],
                    n["spec"].get("podCIDRs") or [n["spec"]["podCIDR"]]) for name, n in nodes.items()},
            {name: n["metadata"].get("labels", {}).get(ZONE) for name, n in nodes.items()},
            scenario.clients(), scenario.sysctls)

        for node in self.topology.nodes.values():
            node.space.run("nft", "-f", "-", stdin=TRACKING)

    def space_of(self, who):
        """Of "pod/web-0", "node/minikube", "client/laptop"."""
        kind, _, name = who.partition("/")
        labels = {"node": name, "pod": label_of(name if "/" in name else "default/" + name)}
        return self.topology.spaces[labels.get(kind, who)]

    def become(self, at, capture=None):
        """The world as the scenario has it at that time."""
        items = {full_name(p): p for p in self.scenario.get(self.program, "pods", at)
                 if p["status"].get("phase") == "Running" and p["status"].get("podIPs")}
        slices = self.scenario.get(self.program, "endpointslices", at)
        services = self.scenario.get(self.program, "services", at)
        for name in set(self.pods) - set(items):
            self.remove_pod(name, capture)
        for name in sorted(set(items) - set(self.pods)):
            self.add_pod(name, items[name], capture)
        for name, item in items.items():
            self.listen(name, item, slices)
        self.learn(services, slices)
        self.load_rules(at)

    # --- Pods and servers ---------------------------------------------------------------------------------------------

    def add_pod(self, name, item, capture):
        spec = item["spec"]
        self.pods[name] = item
        if not spec.get("hostNetwork"):
            space = self.topology.add_pod(name, [a["ip"] for a in item["status"]["podIPs"]], spec["nodeName"])
            if capture:
                capture.add(space)

    def remove_pod(self, name, capture):
        item = self.pods.pop(name)
        if not item["spec"].get("hostNetwork"):
            self.servers.close(label_of(name))
            if capture:
                capture.forget(label_of(name))
            self.topology.remove_pod(name)

    def listen(self, name, item, slices):
        spec = item["spec"]
        space = self.topology.spaces[spec["nodeName"] if spec.get("hostNetwork") else label_of(name)]
        app = Application(name, space, self.application_of(name, item), self.resolver)
        ports = {(p["containerPort"], p.get("protocol", "TCP"))
                 for c in spec.get("containers", []) for p in c.get("ports", [])}
        for piece in slices:
            if any(full_name({"metadata": e["targetRef"]}) == name for e in piece["endpoints"] if e.get("targetRef")):
                ports |= {(p["port"], p.get("protocol", "TCP")) for p in piece.get("ports", [])}
        for port, proto in ports:
            self.known.add(port)
            if proto == "TCP":
                self.servers.listen(space, port, "tcp", app)
            elif proto == "UDP":
                is_dns = item["metadata"].get("labels", {}).get("k8s-app") == "kube-dns"
                self.servers.listen(space, port, "udp", self.dns.answer if is_dns else app.echo)
            else:
                self.servers.speak_sctp(space, port)

    def application_of(self, name, item):
        for document in self.scenario.all("Application"):
            namespace = document.get("metadata", {}).get("namespace", "default")
            if namespace == name.split("/")[0] and matches(document["spec"].get("selector", {}),
                                                           item["metadata"].get("labels", {})):
                return document["spec"]
        return {}

    # --- Services -----------------------------------------------------------------------------------------------------

    def learn(self, services, slices):
        """Names for DNS, ports that are nobody's random choice, what health check ports answer."""
        self.dns.names, self.sticky, self.ingress = {}, set(), set()
        for service in services:
            spec, (namespace, name) = service["spec"], full_name(service).split("/")
            addresses = [a for a in spec.get("clusterIPs", [spec.get("clusterIP")]) if a and a != "None"]
            self.dns.names["%s.%s.svc.cluster.local" % (name, namespace)] = addresses
            if (namespace, name) == ("kube-system", "kube-dns"):
                self.resolver.server = addresses[0]
            ports = spec.get("ports", [])
            ingress = {i["ip"] for i in service.get("status", {}).get("loadBalancer", {}).get("ingress", []) if i.get("ip")}
            self.ingress |= ingress
            self.known |= {p["port"] for p in ports} | {p["nodePort"] for p in ports if p.get("nodePort")}
            if spec.get("sessionAffinity") == "ClientIP":
                self.sticky |= {p["nodePort"] for p in ports if p.get("nodePort")} | set(addresses) | ingress
                self.sticky |= set(spec.get("externalIPs", []))
            if spec.get("healthCheckNodePort"):
                self.serve_health(full_name(service), spec["healthCheckNodePort"], slices)

    def serve_health(self, service, port, slices):
        """kube-proxy's own server: 200 where a ready endpoint is on the node, else 503."""
        self.known.add(port)
        namespace, name = service.split("/")
        own = [s for s in slices if s["metadata"]["labels"].get("kubernetes.io/service-name") == name and
               s["metadata"].get("namespace", "default") == namespace]
        for node in self.topology.nodes:
            self.ready[service, node] = any(e.get("nodeName") == node and e.get("conditions", {}).get("ready", True)
                                            for s in own for e in s["endpoints"])
            self.servers.listen(self.topology.spaces[node], port, "tcp", self.health_answer(service, node))

    def health_answer(self, service, node):
        return lambda _: (200 if self.ready[service, node] else 503, "{}")

    def is_sticky(self, flow, end):
        return bool({end[0], end[1]} & self.sticky) and flow["outcome"] == "connected"

    # --- Rules --------------------------------------------------------------------------------------------------------

    def load_rules(self, at):
        files = Simulation(self.program, self.scenario, 1, until=at).files
        for name, node in self.topology.nodes.items():
            for suffix, tool in (("iptables-save", "iptables-restore"), ("ip6tables-save", "ip6tables-restore")):
                text = self.changed_rules(files, name, suffix)
                if text:
                    node.space.run(tool, stdin=text)
            text = self.changed_rules(files, name, "nft", "ip6.nft")
            if text:
                node.space.run("nft", "-f", "-", stdin="flush ruleset\n" + TRACKING + text)
                # The policy is not in kube-proxy's table of nftables mode.
                if self.scenario.kernel(name).get("forwardPolicy") == "DROP":
                    for tool in ("iptables", "ip6tables"):
                        node.space.run(tool, "-P", "FORWARD", "DROP")

    def changed_rules(self, files, node, *suffixes):
        """The rules, or "" if they are there already or there are none."""
        text = "".join(files.get("%s.%s" % (node, suffix), "") for suffix in suffixes)
        text = re.sub(r"\[\d+:\d+\]", "[0:0]", text)
        # Who is bound to which endpoint is this kernel's own affair.
        text = re.sub(r"(set affinity-[^{]*\{[^{}]*?)elements = \{[^}]*\}", r"\1", text)
        if self.loaded.get((node, suffixes)) == text:
            return ""
        self.loaded[node, suffixes] = text
        return text

    def flush_connections(self):
        for node in self.topology.nodes.values():
            with node.space.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as sock:
                sock.send(FLUSH)
                sock.recv(100)

    def connection_tables(self):
        return {name: "".join(node.space.run("conntrack", "-L", "-f", f, check=False) for f in self.families())
                for name, node in self.topology.nodes.items()}

    def families(self):
        versions = {family(a) for node in self.topology.nodes.values() for a in node.addresses}
        return [{4: "ipv4", 6: "ipv6"}[v] for v in sorted(versions)]

    def close(self):
        self.servers.close()
        for space in self.topology.spaces.values():
            space.delete()
