#ifndef TESTS_UNIT_SIM_CT_WORLD_H
#define TESTS_UNIT_SIM_CT_WORLD_H

/* One table and the packets that pass it, for the suites of connection tracking: no host, no rules */

#include "sim/netfilter/conntrack_private.h"
#include "sim/netfilter/nf_rule.h"
#include "tests/unit/test.h"

typedef struct {
    Sim *sim;
    Conntrack *ct;
} CtWorld;

static inline CtWorld
ct_world_new(void)
{
    CtWorld w = {.sim = sim_new(7)};

    w.ct = conntrack_new(w.sim, NULL, "node");
    return w;
}

static inline void
ct_world_free(CtWorld *w)
{
    conntrack_check(w->ct);
    T_EQ_U64(packet_pool_in_use(w->sim->packets), 0);
    T_EQ_U64(w->ct->n_conns, w->ct->n_table);
    conntrack_free(w->ct);
    sim_free(w->sim);
}

static inline void
ct_world_wait(CtWorld *w, SimTime time)
{
    sim_run_until(w->sim, w->sim->now + time);
}

static inline IpAddr
ct_addr(const char *text)
{
    IpAddr addr = IPADDR_ANY4;

    T_TRUE(ipaddr_parse(text, &addr));
    return addr;
}

static inline Packet *
ct_packet(CtWorld *w, uint8_t proto, const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
    Packet *pkt = packet_new(w->sim);

    pkt->proto = proto;
    pkt->src = ct_addr(src);
    pkt->dst = ct_addr(dst);
    pkt->sport = sport;
    pkt->dport = dport;
    pkt->flow = (uint64_t)sport << 16 | dport;
    if (proto == IPPROTO_TCP_)
        pkt->tcp.window = 64240;
    return pkt;
}

/* What a router with these translations does to a packet; NULL: that nat chain has no rule for it. */
static inline NfVerdict
ct_forward(CtWorld *w, Packet *pkt, const NatRange *dnat, const NatRange *snat, DropReason *ret_reason)
{
    NfVerdict verdict = conntrack_in(w->ct, NF_PREROUTING, pkt, (CtZone){0}, ret_reason);

    if (verdict == NF_ACCEPT && nat_needs_setup(pkt, NAT_MANIP_DST))
        verdict = nat_setup(w->ct, NF_PREROUTING, pkt, NAT_MANIP_DST, dnat, ret_reason);
    if (verdict == NF_ACCEPT)
        verdict = nat_packet(w->ct, NF_PREROUTING, pkt);
    if (verdict == NF_ACCEPT && nat_needs_setup(pkt, NAT_MANIP_SRC))
        verdict = nat_setup(w->ct, NF_POSTROUTING, pkt, NAT_MANIP_SRC, snat, ret_reason);
    if (verdict == NF_ACCEPT)
        verdict = nat_packet(w->ct, NF_POSTROUTING, pkt);
    if (verdict == NF_ACCEPT)
        verdict = conntrack_confirm(w->ct, NF_POSTROUTING, pkt, ret_reason);
    return verdict;
}

static inline void
ct_collect_line(const Conn *conn, void *user)
{
    g_autofree char *line = conn_format(conn_table(conn), conn);

    g_string_append_printf(user, "%s%s", ((GString *)user)->len ? "\n" : "", line);
}

/* The whole table as `conntrack -L` shows it; free with g_free(). */
static inline char *
ct_list(CtWorld *w)
{
    GString *text = g_string_new(NULL);

    conntrack_each(w->ct, ct_collect_line, text);
    return g_string_free(text, FALSE);
}

#define CT_LIST_IS(w, want)                                                                                            \
    do {                                                                                                               \
        char *list_ = ct_list(w);                                                                                      \
        T_EQ_STR(list_, want);                                                                                         \
        g_free(list_);                                                                                                 \
    } while (0)

#endif
