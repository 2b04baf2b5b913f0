#!/usr/bin/env python3
"""The live twin: a scenario's cluster in network namespaces, its flows played with real sockets, both compared.

Usage: twin.py [--program build/svcsim] [--mode iptables,nftables] [--network KIND] SCENARIO.yaml...

For each scenario: nodes, pods, clients and the router become network namespaces, joined as the simulation has them; each
node loads the rules that svcsim wrote for the moment; the flows of each connect, send, resolve and load are played
again: same client, same destination (of many equal ones the first few).  Compared per flow: the outcome, the server, the
source that it saw, the packets on every interface in order (compare.py), and the connection tracking entries of every
node.  Where several servers are possible the simulation is run with other seeds until one agrees; with ClientIP affinity
one seed must agree for all flows of a client.  A flow that differs is played once more, which is said: two processes
that are woken in another order are no difference.

What the twin cannot play it lists with the reason (lines "SKIP").  Needs root, iproute2, iptables, nft, conntrack and
Python's yaml; without them it says so and exits with 77."""

import argparse
import contextlib
import io
import multiprocessing
import os
import re
import signal
import sys

from lab import guard

TOOLS = ("iptables-restore", "ip6tables-restore", "nft", "conntrack")
MODES = ("iptables", "nftables")


def main():
    parser = argparse.ArgumentParser(description="Scenarios in network namespaces and in the simulator.")
    parser.add_argument("--program", default="build/svcsim")
    parser.add_argument("--mode", default=",".join(MODES))
    parser.add_argument("--network", help="instead of the scenario's: bridge or routed")
    parser.add_argument("--short", action="store_true", help="of several networks, another one for each mode")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count()))
    parser.add_argument("scenarios", nargs="+", metavar="SCENARIO.yaml")
    arguments = parser.parse_args()
    if not guard("twin", *TOOLS):
        return 77
    try:
        import player  # pylint: disable=import-outside-toplevel,unused-import
    except ModuleNotFoundError as missing:
        print("SKIP twin: %s (Debian: python3-yaml)" % missing)
        print("0 passed, 0 failed, 1 skipped")
        return 77
    tasks = [(arguments.program, path, network, mode) for path in arguments.scenarios
             for network, mode in variants(path, arguments)]
    good = bad = 0
    reasons = set()
    with multiprocessing.get_context("fork").Pool(arguments.jobs, as_child) as pool:
        for path, text, agree, differ, skipped in pool.imap(play, tasks, chunksize=1):
            print(text, end="", flush=True)
            good, bad = good + agree, bad + differ
            reasons |= {"%s: %s" % (os.path.basename(path), reason) for reason in skipped}
    for reason in sorted(reasons):
        print("SKIP " + reason)
    print("%d passed, %d failed, %d skipped" % (good, bad, len(reasons)))
    return 1 if bad else 0


def variants(path, arguments):
    """(network, mode) to play a scenario in.  A comment "# networks: bridge routed" asks for each of these; otherwise it is
    the scenario's own."""
    with open(path, encoding="utf-8") as file:
        asked = re.search(r"^# networks: (.+)$", file.read(), re.M)
    networks = [arguments.network] if arguments.network or not asked else asked.group(1).split()
    modes = arguments.mode.split(",")
    if arguments.short:
        return [(networks[index % len(networks)], mode) for index, mode in enumerate(modes)]
    return [(network, mode) for network in networks for mode in modes]


def as_child():
    """Interrupted with the others; the parent alone cleans up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def play(task):
    from player import Player  # pylint: disable=import-outside-toplevel
    from scenario import Scenario  # pylint: disable=import-outside-toplevel
    program, path, network, mode = task
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        player = Player(program, Scenario(path, mode, network))
        player.run()
        print("%s: %d flows agree, %d differ%s" % (player.scenario.title(), player.good, player.bad,
                                                   ", %d played twice" % player.again if player.again else ""))
    return path, text.getvalue(), player.good, player.bad, player.skipped


if __name__ == "__main__":
    sys.exit(main())
