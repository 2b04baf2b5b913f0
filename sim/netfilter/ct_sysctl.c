/* net.netfilter.nf_conntrack_*: Documentation/networking/nf_conntrack-sysctl.rst */

#include <glib.h>
#include <string.h>

#include "sim/netfilter/conntrack.h"

#define DEFAULT_MAX 262144u /* Of a machine with more than 4 GB. */

typedef struct {
    const char *name;
    size_t offset;
} Setting;

static bool set_timeout(CtSysctls *sysctls, const char *name, uint64_t seconds);

void
ct_sysctls_default(CtSysctls *ret_sysctls)
{
    *ret_sysctls = (CtSysctls){
#define CT_DEFAULT(name, seconds) .name = (seconds)*SIMTIME_SEC,
        CT_TIMEOUTS(CT_DEFAULT)
#undef CT_DEFAULT
            .max = DEFAULT_MAX,
        .buckets = DEFAULT_MAX, .tcp_loose = true, .checksum = true, .tcp_max_retrans = 3};
}

bool
ct_sysctl_set(CtSysctls *sysctls, const char *name, const char *value)
{
    static const Setting switches[] = {
        {"tcp_be_liberal", offsetof(CtSysctls, tcp_be_liberal)},
        {"tcp_ignore_invalid_rst", offsetof(CtSysctls, tcp_ignore_invalid_rst)},
        {"tcp_loose", offsetof(CtSysctls, tcp_loose)},
        {"checksum", offsetof(CtSysctls, checksum)},
    };
    guint64 number;

    if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT32, &number, NULL))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
        if (strcmp(name, switches[i].name) == 0) {
            if (number > 1)
                return false;
            *(bool *)((char *)sysctls + switches[i].offset) = number;
            return true;
        }
    }
    if (strcmp(name, "max") == 0) {
        sysctls->max = (uint32_t)number;
    } else if (strcmp(name, "buckets") == 0) {
        if (number == 0)
            return false;
        sysctls->buckets = (uint32_t)number;
    } else if (strcmp(name, "tcp_max_retrans") == 0) {
        if (number > UINT8_MAX)
            return false;
        sysctls->tcp_max_retrans = (uint8_t)number;
    } else {
        return set_timeout(sysctls, name, number);
    }
    return true;
}

static bool
set_timeout(CtSysctls *sysctls, const char *name, uint64_t seconds)
{
    static const Setting timeouts[] = {
#define CT_SETTING(name, seconds) {#name, offsetof(CtSysctls, name)},
        CT_TIMEOUTS(CT_SETTING)
#undef CT_SETTING
    };

    for (size_t i = 0; i < G_N_ELEMENTS(timeouts); i++) {
        if (strcmp(name, timeouts[i].name) == 0) {
            *(SimTime *)(void *)((char *)sysctls + timeouts[i].offset) = (SimTime)seconds * SIMTIME_SEC;
            return true;
        }
    }
    return false;
}
