/* Packets of new connections on their way from translation to the conntrack table
 *
 * The kernel handles packets on several CPUs at once: between the choice of a translation and the entry that reserves
 * it (nf_conntrack_confirm()), another packet may choose the same, and the later entry clashes (FIELD: insert_failed).
 * One delay for all keeps packets in order; a packet of a known connection does not wait. */

#include "sim/engine/vec.h"
#include "sim/net/host_private.h"

typedef struct {
    Packet *pkt; /* Owned; NULL: forgotten. */
    NetDev *dev;
    IpAddr next_hop;
    SimTime at;
} Waiting;

struct LateOutput {
    VEC(Waiting) queue; /* By time, from 'head'. */
    size_t head;
    Timer timer;
};

static LateOutput *queue_of(Host *host);
static void on_due(Sim *sim, void *owner);

IpSendResult
late_output(Host *host, Packet *pkt, NetDev *dev, IpAddr next_hop)
{
    NfResult result = nf_stack_postrouting_unconfirmed(host->nf, pkt);

    if (result.verdict != NF_ACCEPT) {
        ip_hook_finish(host, NF_POSTROUTING, pkt, &result);
        return IP_EPERM;
    }
    if (pkt->meta.ctinfo == CTINFO_NEW && !pkt->meta.ct_reply) {
        LateOutput *late = queue_of(host);
        SimTime at = host->sim->now + host->sysctls.confirm_delay;

        vec_push(&late->queue, ((Waiting){.pkt = pkt, .dev = dev, .next_hop = next_hop, .at = at}));
        if (!timer_armed(host->sim, late->timer))
            timer_arm(host->sim, late->timer, at);
        return IP_SENT;
    }
    neigh_output(dev, next_hop, pkt);
    return IP_SENT;
}

void
late_output_forget_dev(Host *host, const NetDev *dev)
{
    LateOutput *late = host->late_output;

    for (size_t i = late ? late->head : 0; late && i < late->queue.len; i++) {
        Waiting *w = &late->queue.data[i];
        if (w->pkt && w->dev == dev)
            host_drop(host, g_steal_pointer(&w->pkt), DROP_LINK_DOWN);
    }
}

void
late_output_free(Host *host)
{
    LateOutput *late = host->late_output;

    if (!late)
        return;
    for (size_t i = late->head; i < late->queue.len; i++)
        if (late->queue.data[i].pkt)
            packet_free(host->sim, late->queue.data[i].pkt);
    vec_clear(&late->queue);
    timer_free(host->sim, &late->timer);
    g_free(late);
    host->late_output = NULL;
}

static LateOutput *
queue_of(Host *host)
{
    if (!host->late_output) {
        host->late_output = g_new0(LateOutput, 1);
        host->late_output->timer = timer_new(host->sim, "host.confirm", &host->entity, on_due, host);
    }
    return host->late_output;
}

static void
on_due(Sim *sim, void *owner)
{
    Host *host = owner;
    LateOutput *late = host->late_output;

    while (late->head < late->queue.len && late->queue.data[late->head].at <= sim->now) {
        Waiting w = late->queue.data[late->head++];
        NfResult result;

        if (!w.pkt)
            continue;
        result = nf_stack_confirm(host->nf, w.pkt);
        if (result.verdict == NF_ACCEPT)
            neigh_output(w.dev, w.next_hop, w.pkt);
        else
            ip_hook_finish(host, NF_POSTROUTING, w.pkt, &result);
    }
    if (late->head == late->queue.len)
        late->queue.len = late->head = 0;
    else
        timer_arm(sim, late->timer, late->queue.data[late->head].at);
}
