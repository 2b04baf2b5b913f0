#include "sim/net/host_private.h"

/* Rate limits of ICMP errors (net/ipv4/icmp.c: icmp_global_allow(), inetpeer.c: inet_peer_xrlim_allow())
 *
 * A token is a span of time: an error to a peer costs icmp_ratelimit, time gives it back, at most six errors' worth.
 * The kernel's global bucket takes a random 0 to 2 per message; here the mean, 1.                                    */

#define BURST_FACTOR 6 /* XRLIM_BURST_FACTOR. */
#define FIRST_CREDIT (60 * SIMTIME_SEC)
#define REFILL_STEP  (SIMTIME_SEC / 50)
#define ROUTE_COST   (1 * SIMTIME_SEC) /* ip_rt_error_cost. */
#define ROUTE_BURST  (5 * SIMTIME_SEC) /* ip_rt_error_burst. */

typedef struct {
    SimTime tokens, last;
} Bucket;

typedef struct {
    Bucket errors, route_errors;
} Peer;

struct IcmpLimits {
    uint32_t credit;
    SimTime refilled_at;
    HTable peers; /* IpAddr to Peer. */
};

static IcmpLimits *limits(Host *host);
static Peer *limits_peer(Host *host, IpAddr addr);
static bool bucket_take(Bucket *bucket, SimTime now, SimTime cost, SimTime burst);

bool
icmp_limit_global(Host *host)
{
    IcmpLimits *state = limits(host);
    SimTime delta = host->sim->now - state->refilled_at;

    if (delta >= REFILL_STEP) {
        delta = MIN(delta, SIMTIME_SEC);
        uint64_t more = (uint64_t)delta * host->sysctls.icmp_msgs_per_sec / (uint64_t)SIMTIME_SEC;
        state->credit = (uint32_t)MIN(state->credit + more, (uint64_t)host->sysctls.icmp_msgs_burst);
        state->refilled_at = host->sim->now;
    }
    return state->credit > 0;
}

void
icmp_limit_global_consume(Host *host)
{
    IcmpLimits *state = limits(host);
    if (state->credit > 0)
        state->credit--;
}

bool
icmp_limit_peer(Host *host, IpAddr peer, uint32_t interval_ms)
{
    SimTime cost = (SimTime)interval_ms * SIMTIME_MSEC;
    return bucket_take(&limits_peer(host, peer)->errors, host->sim->now, cost, BURST_FACTOR * cost);
}

bool
icmp_limit_route_error(Host *host, IpAddr peer)
{
    return bucket_take(&limits_peer(host, peer)->route_errors, host->sim->now, ROUTE_COST, ROUTE_BURST);
}

void
icmp_limits_free(Host *host)
{
    if (!host->icmp_limits)
        return;
    htable_clear(&host->icmp_limits->peers);
    g_free(host->icmp_limits);
    host->icmp_limits = NULL;
}

static IcmpLimits *
limits(Host *host)
{
    if (!host->icmp_limits) {
        host->icmp_limits = g_new0(IcmpLimits, 1);
        host->icmp_limits->credit = host->sysctls.icmp_msgs_burst;
        host->icmp_limits->refilled_at = host->sim->now;
        htable_init(&host->icmp_limits->peers, sizeof(IpAddr), sizeof(Peer));
    }
    return host->icmp_limits;
}

static Peer *
limits_peer(Host *host, IpAddr addr)
{
    bool is_new;
    Peer *peer = htable_insert(&limits(host)->peers, &addr, &is_new);
    if (is_new)
        peer->errors.last = peer->route_errors.last = host->sim->now - FIRST_CREDIT;
    return peer;
}

static bool
bucket_take(Bucket *bucket, SimTime now, SimTime cost, SimTime burst)
{
    bucket->tokens = MIN(bucket->tokens + (now - bucket->last), burst);
    bucket->last = now;
    if (bucket->tokens < cost)
        return false;
    bucket->tokens -= cost;
    return true;
}
