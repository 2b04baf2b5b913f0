/* Options of the matches on ports and ICMP types (extensions/libxt_tcp.c, libxt_udp.c, libxt_multiport.c ... of
 * iptables 1.8.9) */

#include <string.h>

#include "sim/netfilter/ipt_parse.h"

static bool is(const char *option, const char *a, const char *b);

static IptResult
read_ports(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    const char *value = ipt_value(rule, option);
    uint32_t low, high;
    NfExpr *e;

    if (!value)
        return IPT_BAD;
    if (!ipt_parse_range(value, ':', 65535, &low, &high))
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no port or port range", value), "write 80 or 8000:8080");
    e = ipt_add(group, is(option, "--sport", "--source-port") ? NFX_SPORT : NFX_DPORT, neg);
    if (!e)
        return IPT_NOT_MODELLED;
    e->len = group->module->protocol;
    e->a = low;
    e->b = high;
    return IPT_TAKEN;
}

static IptResult
option_ports(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    if (is(option, "--sport", "--source-port") || is(option, "--dport", "--destination-port"))
        return read_ports(rule, group, option, neg);
    return IPT_NOT_MINE;
}

static bool
parse_tcp_flags(const char *text, uint32_t *ret_flags)
{
    *ret_flags = 0;
    if (strcmp(text, "NONE") == 0)
        return true;
    *ret_flags = 63;
    return strcmp(text, "ALL") == 0 || ipt_parse_bits(IPT_TCP_FLAGS, text, ret_flags);
}

static IptResult
option_tcp(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    uint32_t mask = 1 | 2 | 4 | 16, comp = 2; /* --syn: of FIN, SYN, RST, ACK only SYN. */
    NfExpr *e;

    if (strcmp(option, "--tcp-option") == 0)
        return IPT_NOT_MODELLED;
    if (strcmp(option, "--tcp-flags") == 0) {
        const char *value = ipt_value(rule, option);
        if (!value)
            return IPT_BAD;
        if (!parse_tcp_flags(value, &mask))
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no list of TCP flags", value), NULL);
        value = ipt_value(rule, option);
        if (!value)
            return IPT_BAD;
        if (!parse_tcp_flags(value, &comp))
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no list of TCP flags", value), NULL);
    } else if (strcmp(option, "--syn") != 0) {
        return option_ports(rule, group, option, neg);
    }
    e = ipt_add(group, NFX_TCP_FLAGS, neg);
    if (!e)
        return IPT_NOT_MODELLED;
    e->a = mask;
    e->b = comp;
    return IPT_TAKEN;
}

static IptResult
finish_l4(IptRule *rule, IptGroup *group)
{
    (void)rule;
    if (group->n == 0)
        ipt_add(group, NFX_L4_MATCH, false)->a = group->module->protocol;
    return IPT_TAKEN;
}

static IptResult
option_icmp(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    bool v6 = rule->parser->family == FAMILY_IPV6;
    g_autofree char *type_text = NULL;
    uint32_t type, code, named;
    const char *value, *slash;
    NfExpr *e;

    if (strcmp(option, v6 ? "--icmpv6-type" : "--icmp-type") != 0)
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (group->n)
        return IPT_NOT_MODELLED;
    e = ipt_add(group, NFX_ICMP_TYPE, neg);
    if (ipt_value_of(v6 ? IPT_ICMP6 : IPT_ICMP4, value, &named)) {
        e->a = named >> 16;
        e->b = named & 0xffff;
        return IPT_TAKEN;
    }
    slash = strchr(value, '/');
    type_text = slash ? g_strndup(value, (gsize)(slash - value)) : g_strdup(value);
    if (!ipt_parse_u32(type_text, 255, &type) || (slash && !ipt_parse_u32(slash + 1, 255, &code)))
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no ICMP type", value),
                       "write 3, 3/4 or a name as iptables knows it");
    e->a = type;
    e->b = slash ? code << 8 | code : 255;
    return IPT_TAKEN;
}

static IptResult
option_multiport(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    uint8_t side;
    const char *value;
    g_auto(GStrv) words = NULL;
    NfPortList *ports = &group->ports;
    uint32_t used = 0;

    if (is(option, "--sports", "--source-ports"))
        side = 0;
    else if (is(option, "--dports", "--destination-ports"))
        side = 1;
    else if (strcmp(option, "--ports") == 0)
        side = 2;
    else
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (group->n)
        return ipt_bad(rule, g_strdup("a multiport match has one list"), NULL);
    words = g_strsplit(value, ",", -1);
    for (char **word = words; *word; word++) {
        uint32_t low, high;
        if (!ipt_parse_range(*word, ':', 65535, &low, &high))
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no port or port range", *word), NULL);
        if (strchr(*word, ':') && low >= high)
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no range of ports: it begins where it ends", *word), NULL);
        used += low == high ? 1 : 2;
        if (used > 15)
            return ipt_bad(rule, g_strdup("more than 15 ports in a multiport match"), "a range counts as two");
        ports->v[ports->n][0] = low;
        ports->v[ports->n++][1] = high;
    }
    ipt_add(group, NFX_MULTIPORT, neg)->len = side;
    return IPT_TAKEN;
}

const IptModule IPT_L4_MODULES[] = {
    {"tcp", option_tcp, finish_l4, 6},
    {"udp", option_ports, finish_l4, 17},
    {"udplite", option_ports, finish_l4, 136},
    {"sctp", option_ports, finish_l4, 132},
    {"dccp", option_ports, finish_l4, 33},
    {"icmp", option_icmp, finish_l4, 1},
    {"icmp6", option_icmp, finish_l4, 58},
    {"icmpv6", option_icmp, finish_l4, 58},
    {"multiport", option_multiport, ipt_finish_some, 0},
    {NULL, NULL, NULL, 0},
};

static bool
is(const char *option, const char *a, const char *b)
{
    return strcmp(option, a) == 0 || strcmp(option, b) == 0;
}
