#include "sim/netfilter/conntrack.h"

#include <glib.h>

#include "sim/netfilter/conntrack_private.h"
#include "sim/netfilter/nf_rule.h"

static CtPacketVerdict track(Conntrack *ct, Conn *conn, const Packet *pkt, CtDir dir);
static NfVerdict clash_resolve(Conntrack *ct, Packet *pkt, Conn *winner, DropReason *ret_reason);
static bool clash_join(Conntrack *ct, Packet *pkt, Conn *winner);
static bool same_tuples(const Conn *a, const Conn *b, bool reversed);

Conntrack *
conntrack_new(Sim *sim, Host *host, const char *host_name)
{
    Conntrack *ct = g_new0(Conntrack, 1);
    g_autofree char *name = g_strconcat("conntrack/", host_name, NULL);

    ct->sim = sim;
    ct->host = host;
    ct_sysctls_default(&ct->sysctls);
    ct->nat_key = rng_hash_str(rng_hash_str(sim->seed, host_name), "nat");
    ct->entity = sim_entity(sim, name);
    ct->sweep = timer_new(sim, "conntrack.sweep", &ct->entity, ct_table_sweep, ct);
    ct->sweep_at = SIMTIME_NEVER;
    packet_pool_set_conn_release(sim->packets, conn_release_packet);
    return ct;
}

void
conntrack_free(Conntrack *ct)
{
    if (!ct)
        return;
    ct_table_clear(ct);
    timer_free(ct->sim, &ct->sweep);
    sim_entity_free(ct->sim, ct->entity);
    ct->closing = true;
    if (ct->n_conns == 0)
        conntrack_free_slabs(ct);
}

CtSysctls *
conntrack_sysctls(Conntrack *ct)
{
    return &ct->sysctls;
}

const CtStats *
conntrack_stats(const Conntrack *ct)
{
    return &ct->stats;
}

NfVerdict
conntrack_in(Conntrack *ct, NfHook hook, Packet *pkt, CtZone zone, DropReason *ret_reason)
{
    CtTuple tuple, reply;
    CtPacketVerdict verdict;
    Conn *conn;
    CtDir dir;
    bool is_new;

    /* It came through the loopback device with its connection, or rules said not to track it. */
    if (pkt->meta.ct || pkt->meta.ctinfo == CTINFO_UNTRACKED)
        return NF_ACCEPT;
    pkt->meta.ctinfo = CTINFO_INVALID;
    pkt->meta.ct_reply = 0;
    if (pkt->cksum == CKSUM_BAD && ct->sysctls.checksum && hook == NF_PREROUTING) {
        if (packet_is_icmp(pkt))
            goto icmp_invalid;
        goto invalid;
    }
    if (packet_is_icmp(pkt)) {
        if (ct_icmpv6_is_untracked(pkt)) {
            pkt->meta.ctinfo = CTINFO_UNTRACKED;
            return NF_ACCEPT;
        }
        if (packet_is_icmp_error(pkt)) {
            if (!ct_icmp_error(ct, pkt, zone))
                goto icmp_invalid;
            return NF_ACCEPT;
        }
    }
    if (!ct_tuple_of_packet(pkt, ct_zone_id(zone, CT_ORIG), &tuple))
        goto invalid;

    do {
        conn = ct_table_find(ct, &tuple, zone, &dir);
        is_new = conn == NULL;
        if (is_new) {
            if (!ct_tuple_invert(&tuple, &reply))
                goto invalid;
            reply.zone = ct_zone_id(zone, CT_REPLY);
            if (!ct_table_make_room(ct, ct_tuple_hash(&tuple))) {
                ct->stats.drop++;
                *ret_reason = DROP_CT_FULL;
                return NF_DROP;
            }
            conn = conn_new(ct, &tuple, &reply);
            conn->flow = pkt->flow;
            dir = CT_ORIG;
        } else {
            conn_ref(conn);
        }
        verdict = track(ct, conn, pkt, dir);
        if (verdict != CT_PACKET_ACCEPT)
            conn_unref(ct, conn);
    } while (verdict == CT_PACKET_REPEAT);
    if (verdict == CT_PACKET_INVALID)
        goto invalid;

    pkt->meta.ct = conn;
    pkt->meta.ct_reply = dir == CT_REPLY;
    /* The state before this packet: a first answer is ESTABLISHED by its direction. */
    pkt->meta.ctinfo = dir == CT_REPLY || conn->status & CT_SEEN_REPLY ? CTINFO_ESTABLISHED : CTINFO_NEW;
    if (is_new)
        ct_trace(ct, conn, pkt, TRACE_CT_NEW);
    if (dir == CT_REPLY && !(conn->status & CT_SEEN_REPLY)) {
        conn->status |= CT_SEEN_REPLY;
        ct_trace(ct, conn, pkt, TRACE_CT_REPLY);
    }
    return NF_ACCEPT;

invalid:
    ct->stats.invalid++;
    return NF_ACCEPT;
icmp_invalid: /* Counted apart. */
    ct->stats.icmp_error++;
    return NF_ACCEPT;
}

NfVerdict
conntrack_confirm(Conntrack *ct, NfHook hook, Packet *pkt, DropReason *ret_reason)
{
    Conn *conn = pkt->meta.ct, *winner;

    (void)hook;
    /* Answers that the host attached to an unconfirmed connection do not confirm it. */
    if (!conn || conn->status & CT_CONFIRMED || pkt->meta.ct_reply)
        return NF_ACCEPT;
    winner = ct_table_find_clash(ct, conn, CT_ORIG);
    if (!winner)
        winner = ct_table_find_clash(ct, conn, CT_REPLY);
    if (winner)
        return clash_resolve(ct, pkt, winner, ret_reason);
    conn->expires += ct->sim->now;
    ct_table_insert(ct, conn);
    ct_trace(ct, conn, pkt, TRACE_CT_CONFIRM);
    return NF_ACCEPT;
}

uint32_t
conntrack_state_bits(const Packet *pkt)
{
    static const uint8_t tracked[] = {
        [CTINFO_NONE] = NF_CT_INVALID, [CTINFO_INVALID] = NF_CT_INVALID,         [CTINFO_UNTRACKED] = NF_CT_UNTRACKED,
        [CTINFO_NEW] = NF_CT_NEW,      [CTINFO_ESTABLISHED] = NF_CT_ESTABLISHED, [CTINFO_RELATED] = NF_CT_RELATED,
    };
    uint32_t bits = tracked[pkt->meta.ctinfo];

    if (!pkt->meta.ct)
        return bits == NF_CT_UNTRACKED ? bits : NF_CT_INVALID;
    if (bits & (NF_CT_INVALID | NF_CT_UNTRACKED))
        return bits;
    if (pkt->meta.ct->status & CT_SRC_NAT)
        bits |= NF_CT_SNAT;
    if (pkt->meta.ct->status & CT_DST_NAT)
        bits |= NF_CT_DNAT;
    return bits;
}

uint32_t
conntrack_status_bits(const Packet *pkt)
{
    return pkt->meta.ct ? conn_status_bits(pkt->meta.ct) : 0;
}

void
conntrack_attach(Packet *answer, const Packet *cause)
{
    if (answer->meta.ct)
        return;
    /* "RELATED" to nothing: rules that ask for a state see INVALID, but xt_CT.c takes it as tracked. */
    if (cause->meta.ctinfo == CTINFO_UNTRACKED)
        answer->meta.ctinfo = CTINFO_RELATED;
    if (!cause->meta.ct)
        return;
    conn_ref(cause->meta.ct);
    answer->meta.ct = cause->meta.ct;
    answer->meta.ctinfo = CTINFO_RELATED;
    answer->meta.ct_reply = !cause->meta.ct_reply;
}

void
conntrack_set_closing(Conntrack *ct, const Packet *pkt)
{
    Conn *conn = pkt->meta.ct;

    if (!conn || conn->key[CT_ORIG].proto != IPPROTO_TCP_ || !(conn->status & CT_CONFIRMED))
        return;
    conn->state = CT_TCP_CLOSE;
    conn_refresh(ct, conn, ct->sysctls.tcp_timeout_close);
    ct_trace(ct, conn, pkt, TRACE_CT_STATE);
}

static CtPacketVerdict
track(Conntrack *ct, Conn *conn, const Packet *pkt, CtDir dir)
{
    switch (pkt->proto) {
    case IPPROTO_TCP_:
        return ct_tcp_packet(ct, conn, pkt, dir);
    case IPPROTO_UDP_:
        return ct_udp_packet(ct, conn, pkt);
    case IPPROTO_SCTP_:
        return ct_sctp_packet(ct, conn, pkt, dir);
    case IPPROTO_ICMP_:
    case IPPROTO_ICMPV6_:
        return ct_icmp_packet(ct, conn, pkt);
    default:
        return ct_generic_packet(ct, conn);
    }
}

/* nf_ct_resolve_clash(): 'winner' has one of the tuples of the packet's unconfirmed entry.  TCP and others: the packet
 * is lost.  UDP: it joins the winner if that is the same translation; else, if only the original tuple clashes, its
 * entry lives for a second by its reply tuple, to translate the answer. */
static NfVerdict
clash_resolve(Conntrack *ct, Packet *pkt, Conn *winner, DropReason *ret_reason)
{
    Conn *loser = pkt->meta.ct;

    if (loser->key[CT_ORIG].proto == IPPROTO_UDP_) {
        if (clash_join(ct, pkt, winner))
            return NF_ACCEPT;
        winner = ct_table_find_clash(ct, loser, CT_REPLY);
        if (winner && clash_join(ct, pkt, winner))
            return NF_ACCEPT;
        if (!winner) {
            loser->expires = ct->sim->now + SIMTIME_SEC;
            loser->status |= CT_FIXED_TIMEOUT | CT_NAT_CLASH;
            ct_table_insert(ct, loser);
            ct->stats.inserted--;
            ct->stats.clash_resolve++;
            ct_trace(ct, loser, pkt, TRACE_CT_CONFIRM);
            return NF_ACCEPT;
        }
    }
    ct->stats.drop++;
    ct->stats.insert_failed++;
    *ret_reason = loser->status & CT_NO_PORT ? DROP_NAT_NO_PORT : DROP_CT_INSERT_FAILED;
    return NF_DROP;
}

/* The packet leaves its own entry for the winner's if that treats it alike (nf_ct_can_merge()).  One that is the
 * winner's answer stays a packet of the original direction all the same, and the winner does not count as answered. */
static bool
clash_join(Conntrack *ct, Packet *pkt, Conn *winner)
{
    Conn *loser = pkt->meta.ct;

    if (!same_tuples(winner, loser, false) && !same_tuples(winner, loser, true))
        return false;
    conn_ref(winner);
    pkt->meta.ct = winner;
    conn_unref(ct, loser);
    ct->stats.clash_resolve++;
    return true;
}

static bool
same_tuples(const Conn *a, const Conn *b, bool reversed)
{
    CtTuple orig = conn_tuple(b, reversed ? CT_REPLY : CT_ORIG), reply = conn_tuple(b, reversed ? CT_ORIG : CT_REPLY);
    CtTuple a_orig = conn_tuple(a, CT_ORIG), a_reply = conn_tuple(a, CT_REPLY);

    return ct_tuple_eq(&a_orig, &orig) && ct_tuple_eq(&a_reply, &reply);
}
