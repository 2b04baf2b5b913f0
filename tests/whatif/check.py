"""whatif and advise against what can be reckoned by hand.  Prints one line per failure, then the counts."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SVCSIM = os.environ["SVCSIM"]
RACE = "scenarios/patterns/canonical-race.yaml"
DRAIN = 10.0         # When node-c is drained, or fails.
SERVED = 1.0         # preStop of the scenario: so long the pod serves after its deletion.
PROPAGATION = 1.5    # API server, slice, watch, minSyncPeriod, loading: at most.

counts = {"passed": 0, "failed": 0, "skipped": 0}


def check(ok, name, detail=""):
    counts["passed" if ok else "failed"] += 1
    if not ok:
        print(f"FAIL {name}: {detail}")


def run(*args, status=0):
    done = subprocess.run([SVCSIM, *args], capture_output=True, text=True)
    check(done.returncode == status, " ".join(args), f"exit status {done.returncode}: {done.stderr[:300]}")
    return done


def whatif(file, *args):
    out = run("whatif", file, *args, "-o", "json").stdout
    return {v["name"]: v for v in json.loads(out)["variants"]}


def seconds(text):
    number, unit = re.fullmatch(r"([0-9.]+)(ms|s|m|h)", text).groups()
    return float(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def probe_of(profile, policy):
    """interval, timeout, unhealthy and port of a profile's probe, read without svcsim's own reader"""
    with open(f"scenarios/profiles/{profile}.yaml") as f:
        line = next(x for x in f if re.match(rf"\s+{policy}: {{kind: (http|tcp)", x))
    fields = dict(re.findall(r"(\w+): ([^,}]+)", line))
    return seconds(fields["interval"]), seconds(fields["timeout"]), int(fields["unhealthy"]), fields["port"]


def lost_to_probe(variant):
    return [w for w in variant["lossWindows"] if w["clock"].startswith("load balancer health check: it took node-c out")]


def noticed(profile, policy, answers):
    """bounds of the time from the first moment at which a probe fails to the moment at which the target is out"""
    interval, timeout, unhealthy, port = probe_of(profile, policy)
    if answers:
        return (unhealthy - 1) * interval, unhealthy * interval, port
    spacing = interval * max(1, math.ceil(timeout / interval))
    return (unhealthy - 1) * spacing + timeout, interval + (unhealthy - 1) * spacing + timeout, port


# --- The canonical race: each profile's clock ----------------------------------------------------------------------

PROFILES = ["aws-clb", "aws-nlb-instance", "gcp-passthrough-external", "gcp-passthrough-internal",
            "azure-standard", "azure-standard-no-floating-ip", "haproxy-tcp",
            "cloud-provider-kind", "generic"]

variants = []
for name in PROFILES:
    variants += ["--variant", f"{name}:loadBalancer.profile={name}"]
for seed in ("1", "2", "3"):
    race = whatif(RACE, "--seed", seed, *variants)
    for name in PROFILES:
        windows = lost_to_probe(race[name])
        check(len(windows) == 1, f"{name} seed {seed}: one window", str(race[name]["lossWindows"])[:600])
        if not windows:
            continue
        low, high, port = noticed(name, "local", True)
        check(port == "healthCheckNodePort", f"{name}: probes the health check port", port)
        # The port says 503 as soon as the rules know that the endpoint terminates.
        check(DRAIN + low <= windows[0]["closed"] <= DRAIN + PROPAGATION + high,
              f"{name} seed {seed}: noticed {low} to {high} s after the drain", str(windows[0]["closed"]))
        # Nothing is lost before the listener closes, nothing after the load balancer knows.
        check(DRAIN + SERVED <= windows[0]["start"] <= DRAIN + SERVED + PROPAGATION,
              f"{name} seed {seed}: begins when the listener closes", str(windows[0]["start"]))
        check(windows[0]["end"] <= windows[0]["closed"], f"{name} seed {seed}: ends when closed", str(windows[0]))
        check("preStop" in windows[0]["fix"], f"{name}: names a fix", windows[0]["fix"])
        # Between the two, a third of 20 connections a second; SYNs sent again rescue some at the end.
        length = windows[0]["closed"] - windows[0]["start"]
        check(windows[0]["lost"] <= 20 / 3 * length * 1.5 + 6, f"{name} seed {seed}: a third is lost", str(windows[0]))

# A node that dies silently: each probe waits for its time limit.
with tempfile.TemporaryDirectory() as folder:
    def changed(name, *replacements):
        with open(RACE) as f:
            text = f.read()
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new)
        path = os.path.join(folder, name)
        with open(path, "w") as f:
            f.write(re.sub(r"  expect:\n(    .*\n)+", "", text))
        return path

    dead = whatif(changed("dead.yaml", ("drain: {node: node-c}", "fail: {node: node-c}")), *variants)
    for name in PROFILES:
        windows = [w for w in lost_to_probe(dead[name]) if w["lost"] > 5]
        low, high, _ = noticed(name, "local", False)
        check(len(windows) == 1 and "down" in windows[0]["cause"], f"{name}: one window of a dead node", str(windows))
        for w in windows:
            # An address that nobody answers for is known sooner (ICMP host unreachable after three ARP requests).
            check(DRAIN + low - 10 <= w["closed"] <= DRAIN + high + 0.5 and w["closed"] >= DRAIN + low / 2,
                  f"{name}: a dead node is noticed after {low} to {high} s", str(w["closed"]))

    # Under Cluster the other nodes go on sending to the dead node's pods until its lease is old.
    cluster = whatif(changed("cluster.yaml", ("drain: {node: node-c}", "fail: {node: node-c}"),
                             ("externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster")))["as written"]
    windows = [w for w in cluster["lossWindows"] if w["clock"].startswith("node lifecycle")]
    check(len(windows) == 1 and 40 <= windows[0]["closed"] - DRAIN <= 52, "node grace period",
          str(cluster["lossWindows"])[:800])

    # 40 s it was before Kubernetes 1.32.
    older = whatif(changed("older.yaml", ("drain: {node: node-c}", "fail: {node: node-c}"),
                           ("externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster"),
                           ("  nodes: [{name: node-a}", "  kubernetesVersion: \"1.31\"\n  nodes: [{name: node-a}")))["as written"]
    closed = [w["closed"] for w in older["lossWindows"] if w["clock"].startswith("node lifecycle")]
    check(len(closed) == 1 and 30 <= closed[0] - DRAIN <= 42, "node grace period of 1.31", str(closed))

    # Pods as targets: the load balancer itself sends to a dead node's pod, until its probes fail.  Announced addresses:
    # nobody probes, peers and router wait for their failover time, and a dead speaker withdraws no BGP route, though
    # its pods stop being endpoints much sooner (50 s).  A proxy's targets never see a client's address, not even that
    # of a connection which reached only the proxy.
    kinds = whatif(changed("kinds.yaml", ("drain: {node: node-c}", "fail: {node: node-c}"), ("duration: 100s", "duration: 130s"),
                           ("for: 90s", "for: 115s")),
                   *sum((["--variant", f"{p}:loadBalancer.profile={p}"] for p in
                         ("aws-nlb-ip", "aws-alb-ip", "gcp-neg", "metallb-bgp", "aws-clb")), []))
    for name in ("aws-nlb-ip", "aws-alb-ip", "gcp-neg"):
        windows = [w for w in kinds[name]["lossWindows"] if w["lost"] > 5]
        low, high, _ = noticed(name, "local", False)
        check(len(windows) == 1 and windows[0]["cause"].startswith("lb/default-web sends to 10.244.2.")
              and windows[0]["cause"].endswith("whose node is down"), f"{name}: one cause of a dead node", str(windows))
        check(all(w["clock"].startswith("load balancer health check") and "node that dies" in w["fix"]
                  and DRAIN + low <= w["closed"] <= DRAIN + high + 0.5 for w in windows),
              f"{name}: its probes notice after {low} to {high} s", str(windows))
    bgp = kinds["metallb-bgp"]["lossWindows"]
    check(all(w["clock"].startswith("BGP hold time") and w["closed"] == DRAIN + 90 and "BFD" in w["fix"] for w in bgp)
          and bgp, "metallb-bgp: the router waits for its hold time", str(bgp))
    check(all(kinds[p]["sourceKeptPercent"] == 0 for p in ("aws-nlb-ip", "aws-alb-ip", "gcp-neg", "aws-clb")),
          "a proxy keeps no source", str([v["sourceKeptPercent"] for v in kinds.values()]))
    for name, v in kinds.items():
        check(all(w["lost"] == w["timedOut"] + w["refused"] + w["reset"] for w in v["lossWindows"])
              and v["lost"] == sum(w["lost"] for w in v["lossWindows"]), f"{name}: every loss is in one window", str(v["lost"]))

    # A rolling update of pods that are targets themselves: after deregistration (1 s + 10 s), not after kube-proxy.
    pods = whatif(changed("pods.yaml", ("drain: {node: node-c}", "rollout: {deployment: web}"),
                          ("aws-nlb-instance", "aws-nlb-ip"), ("sleep: {seconds: 1}", "sleep: {seconds: 7}")))["as written"]
    new = [w for w in pods["lossWindows"] if not w["clock"].startswith("kubelet")]
    check(len(new) == 3 and all(
              w["clock"].startswith("load balancer's controller") and 3.2 <= w["closed"] - w["start"] <= 4.1
              and w["cause"].startswith("lb/default-web still sends") for w in new),
          "a rollout of pods as targets: 11 s of deregistration less 7 s of preStop", str(pods["lossWindows"])[:900])

    # All pods at once: the Service has no endpoint, nodes reject; the fault is the rollout's, not the probes'.
    at_once = whatif(changed("at-once.yaml", ("drain: {node: node-c}", "rollout: {deployment: web}"),
                             ("  replicas: 3\n", "  replicas: 3\n  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 100%}}\n"),
                             ("aws-nlb-instance", "azure-standard"), ("externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster"),
                             ("onTerm: abrupt", "onTerm: abrupt, startup: 12s")))["as written"]
    nobody = [w for w in at_once["lossWindows"] if w["clock"].startswith("endpoints")]
    check(len(nobody) == 1 and "no endpoint to send to" in nobody[0]["cause"] and "maxUnavailable" in nobody[0]["fix"]
          and nobody[0]["closed"] - DRAIN >= 12, "no endpoint at all", str(at_once["lossWindows"])[:900])
    no_target = [w for w in at_once["lossWindows"] if "no target was healthy until" in w["clock"]]
    check(len(no_target) == 1 and no_target[0]["closed"] <= nobody[0]["closed"] + 5 + 0.1,
          "then the load balancer has no target, until its next probe (5 s) finds one", str(no_target))

    # Endpoints before they listen: without a readiness probe, for 8 s of start-up.
    early = whatif(changed("early.yaml", ("drain: {node: node-c}", "rollout: {deployment: web}"),
                           ("          readinessProbe: {httpGet: {path: /, port: 8080}}\n", ""),
                           ("sleep: {seconds: 1}", "sleep: {seconds: 30}"), ("externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster"),
                           ("onTerm: abrupt", "onTerm: abrupt, startup: 8s")))["as written"]
    check(len(early["lossWindows"]) == 3 and all(
              w["clock"].startswith("application start-up") and 7 <= w["closed"] - w["start"] <= 8.2
              and "readinessProbe" in w["fix"] for w in early["lossWindows"]), "start-up without a readiness probe",
          str(early["lossWindows"])[:900])

    # A kube-proxy that writes no rules is named, not the pods.
    stuck = whatif(changed("stuck.yaml", ("    - {at: 10s, drain: {node: node-c}}",
                                          "    - {at: 5s, fail: {kubeProxy: node-b}}\n    - {at: 10s, rollout: {deployment: web}}\n"
                                          "    - {at: 60s, recover: {kubeProxy: node-b}}"),
                           ("aws-nlb-instance", "generic"),
                           ("sleep: {seconds: 1}", "sleep: {seconds: 5}"), ("externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster")))["as written"]
    long = [w for w in stuck["lossWindows"] if w["lost"] > 5]
    check(len(long) == 3 and all(w["clock"] == "kube-proxy on node-b: it wrote no rules from 5.000 s to 60.000 s"
                                 and w["cause"].startswith("node-b still sends") for w in long), "a stuck kube-proxy",
          str(stuck["lossWindows"])[:900])

    # A header that nobody sends, a selector that matches nothing, node ports that are not there, HTTP errors.
    header = whatif(changed("header.yaml", ("onTerm: abrupt", "onTerm: abrupt, proxyProtocol: true"),
                            ("aws-nlb-instance", "haproxy-tcp")))["as written"]
    check(header["lossWindows"] and "PROXY protocol" in header["lossWindows"][0]["cause"], "a header that nobody sends",
          str(header["lossWindows"])[:500])
    unread = whatif(changed("unread.yaml", ("aws-nlb-instance", "haproxy-proxy-v1")))["as written"]
    check(unread["httpErrors"] == unread["tried"] - unread["lost"], "a header that nobody reads is a bad request",
          str(unread["httpErrors"]))
    selector = whatif(changed("selector.yaml", ("  externalTrafficPolicy: Local\n  selector: {app: web}",
                                                "  externalTrafficPolicy: Cluster\n  selector: {app: webb}")),
                      "--variant", "alb:loadBalancer.profile=aws-alb-ip", "--variant", "l2:loadBalancer.profile=metallb-l2",
                      "--variant", "azure:loadBalancer.profile=azure-standard")
    check(all(v["lost"] == v["tried"] and len(v["lossWindows"]) == 1 and "no pod matches app=webb" in v["lossWindows"][0]["clock"]
              for v in selector.values()), "a selector that matches nothing", str([v["lossWindows"] for v in selector.values()])[:900])
    ports = whatif(changed("ports.yaml", ("  externalTrafficPolicy: Local\n",
                                          "  externalTrafficPolicy: Cluster\n  allocateLoadBalancerNodePorts: false\n")),
                   "--variant", "azure:loadBalancer.profile=azure-standard", "--variant", "ip:loadBalancer.profile=aws-nlb-ip",
                   "--variant", "gcp:loadBalancer.profile=gcp-passthrough-external")
    check("allocateLoadBalancerNodePorts" in ports["azure"]["lossWindows"][0]["fix"] and ports["gcp"]["lost"] == 0
          and "allocateLoadBalancerNodePorts" in ports["as written"]["lossWindows"][0]["clock"], "no node ports",
          str([v["lossWindows"] for v in ports.values()])[:900])

    # A readiness probe that asks the wrong port: after three of its failures the pods are there, but not ready.
    unready = whatif(changed("unready.yaml", ("httpGet: {path: /, port: 8080}", "httpGet: {path: /, port: 9090}"),
                             ("drain: {node: node-c}", "cordon: {node: node-c}")))["as written"]
    words = [w["fix"] + w["clock"] for w in unready["lossWindows"] if w["lost"] > 5]
    check(words and all("readinessProbe: HTTP :9090/" in x for x in words), "a readiness probe of the wrong port", str(words)[:900])

    # The probe's phase decides to the millisecond: the second failed probe of the phase's series ends the window.
    exact = ("aws-nlb-instance", "gcp-passthrough-external", "azure-standard", "haproxy-tcp", "cloud-provider-kind")
    phases = (0, 700, 1300, 1900)
    timed = whatif(changed("timed.yaml", ("preStop: {sleep: {seconds: 1}}", "preStop: {sleep: {seconds: 2}}"),
                           ("rate: 20/s", "rate: 97/s")),
                   *sum((["--variant", f"{p}/{ms}:loadBalancer.profile={p},loadBalancer.probe.local.phase={ms}ms"]
                         for p in exact for ms in phases), []))
    for name in exact:
        interval, _, unhealthy, _ = probe_of(name, "local")
        for ms in phases:
            first = math.ceil((DRAIN + 0.05 - ms / 1000) / interval) * interval + ms / 1000
            closed = first + (unhealthy - 1) * interval
            windows = lost_to_probe(timed[f"{name}/{ms}"])
            check(closed <= DRAIN + 2.2 or (len(windows) == 1 and abs(windows[0]["closed"] - closed) < 0.05
                                            and abs(windows[0]["start"] - (DRAIN + 2.1)) < 0.2),
                  f"{name}, phase {ms} ms: closed at {closed}", str(timed[f"{name}/{ms}"]["lossWindows"])[:600])

    # Kept connections: a pool replaces what a server closes in order; a moved address breaks what is under way.
    kept = whatif(changed("kept.yaml", ("drain: {node: node-c}", "rollout: {deployment: web}"),
                          ("rate: 20/s, for: 90s, timeout: 900ms", "rate: 60/s, for: 90s, timeout: 5s, keepAlive: true, connections: 20"),
                          ("  replicas: 3\n", "  replicas: 3\n  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}\n"),
                          ("sleep: {seconds: 1}", "sleep: {seconds: 15}"), ("onTerm: abrupt", "onTerm: drain")),
                  "--variant", "l2:loadBalancer.profile=metallb-l2")
    # A request may be under way (41 ms of every 333) when the server closes: that race is HTTP's own.
    check(kept["as written"]["lost"] <= 12 and kept["as written"]["tried"] >= 40, "a pool reconnects where it was closed in order",
          f'{kept["as written"]["lost"]} of {kept["as written"]["tried"]}')
    moved = [w for w in kept["l2"]["lossWindows"] if "came where nobody knows them" in w["cause"]]
    check(moved and all("another node announces" in w["clock"] and w["closed"] is None for w in moved), "a moved address",
          str(kept["l2"]["lossWindows"])[:800])

    # An address that nobody announces, dialled with less patience than the router has.
    path = os.path.join(folder, "silent.yaml")
    with open(path, "w") as f:
        f.write("""apiVersion: svcsim/v1
kind: Cluster
spec: {loadBalancer: metallb-l2, clients: [{name: laptop, addresses: [203.0.113.7]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: svcsim/v1
kind: Scenario
spec: {steps: [{at: 1s, connect: {name: a, from: client/laptop, to: service/web, timeout: 2s}}]}
""")
    silent = whatif(path)["as written"]["lossWindows"]
    check(len(silent) == 1 and silent[0]["cause"].startswith("no node announces the address"), "nobody announces", str(silent))
    said = subprocess.run([SVCSIM, "run", path], capture_output=True, text=True, check=False).stdout
    check(said.count("no node announces the address: none has a ready") == 1, "said once, with the reason", said[:600])

    # What no time mends is told by its rule or by what is missing.
    for pattern, clock, fix in (("p40-internal-policy-local-drops", "own node has no endpoint", "internalTrafficPolicy"),
                                ("p20-source-ranges-bypassed", "does not admit that source", "loadBalancerSourceRanges"),
                                ("p41-wrong-port", "no such port", "a port of the Service"),
                                ("p30-conntrack-full", "nothing in this run", "nf_conntrack_max"),
                                ("p18-hairpin-through-nlb", "another way back", "masquerading"),
                                ("p16-own-load-balancer", "header never comes", "proxyProtocol"),
                                ("p12-probe-without-node-port", "allocateLoadBalancerNodePorts: false", "targets are pods")):
        told = whatif(f"scenarios/patterns/{pattern}.yaml")["as written"]["lossWindows"]
        check(any(clock in w["clock"] and fix in w["fix"] for w in told), f"{pattern}: {clock}", str(told)[:700])

    # A proxy that failed for 10 s listens again.
    proxy = whatif(changed("proxy-down.yaml", ("drain: {node: node-c}", "fail: {loadBalancer: web, for: 10s}"),
                           ("aws-nlb-instance", "haproxy-tcp")))["as written"]
    # Its own probes were down with it: two good ones, 2 s apart, before it trusts its targets again.
    check(200 <= proxy["lost"] <= 300 and len(proxy["lossWindows"]) <= 2
          and max(w["end"] for w in proxy["lossWindows"]) <= DRAIN + 14.1, "a load balancer that was down for 10 s",
          str(proxy["lossWindows"])[:600])

    # A rollout of applications that close at once: lost only until kube-proxy has the new rules.
    roll = whatif(changed("roll.yaml", ("drain: {node: node-c}", "rollout: {deployment: web}"),
                          ("externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster"),
                          ("sleep: {seconds: 1}", "sleep: {seconds: 0}"), ("rate: 20/s", "rate: 200/s")),
                  "--variant", "slept:deployment/web.preStop=3s")
    for w in roll["as written"]["lossWindows"]:
        check(w["clock"].startswith("conntrack") or
              w["clock"].startswith("kubelet") and w["reset"] == w["lost"] or
              w["clock"].startswith("endpoint propagation") and w["closed"] - w["start"] <= PROPAGATION,
              "a rollout's windows", str(w))
    check(roll["as written"]["lost"] > 0, "a rollout without preStop loses", "nothing")
    check(roll["slept"]["lost"] == 0, "a rollout with preStop loses nothing", str(roll["slept"]["lossWindows"])[:500])

    # A load balancer without health check and a node without pod: half is lost for good, and no clock ends it.
    blind = whatif(changed("blind.yaml", ("replicas: 3", "replicas: 2"),
                           ("{profile: aws-nlb-instance}", "{profile: generic, probe: {local: {kind: none}}}"),
                           ("drain: {node: node-c}", "scale: {deployment: web, replicas: 2}")))["as written"]
    check(len(blind["lossWindows"]) == 1 and blind["lossWindows"][0]["closed"] is None
          and "healthCheckNodePort" in blind["lossWindows"][0]["fix"], "a load balancer without health check",
          str(blind["lossWindows"])[:500])
    check(abs(blind["successPercent"] - 200 / 3) < 4, "2 of 3 get through", str(blind["successPercent"]))

    # --- Exact shares ----------------------------------------------------------------------------------------------
    uneven = changed("uneven.yaml", ("replicas: 3", "replicas: 4"),
                     ("drain: {node: node-c}", "scale: {deployment: web, replicas: 4}"))
    shares = whatif(uneven, "--variant", "cluster:service/web.externalTrafficPolicy=Cluster",
                    "--variant", "weighted:loadBalancer.profile=gcp-passthrough-weighted")
    expected = {"as written": [1 / 6, 1 / 6, 1 / 3, 1 / 3], "cluster": [0.25] * 4, "weighted": [0.25] * 4}
    for name, want in expected.items():
        got = sorted(p["expectedShare"] for p in shares[name]["pods"])
        check(len(got) == 4 and all(abs(g - w) < 1e-6 for g, w in zip(got, want)), f"exact shares, {name}", str(got))
        total = sum(p["connections"] for p in shares[name]["pods"])
        for p in shares[name]["pods"]:
            sigma = math.sqrt(total * p["expectedShare"] * (1 - p["expectedShare"]))
            check(abs(p["connections"] - total * p["expectedShare"]) < 5 * sigma, f"drawn shares, {name}", str(p))
    check(shares["cluster"]["sourceKeptPercent"] == 0 and shares["as written"]["sourceKeptPercent"] == 100,
          "source kept", str([v["sourceKeptPercent"] for v in shares.values()]))

    # --- advise ----------------------------------------------------------------------------------------------------
    for name in ("aws-clb", "gcp-passthrough-external", "haproxy-tcp", "azure-standard"):
        file = changed(f"advise-{name}.yaml", ("aws-nlb-instance", name))
        found = json.loads(run("advise", file, "--search", "deployment/web.preStop=0..80s", "-o", "json").stdout)
        search = found["searches"][0]
        low, high, _ = noticed(name, "local", True)
        check(search["verdict"] == "smallest" and low - 1 <= seconds(search["best"]) <= high + PROPAGATION,
              f"advise {name}: {low} to {high} s", str(search)[:400])
        check("load balancer health check" in search["clock"], f"advise {name}: the clock", str(search["clock"]))
        below = [p for p in search["curve"] if seconds(p["value"]) < seconds(search["best"])]
        above = [p for p in search["curve"] if seconds(p["value"]) >= seconds(search["best"])]
        check(below and below[-1]["lost"] > search["floor"], f"advise {name}: the next lower value loses", str(below))
        check(all(p["lost"] <= search["floor"] for p in above), f"advise {name}: none above loses", str(above))
    text = run("advise", changed("advise.yaml", ("aws-nlb-instance", "generic"), ("sleep: {seconds: 1}",
               "sleep: {seconds: 16}")), "--search", "loadBalancer.probe.local.interval=1s..30s").stdout
    check("interval must be at most" in text, "advise: a largest value", text[:300])

# --- Bytes across zones ------------------------------------------------------------------------------------------------

ZONES = "scenarios/patterns/p43-one-pod-takes-a-zone.yaml"      # No masquerade: an address tells the zone.
NODES = {"10.244.0.": "node-a/eth0", "10.244.1.": "node-b/eth0", "10.244.2.": "node-c/eth0"}


def captured(folder):
    """bytes and packets that arrive at a node's eth0 from another node's pods, as tshark reads them"""
    run("run", ZONES, "--out", folder)
    fields = subprocess.run(["tshark", "-r", os.path.join(folder, "trace.pcapng"), "-T", "fields", "-e", "frame.interface_name",
                             "-e", "ip.len", "-e", "ip.src", "-e", "ip.dst"], capture_output=True, text=True).stdout
    sizes = []
    for line in fields.splitlines():
        interface, size, source, target = line.split("\t")
        if interface.endswith("/eth0") and interface == NODES.get(target[:9]) and source[:9] != target[:9]:
            sizes.append(int(size))
    return sum(sizes), len(sizes)


with tempfile.TemporaryDirectory() as folder:
    vxlan = os.path.join(folder, "vxlan.yaml")
    with open(vxlan, "w") as f:
        f.write("apiVersion: svcsim/v1\nkind: Cluster\nspec: {network: {kind: vxlan}}\n")
    plain, wrapped = whatif(ZONES)["as written"], whatif(ZONES, vxlan)["as written"]
    packets = sum(pair["packets"] for pair in plain["zoneBytes"])
    check(plain["crossZoneBytes"] == sum(pair["bytes"] for pair in plain["zoneBytes"]) > 0, "the sum over pairs of zones",
          str(plain["zoneBytes"]))
    check(plain["crossZoneBytesTo"] == {"service/web-even": plain["crossZoneBytes"]}, "PreferClose stays in its zone",
          str(plain["crossZoneBytesTo"]))
    # VXLAN: outer IP and UDP, VXLAN's header, the inner Ethernet header.
    check(wrapped["crossZoneBytes"] == plain["crossZoneBytes"] + packets * (20 + 8 + 8 + 14), "VXLAN's share",
          f"{wrapped['crossZoneBytes']} against {plain['crossZoneBytes']} in {packets} packets")
    if shutil.which("tshark"):
        check((plain["crossZoneBytes"], packets) == captured(folder), "tshark counts the same bytes across zones",
              str((plain["crossZoneBytes"], packets, captured(folder))))
    else:
        counts["skipped"] += 1

run("advise", RACE, status=2)
run("advise", RACE, "--search", "deployment/web.preStop=9..3s", status=2)
run("advise", RACE, "--search", "deployment/nobody.preStop=0..3s", status=2)
run("whatif", RACE, "--variant", "deployment/web.preStop=3s", status=2)
run("whatif", RACE, "--variant", "x:loadBalancer.profile=nobody", status=2)

# A kind that refuses the Service's protocol says why, and does not hide the others.
some = run("whatif", "scenarios/patterns/udp-through-a-proxy.yaml", "--variant", "clb:loadBalancer.profile=aws-clb", "-o", "json",
           status=2)
columns = {v["name"]: v for v in json.loads(some.stdout)["variants"]}
check(columns["as written"]["tried"] == 68 and "aws-clb carries TCP, and port 8125 is UDP" in columns["clb"]["error"],
      "one variant of two runs", some.stdout[:300])
few = run("whatif", RACE, "--event-limit", "20000", "-o", "json")
check(json.loads(few.stdout)["variants"][0].get("interrupted") and "limit of 20000 events" in few.stderr, "the limit of events",
      few.stderr)

# --- A Service that goes ----------------------------------------------------------------------------------------------

windows = whatif("tests/whatif/deleted-service.yaml")["as written"]["lossWindows"]
check(len(windows) == 1 and 5 <= windows[0]["start"] <= 5 + PROPAGATION and windows[0]["lost"] >= 200,
      "a deleted Service is lost for good", str(windows)[:400])
check(windows and "no Service has 10.96.0.50:80" in windows[0]["clock"] and "keep the Service" in windows[0]["fix"],
      "what a deleted Service is told to be", str(windows)[:400])

# --- The same bytes, Ctrl-C, figures ---------------------------------------------------------------------------------

args = ["whatif", RACE, "--variant", "gcp:loadBalancer.profile=gcp-passthrough-external", "--repeat", "4"]
for form in ("text", "json"):
    check(run(*args, "-o", form).stdout == run(*args, "-o", form, "--serial").stdout, f"serial and parallel, {form}")

process = subprocess.Popen([SVCSIM, *args[:-1], "3000", "-o", "json"], stdout=subprocess.PIPE, text=True)
time.sleep(1)
process.send_signal(signal.SIGINT)
answer = process.communicate()[0]
check(process.returncode == 0 and any(v.get("interrupted") for v in json.loads(answer)["variants"]), "Ctrl-C", answer[:200])

with tempfile.TemporaryDirectory() as folder:
    if shutil.which("gnuplot"):
        run(*args[:4], "--plot", folder)
        drawn = sorted(os.listdir(folder))
        both = ["as-written", "gcp"]
        of_all = ["tried", "lost", "retransmits", "connect-p50", "connect-p99", "request-p50", "request-p99", "source-kept",
                  "extra-nodes", "conntrack"]
        want = [f"{x}.svg" for x in of_all] + [f"{x}-{v}.svg" for x in ("pods", "requests", "reasons", "targets") for v in both]
        check(drawn == sorted(want), "figures", str(drawn))
        for name in drawn:
            with open(os.path.join(folder, name)) as f:
                check("</svg>" in f.read(), f"{name} is whole")
    else:
        done = subprocess.run([SVCSIM, *args[:4], "--plot", folder], capture_output=True, text=True)
        check(done.returncode == 3 and "gnuplot-nox" in done.stderr, "no gnuplot", done.stderr)

print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
sys.exit(counts["failed"] > 0)
