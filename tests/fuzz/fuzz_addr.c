/* Addresses, prefixes and durations: what is printed reads back as the same. */

#include <glib.h>

#include "sim/engine/simtime.h"
#include "sim/packet/addr.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    char printed[IPPREFIX_STR_SIZE], time_printed[SIMTIME_STR_SIZE];
    IpAddr addr, again;
    IpPrefix prefix, prefix_again;
    SimTime time, time_again;

    if (ipaddr_parse(text, &addr)) {
        g_assert_true(ipaddr_parse(ipaddr_format(addr, printed), &again));
        g_assert_true(ipaddr_eq(addr, again));
    }
    if (ipprefix_parse(text, &prefix)) {
        g_assert_true(ipprefix_parse(ipprefix_format(prefix, printed), &prefix_again));
        g_assert_true(ipaddr_eq(prefix.addr, prefix_again.addr) && prefix.len == prefix_again.len);
    }
    if (simtime_parse(text, &time)) {
        g_assert_true(simtime_parse(simtime_format(time, time_printed), &time_again));
        g_assert_cmpint(time, ==, time_again);
    }
    return 0;
}
