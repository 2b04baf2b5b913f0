#include "sim/net/host_private.h"

/* Path MTUs learned from frag-needed and packet-too-big (route exceptions: ip_rt_mtu_expires, ip_rt_min_pmtu) */

#define EXPIRES  (600 * SIMTIME_SEC)
#define MIN_PMTU 552u

typedef struct {
    SimTime expires;
    uint32_t mtu;
} PathMtu;

uint32_t
pmtu_get(const Host *host, IpAddr dst)
{
    if (!host->pmtu)
        return 0;
    const PathMtu *path = htable_find(host->pmtu, &dst);
    return path && path->expires > host->sim->now ? path->mtu : 0;
}

void
pmtu_learn(Host *host, IpAddr dst, uint32_t mtu)
{
    if (!host->pmtu) {
        host->pmtu = g_new0(HTable, 1);
        htable_init(host->pmtu, sizeof(IpAddr), sizeof(PathMtu));
    }
    PathMtu *path = htable_insert(host->pmtu, &dst, NULL);
    path->mtu = MAX(mtu, ipaddr_is_v4(&dst) ? MIN_PMTU : 1280u);
    path->expires = host->sim->now + EXPIRES;
}

void
pmtu_free(Host *host)
{
    if (!host->pmtu)
        return;
    htable_clear(host->pmtu);
    g_free(host->pmtu);
    host->pmtu = NULL;
}
