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
import sys

from lab import guard

TOOLS = ("iptables-restore", "ip6tables-restore", "nft", "conntrack")


def main():
    parser = argparse.ArgumentParser(description="A scenario in network namespaces and in the simulator.")
    parser.add_argument("--program", default="build/svcsim")
    parser.add_argument("--mode", default="iptables,nftables")
    parser.add_argument("--network", help="instead of the scenario's: bridge or routed")
    parser.add_argument("scenarios", nargs="+", metavar="SCENARIO.yaml")
    arguments = parser.parse_args()
    if not guard("twin", *TOOLS):
        return 77
    try:
        from player import Player  # pylint: disable=import-outside-toplevel
        from scenario import Scenario  # pylint: disable=import-outside-toplevel
    except ModuleNotFoundError as missing:
        print("SKIP twin: %s (Debian: python3-yaml)" % missing)
        return 77
    good = bad = skipped = 0
    for path in arguments.scenarios:
        reasons = set()
        for mode in arguments.mode.split(","):
            scenario = Scenario(path, mode, arguments.network)
            player = Player(arguments.program, scenario)
            try:
                player.run()
            finally:
                scenario.remove()
            print("%s, %s: %d flows agree, %d differ%s" % (scenario.name, mode, player.good, player.bad,
                                                           ", %d played twice" % player.again if player.again else ""),
                  flush=True)
            good, bad, reasons = good + player.good, bad + player.bad, reasons | set(player.skipped)
        for reason in sorted(reasons):
            print("SKIP %s: %s" % (scenario.name, reason))
        skipped += len(reasons)
    print("%d passed, %d failed, %d skipped" % (good, bad, skipped))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
