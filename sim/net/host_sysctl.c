#include <errno.h>
#include <stdlib.h>

#include "sim/net/host_private.h"

/* sysctls by name.  A per-interface name (net.ipv4.conf.eth0.rp_filter) sets the host's one value: the kernel combines
 * "all" and the interface, and scenarios set what a node has everywhere. */

typedef enum { SYSCTL_BOOL, SYSCTL_U8, SYSCTL_U32 } SysctlType;

typedef struct {
    const char *name;
    SysctlType type;
    size_t offset;
    uint32_t min, max;
} Sysctl;

#define ENTRY(text, type, field, low, high)                                                                            \
    {                                                                                                                  \
        text, type, offsetof(HostSysctls, field), low, high                                                            \
    }

static const Sysctl table[] = {
    ENTRY("net.ipv4.ip_forward", SYSCTL_BOOL, ip_forward, 0, 1),
    ENTRY("net.ipv4.conf.*.forwarding", SYSCTL_BOOL, ip_forward, 0, 1),
    ENTRY("net.ipv6.conf.*.forwarding", SYSCTL_BOOL, ip6_forward, 0, 1),
    ENTRY("net.ipv4.conf.*.rp_filter", SYSCTL_U8, rp_filter, 0, 2),
    ENTRY("net.ipv4.conf.*.route_localnet", SYSCTL_BOOL, route_localnet, 0, 1),
    ENTRY("net.ipv4.conf.*.send_redirects", SYSCTL_BOOL, send_redirects, 0, 1),
    ENTRY("net.ipv4.conf.*.accept_local", SYSCTL_BOOL, accept_local, 0, 1),
    ENTRY("net.ipv4.conf.*.arp_ignore", SYSCTL_U8, arp_ignore, 0, 1),
    ENTRY("net.ipv4.icmp_ratelimit", SYSCTL_U32, icmp_ratelimit, 0, INT32_MAX),
    ENTRY("net.ipv6.icmp.ratelimit", SYSCTL_U32, icmp6_ratelimit, 0, INT32_MAX),
    ENTRY("net.ipv4.icmp_msgs_per_sec", SYSCTL_U32, icmp_msgs_per_sec, 0, INT32_MAX),
    ENTRY("net.ipv4.icmp_msgs_burst", SYSCTL_U32, icmp_msgs_burst, 0, INT32_MAX),
    ENTRY("net.bridge.bridge-nf-call-iptables", SYSCTL_BOOL, bridge_nf_call_iptables, 0, 1),
    ENTRY("net.bridge.bridge-nf-call-ip6tables", SYSCTL_BOOL, bridge_nf_call_ip6tables, 0, 1),
    ENTRY("net.ipv4.ip_default_ttl", SYSCTL_U8, default_ttl, 1, 255),
    ENTRY("net.ipv4.tcp_syn_retries", SYSCTL_U8, tcp_syn_retries, 1, 127),
    ENTRY("net.ipv4.tcp_syn_linear_timeouts", SYSCTL_U8, tcp_syn_linear_timeouts, 0, 127),
    ENTRY("net.ipv4.tcp_synack_retries", SYSCTL_U8, tcp_synack_retries, 0, 255),
    ENTRY("net.ipv4.tcp_retries2", SYSCTL_U8, tcp_retries2, 0, 255),
    ENTRY("net.ipv4.tcp_orphan_retries", SYSCTL_U8, tcp_orphan_retries, 0, 255),
    ENTRY("net.ipv4.tcp_fin_timeout", SYSCTL_U32, tcp_fin_timeout_s, 0, INT32_MAX),
    ENTRY("net.ipv4.tcp_keepalive_time", SYSCTL_U32, tcp_keepalive_time_s, 0, INT32_MAX),
    ENTRY("net.ipv4.tcp_keepalive_intvl", SYSCTL_U32, tcp_keepalive_intvl_s, 0, INT32_MAX),
    ENTRY("net.ipv4.tcp_keepalive_probes", SYSCTL_U8, tcp_keepalive_probes, 0, 255),
    ENTRY("net.ipv4.tcp_abort_on_overflow", SYSCTL_BOOL, tcp_abort_on_overflow, 0, 1),
    ENTRY("net.ipv4.tcp_timestamps", SYSCTL_BOOL, tcp_timestamps, 0, 2),
    ENTRY("net.ipv4.tcp_sack", SYSCTL_BOOL, tcp_sack, 0, 1),
    ENTRY("net.ipv4.tcp_window_scaling", SYSCTL_BOOL, tcp_window_scaling, 0, 1),
    ENTRY("net.core.somaxconn", SYSCTL_U32, somaxconn, 0, INT32_MAX),
};

static const char ct_prefix[] = "net.netfilter.nf_conntrack_";

static bool name_matches(const char *pattern, const char *name);
static bool set_port_range(HostSysctls *sysctls, const char *value);
static bool parse_u32(const char *text, uint32_t *ret_value);

void
host_sysctls_default(HostSysctls *ret_sysctls)
{
    *ret_sysctls = (HostSysctls){
        .send_redirects = true,
        .icmp_ratelimit = 1000,
        .icmp6_ratelimit = 100, /* 1000 before Linux 7.0 and stable kernels of February 2026. */
        .icmp_msgs_per_sec = 1000,
        .icmp_msgs_burst = 50,
        .bridge_nf_call_iptables = true,
        .bridge_nf_call_ip6tables = true,
        .port_range_min = 32768,
        .port_range_max = 60999,
        .default_ttl = 64,
        .tcp_syn_retries = 6,
        .tcp_syn_linear_timeouts = 4,
        .tcp_synack_retries = 5,
        .tcp_retries2 = 15,
        .tcp_fin_timeout_s = 60,
        .tcp_keepalive_time_s = 7200,
        .tcp_keepalive_intvl_s = 75,
        .tcp_keepalive_probes = 9,
        .tcp_timestamps = true,
        .tcp_sack = true,
        .tcp_window_scaling = true,
        .somaxconn = 4096,
    };
}

bool
host_sysctl_set(Host *host, const char *name, const char *value)
{
    if (g_str_has_prefix(name, ct_prefix)) {
        NfStack *nf = host_netfilter(host);
        nf_stack_force_conntrack(nf);
        return ct_sysctl_set(conntrack_sysctls(nf_stack_conntrack(nf)), name + strlen(ct_prefix), value);
    }
    if (strcmp(name, "net.ipv4.ip_local_port_range") == 0)
        return set_port_range(&host->sysctls, value);

    uint32_t number;
    if (!parse_u32(value, &number))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        const Sysctl *entry = &table[i];
        if (!name_matches(entry->name, name))
            continue;
        if (number < entry->min || number > entry->max)
            return false;
        void *field = (char *)&host->sysctls + entry->offset;
        switch (entry->type) {
        case SYSCTL_BOOL:
            *(bool *)field = number != 0;
            break;
        case SYSCTL_U8:
            *(uint8_t *)field = (uint8_t)number;
            break;
        case SYSCTL_U32:
            *(uint32_t *)field = number;
            break;
        }
        return true;
    }
    return false;
}

/* "*" stands for one component: an interface, "all" or "default". */
static bool
name_matches(const char *pattern, const char *name)
{
    const char *star = strchr(pattern, '*');
    if (!star)
        return strcmp(pattern, name) == 0;
    size_t head = (size_t)(star - pattern), tail = strlen(star + 1), len = strlen(name);
    return len > head + tail && strncmp(pattern, name, head) == 0 && strcmp(name + len - tail, star + 1) == 0;
}

/* "32768 60999", blanks as in /proc. */
static bool
set_port_range(HostSysctls *sysctls, const char *value)
{
    g_auto(GStrv) parts = g_strsplit_set(value, " \t", -1);
    uint32_t bound[2], n = 0;

    for (size_t i = 0; parts[i]; i++) {
        if (parts[i][0] == '\0')
            continue;
        if (n == 2 || !parse_u32(parts[i], &bound[n++]))
            return false;
    }
    if (n != 2 || bound[0] < 1 || bound[1] > UINT16_MAX || bound[0] > bound[1])
        return false;
    sysctls->port_range_min = (uint16_t)bound[0];
    sysctls->port_range_max = (uint16_t)bound[1];
    return true;
}

static bool
parse_u32(const char *text, uint32_t *ret_value)
{
    if (!g_ascii_isdigit(text[0]))
        return false;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (*end != '\0' || errno != 0 || number > UINT32_MAX)
        return false;
    *ret_value = (uint32_t)number;
    return true;
}
