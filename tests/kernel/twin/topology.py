"""A cluster of network namespaces, joined as the simulator's clusters are (model/network/topology.c, outside.c): names of
interfaces, addresses and routes included.  Networks "bridge" (pods on cni0) and "routed" (a host route for each pod)."""

import ipaddress
import socket

from lab import Namespace, wire
from wire import WARM_UP_PORT


class NotPlayable(Exception):
    """What namespaces cannot be made to show, and why."""


def label_of(pod):
    """"default/web-0" is pod/web-0, others bear their namespace."""
    return "pod/" + pod.removeprefix("default/")


def family(address):
    return ipaddress.ip_address(str(address)).version


def first_host(address, prefix4=24, prefix6=64):
    net = ipaddress.ip_network("%s/%d" % (address, prefix4 if family(address) == 4 else prefix6), strict=False)
    return net, net[1]


def host_prefix(address):
    return "%s/%d" % (address, 32 if family(address) == 4 else 128)


class Node:
    """A node's namespace and what its object says."""

    def __init__(self, space, addresses, cidrs):
        self.space, self.addresses, self.cidrs = space, addresses, [ipaddress.ip_network(c) for c in cidrs]

    def address(self, version):
        return next((a for a in self.addresses if family(a) == version), None)

    def cidr_of(self, address):
        return next((c for c in self.cidrs if ipaddress.ip_address(address) in c), None)


class Topology:
    """nodes: {name: (addresses, podCIDRs)}; zones: {name: zone or None}; clients: {name: addresses}; sysctls: of
    a node's name, {key: value}."""

    def __init__(self, network, nodes, zones, clients, sysctls):
        if network not in ("bridge", "routed"):
            raise NotPlayable("network %s" % network)
        self.network, self.spaces, self.nodes, self.ports = network, {}, {}, {}
        self.gateways, self.outside = {}, set()
        for addresses, _ in nodes.values():
            for address in addresses:
                self.choose_gateway(address, nodes)
        self.router = self.space("router")
        self.host_sysctls(self.router)
        self.bridge(self.router, "br-lan", False)
        for net, gateway in self.gateways.items():
            self.add_address(self.router, "br-lan", "%s/%d" % (gateway, net.prefixlen))
        self.zoned = network != "bridge" and len(set(zones.values())) > 1
        for name, (addresses, cidrs) in nodes.items():
            self.add_node(name, addresses, cidrs, self.switch_of(zones[name]))
            self.host_sysctls(self.nodes[name].space)
            self.set_sysctls(name, sysctls(name))
        for node in self.nodes.values():
            self.announce(node)
        for index, (name, addresses) in enumerate(clients.items()):
            self.add_client(name, addresses, index)

    def choose_gateway(self, address, nodes):
        net, gateway = first_host(address)
        if any(str(gateway) in others for others, _ in nodes.values()):
            gateway = net[254]
        self.gateways[net] = gateway

    def gateway_of(self, address):
        return next(g for net, g in self.gateways.items() if ipaddress.ip_address(address) in net)

    def space(self, label):
        space = self.spaces[label] = Namespace(label)
        # Addresses are used at once: their being unique is nothing to ask the neighbours about.
        space.sysctl(ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0)
        return space

    @staticmethod
    def host_sysctls(space):
        """A router's.  Rate limits of ICMP are in real time, and here hours become seconds: none."""
        space.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1, ipv4__icmp_ratelimit=0, ipv6__icmp__ratelimit=0,
                     ipv4__conf__all__send_redirects=0, ipv4__conf__default__send_redirects=0,
                     ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0)

    @staticmethod
    def add_address(space, dev, prefix):
        space.ip("address add %s dev %s%s" % (prefix, dev, "" if family(prefix.split("/")[0]) == 4 else " nodad"))

    @staticmethod
    def bridge(space, name, call_iptables):
        call = "1" if call_iptables else "0"
        space.ip("link add name %s type bridge forward_delay 0 mcast_snooping 0 nf_call_iptables %s nf_call_ip6tables %s" %
                 (name, call, call), "link set dev %s up" % name)

    def switch_of(self, zone):
        """(space, bridge) that a node of the zone is plugged into: where there are several zones, each has its own."""
        label = "zone/%s" % zone
        if not zone or not self.zoned:
            return self.router, "br-lan"
        if label not in self.spaces:
            switch, port = self.space(label), "z-%s" % zone
            switch.sysctl(bridge__bridge_nf_call_iptables=0, bridge__bridge_nf_call_ip6tables=0)
            self.bridge(switch, "br0", False)
            wire(switch, "uplink", self.router, port)
            switch.ip("link set dev uplink master br0")
            self.router.ip("link set dev %s master br-lan" % port)
        return self.spaces[label], "br0"

    def add_node(self, name, addresses, cidrs, switch):
        space = self.space(name)
        node = self.nodes[name] = Node(space, addresses, cidrs)
        port = "v-" + name[-8:]
        wire(space, "eth0", switch[0], port)
        switch[0].ip("link set dev %s master %s" % (port, switch[1]))
        for address in addresses:
            net, _ = first_host(address)
            self.add_address(space, "eth0", "%s/%d" % (address, net.prefixlen))
            space.ip("route add default via %s" % self.gateway_of(address))
        if self.network == "bridge":
            self.bridge(space, "cni0", True)
            # A bridge passes on in another way what it has no fresh neighbour entry for; here entries age in real time.
            space.sysctl(ipv4__neigh__cni0__base_reachable_time_ms=3600000,
                         ipv6__neigh__cni0__base_reachable_time_ms=3600000)
            for cidr in node.cidrs:
                self.add_address(space, "cni0", "%s/%d" % (cidr[1], cidr.prefixlen))

    def set_sysctls(self, name, sysctls):
        with self.nodes[name].space as space:
            for key, value in sysctls.items():
                try:
                    space.set_sysctl(key, value)
                except OSError as error:
                    raise NotPlayable("%s cannot be set in a namespace (%s)" % (key, error.strerror)) from error

    def announce(self, node):
        """The node's pod CIDRs, to the other nodes and the router."""
        for cidr in node.cidrs:
            via = node.address(cidr.version)
            if via:
                self.route_everywhere(node, cidr, via)

    def route_everywhere(self, node, prefix, via):
        for other in [n.space for n in self.nodes.values() if n is not node] + [self.router]:
            other.ip("route replace %s via %s" % (prefix, via))

    def add_pod(self, name, addresses, node_name):
        node, label = self.nodes[node_name], label_of(name)
        pod, host = self.space(label), node.space
        port = self.port_name(node_name, ipaddress.ip_address(addresses[0]).packed)
        wire(pod, "eth0", host, port)
        for address in addresses:
            cidr = node.cidr_of(address)
            if self.network == "bridge" and cidr:
                self.join_bridge(pod, host, port, address, cidr)
            else:
                if not cidr:
                    self.route_everywhere(node, ipaddress.ip_network(host_prefix(address)), node.address(family(address)))
                self.join_by_route(pod, host, port, address, str(cidr[1]) if cidr else node.addresses[0])
        return pod

    def port_name(self, node_name, address):
        """"v10p" for 10.244.0.10; more of the address where that name is taken."""
        taken = self.ports.setdefault(node_name, set())
        port = "v%dp" % address[-1]
        if port in taken:
            port = "v%d-%dp" % (address[-2], address[-1])
        taken.add(port)
        return port

    def join_bridge(self, pod, host, port, address, cidr):
        host.ip("link set dev %s master cni0" % port, "link set dev %s type bridge_slave hairpin on" % port)
        self.add_address(pod, "eth0", "%s/%d" % (address, cidr.prefixlen))
        pod.ip("route add default via %s" % cidr[1])

    def join_by_route(self, pod, host, port, address, gateway):
        self.add_address(host, port, host_prefix(gateway))
        host.ip("route replace %s dev %s" % (host_prefix(address), port))
        self.add_address(pod, "eth0", host_prefix(address))
        pod.ip("route add %s dev eth0" % host_prefix(gateway),
               "route add default via %s" % gateway)

    def remove_pod(self, name):
        self.spaces.pop(label_of(name)).delete()

    def add_client(self, name, addresses, index):
        client, port = self.space("client/" + name), "ext%d" % index
        wire(client, "eth0", self.router, port)
        for address in addresses:
            net, gateway = first_host(address)
            gateway = str(net[2]) if str(gateway) == address else str(gateway)
            self.add_address(self.router, port, host_prefix(gateway))
            self.router.ip("route add %s dev %s" % (host_prefix(address), port))
            self.add_address(client, "eth0", host_prefix(address))
            client.ip("route add %s dev eth0" % host_prefix(gateway),
                      "route add default via %s" % gateway)

    def route_outside(self, routes):
        """[(address, next hop)]: what the router sends to a node, by a route of its own."""
        self.router.ip(*("route del %s" % host_prefix(a) for a, _ in self.outside - set(routes)))
        self.router.ip(*("route replace %s via %s" % (host_prefix(a), hop) for a, hop in set(routes) - self.outside))
        self.outside = set(routes)

    def via(self, address, node_name):
        """"via: NODE" of a step, as a route."""
        return address, self.nodes[node_name].address(family(address))

    def warm_up(self):
        """Neighbours learn each other before anything is captured: their frames are no part of the comparison."""
        targets = [a for node in self.nodes.values() for a in node.addresses] + [str(g) for g in self.gateways.values()]
        for space in self.spaces.values():
            for address in targets:
                with space.socket(socket.AF_INET if family(address) == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
                    try:
                        sock.sendto(b"", (address, WARM_UP_PORT))
                    except OSError:  # No route, or no such family there.
                        pass

    def forget_pods_on_bridges(self):
        """What a node learned from its pods' questions is stale until probed, seconds later; the simulator starts
        without."""
        if self.network == "bridge":
            for node in self.nodes.values():
                node.space.run("ip", "neigh", "flush", "dev", "cni0")
