"""Plays a scenario's flows in the kernel and holds each against the simulation."""

from apps import HttpClient, datagram, outcome_of, seconds
from associations import associate
from compare import connections, outcome_differences, packet_differences, table_of
from scenario import MAX_REQUESTS, PLACES, Simulation, is_address, split_end
from topology import NotPlayable
from wire import Capture
from world import World

# Flows of the simulation, of one seed or many, to find the choices of the kernel among: four look-ups by two servers have
# 16 ways, of which 60 flows would miss one or the other.
MAX_CANDIDATES = 240
STICKY_SEEDS = 12
RESOLVING = 2
MAX_LINES = 40
# What else a timeline can hold and the twin can take part in: the world is asked of svcsim for each moment.
SETTABLE = ({"node", "sysctls"}, {"link", "hairpin"})
CHANGES = ("apply", "patch", "delete", "scale", "rollout")
# How long to wait where the simulation says "timeout".  An ICMP error that is there before connect() has left the socket
# alone, as it is on links without latency, counts only when it comes again, after the first retransmission: so what is
# refused is waited for longer, and its repetitions are not counted (README, what is different).
SILENCE, PATIENCE = 0.7, 4


def is_name(to):
    return not to.startswith(PLACES) and not is_address(to)


class Player:
    """One scenario in one mode.  good, bad: flows; skipped: reasons."""

    def __init__(self, program, scenario):
        self.program, self.scenario = program, scenario
        self.sims, self.agreeing, self.world, self.capture = {}, {}, None, None
        self.changed, self.good, self.bad, self.again, self.skipped = False, 0, 0, 0, []

    def run(self):
        try:
            self.world = World(self.program, self.scenario)
            self.play_all()
        except NotPlayable as reason:
            self.skipped.append("all of it: %s" % reason)
        except RuntimeError as error:  # A command that namespaces are made with.
            print("FAIL %s: %s" % (self.scenario.title(), error))
            self.bad += 1
        finally:
            if self.capture:
                self.capture.close()
            if self.world:
                self.world.close()
            self.scenario.remove()

    def play_all(self):
        steps = self.scenario.steps
        for index, step in enumerate(steps):
            reason = self.why_not(step)
            if reason:
                self.skip(step, reason)
            elif step.action == "set":
                self.set(step)
            elif not step.traffic:
                self.changed = True
            else:
                self.play_step(step)
            if not step.traffic and reason:
                self.skip_rest(step, steps[index + 1:])
                return

    def why_not(self, step):
        if step.action == "inject":
            return "a packet made by hand has no socket"
        if step.action == "set" and set(step.fields) in SETTABLE:
            return None
        if not step.traffic and step.action not in CHANGES:
            return "the twin has no hands for `%s`" % step.action
        return None

    def set(self, step):
        self.prepare(step.at)
        if "node" in step.fields:
            self.world.topology.set_sysctls(step.fields["node"], step.fields["sysctls"])
        else:
            node, port = step.fields["link"].split("/")
            self.world.topology.nodes[node].space.ip("link set dev %s type bridge_slave hairpin %s" % (
                port, "on" if step.fields["hairpin"] else "off"))

    def skip(self, step, reason):
        self.skipped.append("%s %s: %s" % (step.action, step.name, reason))

    def skip_rest(self, step, rest):
        for later in rest:
            if later.traffic:
                self.skip(later, "it comes after `%s`" % step.action)

    def sim(self, seed):
        if seed not in self.sims:
            self.sims[seed] = Simulation(self.program, self.scenario, seed)
        return self.sims[seed]

    # --- One step -----------------------------------------------------------------------------------------------------

    def play_step(self, step):
        units = self.sim(1).units(step.name)
        for unit in units:
            reason = self.why_not_unit(unit)
            if reason:
                self.skip(step, reason)
                return
            self.play_unit(step, unit)
        if step.name in self.scenario.thinned:
            print("    %s: %d flows played instead of %s" % (step.name, len(units), self.scenario.thinned[step.name]))

    @staticmethod
    def why_not_unit(unit):
        if any(s.interface.startswith("lb/") for s in unit.sightings()):
            return "through a cloud's load balancer, whose choice and probes are no kernel's"
        if unit.flow["outcome"] == "unresolved" and unit.end - unit.start > RESOLVING:
            return "a resolver that waits seconds for each lost answer"
        return None

    def play_unit(self, step, unit):
        self.prepare(unit.start)
        self.route(step, unit)
        differences, seed = self.attempt(step, unit)
        if differences:
            self.again += 1
            print("    %s: played again, %d lines differed: %s" % (unit.flow["name"], len(differences), differences[0]))
            differences, seed = self.attempt(step, unit)
        self.good, self.bad = self.good + (not differences), self.bad + bool(differences)
        if differences:
            print("FAIL %s: flow %s, %s to %s (seed %d)" % (self.scenario.title(), unit.flow["name"], unit.flow["from"],
                                                            unit.flow["dialed"], seed))
            for line in differences[:MAX_LINES]:
                print("    " + line)
            if len(differences) > MAX_LINES:
                print("    and %d lines more" % (len(differences) - MAX_LINES))

    def prepare(self, at):
        if self.capture is None:
            self.world.become(at)
            self.world.topology.warm_up()
            self.capture = Capture(self.world.topology.spaces.values())
            self.capture.drain()
            self.world.topology.forget_pods_on_bridges()
        elif self.changed:
            self.world.become(at, self.capture)

    def route(self, step, unit):
        topology = self.world.topology
        routes = dict(self.scenario.outside_routes(self.program, unit.start))
        address = split_end(unit.flow["dialed"] or "-")[0]
        node = step.fields.get("via")
        # Announced by several nodes: which of them a router takes is its own affair, so take what the simulation's took.
        if not node and address in self.world.ingress and address not in routes and unit.flow["nodes"]:
            node = unit.flow["nodes"][0]
        if node and unit.flow["dialed"]:
            routes.update([topology.via(address, node)])
        topology.route_outside(routes.items())

    def attempt(self, step, unit):
        """Returns (differences, seed)."""
        self.capture.drain()
        self.world.flush_connections()
        outcome, answer, status = self.play(step, unit)
        seen = self.capture.drain()
        flow, known = unit.flow, self.world.known
        trim = outcome in ("timeout", "refused")
        kernel = table_of(seen, known, trim)
        tables = {name: connections(text, known) for name, text in self.world.connection_tables().items()}

        def compare(candidate):
            """(rank, lines): the outcome, else packets, else connections."""
            lines = outcome_differences(candidate, outcome, answer, status)
            if lines:
                return 3, lines
            lines = packet_differences(kernel, table_of(candidate.sightings(), known, trim))
            return (2, lines) if lines else (1, self.connection_differences(candidate, tables))
        return self.closest(step, flow, compare)

    def connection_differences(self, unit, tables):
        files = Simulation(self.program, self.scenario, unit.simulation.seed, until=unit.end).files
        lines = []
        for node, kernel in tables.items():
            simulated = connections(files.get(node + ".conntrack", ""), self.world.known, unit.ends() | unit.askers())
            lines += ["%s: conntrack of the kernel only: %s" % (node, e) for e in sorted(kernel - simulated)]
            lines += ["%s: conntrack of the simulator only: %s" % (node, e) for e in sorted(simulated - kernel)]
        return lines

    def closest(self, step, flow, compare):
        """The differences to the first candidate that has none, or to the one that has the fewest."""
        sticky = self.world.is_sticky(flow, split_end(flow["dialed"] or "-"))
        key, best, agreeing = (flow["from"], flow["dialed"]), None, set()
        for seed in sorted(self.agreeing.get(key, range(1, STICKY_SEEDS + 1))) if sticky else self.seeds(step):
            units = self.sim(seed).units(step.name)
            for unit in units[:1] if sticky else units:
                stage, lines = compare(unit)
                if best is None or (stage, len(lines)) < best[:2]:
                    best = stage, len(lines), lines, seed
                if not lines:
                    agreeing.add(seed)
                    break
            if agreeing and not sticky:
                break
        if sticky and agreeing:
            self.agreeing[key] = agreeing
        return best[2:]

    def seeds(self, step):
        """As many as give MAX_CANDIDATES flows to compare with."""
        return range(1, 1 + max(1, MAX_CANDIDATES // len(self.sim(1).units(step.name))))

    # --- Sockets ------------------------------------------------------------------------------------------------------

    def play(self, step, unit):
        """Returns (outcome, what the server said, status)."""
        flow = unit.flow
        space = self.world.space_of(flow["from"])
        namespace = flow["from"].split("/")[1] if flow["from"].count("/") == 2 else "default"
        if step.action == "resolve":
            found = self.world.resolver.resolve(space, flow["to"], namespace)
            return ("connected", {"addresses": found}, None) if found else ("unresolved", {}, None)
        host, port = split_end(flow["dialed"] or "-")
        if is_name(flow["to"]):
            found = self.world.resolver.resolve(space, flow["to"].split("/")[0].rsplit(":", 1)[0], namespace)
            if not found:
                return "unresolved", {}, None
            host = found[0]
        wait = SILENCE if flow["outcome"] == "timeout" else PATIENCE
        source = step.fields.get("sourcePort", 0)
        if flow["proto"] == "udp":
            return datagram(space, host, port, wait, source) + (None,)
        if flow["proto"] == "sctp":
            return self.play_association(space, host, port, wait, source)
        return self.play_http(step, unit, HttpClient(space, host, port, source), wait)

    def play_association(self, space, *arguments):
        self.world.servers.speak_sctp(space)
        try:
            associate(space, *arguments)
            return "connected", {}, None
        except (OSError, TimeoutError) as error:
            return outcome_of(error), {}, None

    def play_http(self, step, unit, client, wait):
        requests = step.fields.get("requests", 1)
        if step.fields.get("keepAlive"):
            requests = MAX_REQUESTS
        path, keep = step.fields.get("path", "/"), requests > 1 or "hold" in step.fields
        interval = seconds(step.fields.get("interval", "0s"))
        try:
            client.connect(wait)
            for number in range(requests):
                if number and self.changes_between(unit.start + interval * (number - 1), unit.start + interval * number):
                    self.world.become(unit.start + interval * number, self.capture)
                client.request(path, close=not keep)
            return "connected", client.answer, client.status
        except (OSError, TimeoutError) as error:
            return outcome_of(error), {}, None
        finally:
            client.sock.close()

    def changes_between(self, start, end):
        return any(not s.traffic and start < s.at <= end for s in self.scenario.steps)
