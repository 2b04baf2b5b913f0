#ifndef TESTS_UNIT_MODEL_PROXY_WALKS_H
#define TESTS_UNIT_MODEL_PROXY_WALKS_H

/* Packets to all doors of all Services, through rules that a compiler made */

#include "model/proxy/proxier.h"
#include "tests/unit/sim/nf_world.h"

/* A packet of its own connection to every door of a Service. */
static inline void
knock(NfStack *nf, Sim *sim, const ProxyServicePort *port, IpAddr addr, uint16_t dport, uint64_t flow)
{
    Packet *pkt = packet_new(sim);

    pkt->proto = port->proto;
    pkt->src = ipaddr_v4(192, 0, 2, 1);
    pkt->dst = addr;
    pkt->sport = (uint16_t)(1024 + flow % 60000);
    pkt->dport = dport;
    pkt->flow = flow;
    pkt->meta.in = DEV("eth0");
    if (port->proto == IPPROTO_TCP)
        pkt->tcp.flags = TCP_SYN;
    if (nf_stack_hook(nf, NF_PREROUTING, pkt).verdict == NF_ACCEPT)
        nf_stack_hook(nf, NF_FORWARD, pkt);
    packet_free(sim, pkt);
}

static inline void
knock_everywhere(NfStack *nf, Sim *sim, const ServiceMap *map)
{
    size_t n;
    const ServiceEntry *const *entries = service_map_entries(map, &n);
    uint64_t flow = 1;

    for (size_t i = 0; i < n; i++)
        for (uint32_t p = 0; p < service_entry_n_ports(entries[i]); p++) {
            const ProxyServicePort *port = &service_entry_ports(entries[i])[p];

            knock(nf, sim, port, port->cluster_ip, port->port, flow++);
            knock(nf, sim, port, port->cluster_ip, 9, flow++);
            for (uint32_t v = 0; v < port->n_lb_vips; v++)
                knock(nf, sim, port, port->lb_vips[v], port->port, flow++);
            knock(nf, sim, port, nf_addr("10.0.0.1"), port->node_port, flow++);
        }
}

/* Walked with the index of keys, the rules do what they do one after the other: all counters are equal. */
static inline void
check_walks(const NfRuleset *rules, const ServiceMap *map)
{
    Sim *sims[2];
    NfStack *nf[2];
    size_t n;
    uint64_t n_hits = 0;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(rules, &n);

    for (int linear = 0; linear < 2; linear++) {
        sims[linear] = sim_new(1);
        nf[linear] = nf_stack_new(sims[linear], NULL, &nf_world_ops);
        nf_stack_set_ruleset(nf[linear], FAMILY_IPV4, "kube-proxy", (NfRuleset *)rules);
        nf_stack_set_linear(nf[linear], linear);
        knock_everywhere(nf[linear], sims[linear], map);
    }
    for (size_t i = 0; i < n; i++)
        for (uint32_t r = 0; r < nf_chain_n_rules(nf_ruleset_chain(rules, ids[i])); r++) {
            NfCounter a = nf_state_counter(nf_stack_state(nf[0]), rules, ids[i], r);
            NfCounter b = nf_state_counter(nf_stack_state(nf[1]), rules, ids[i], r);
            T_EQ_U64(a.packets, b.packets);
            n_hits += a.packets;
        }
    T_TRUE(n_hits > 1000);
    for (int linear = 0; linear < 2; linear++) {
        nf_stack_free(nf[linear]);
        sim_free(sims[linear]);
    }
}

#endif
