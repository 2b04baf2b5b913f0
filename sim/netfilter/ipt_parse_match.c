/* The matches that are modelled, and the options of those on other properties of a packet (extensions/libxt_*.c and
 * libipt_*.c of iptables 1.8.9) */

#include <string.h>

#include "sim/netfilter/ipt_parse.h"

static IptResult
option_addrtype(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    NfExpr *e = ipt_single(group, NFX_ADDRTYPE);
    bool src = strcmp(option, "--src-type") == 0;
    const char *value;
    uint32_t bits;

    if (strcmp(option, "--limit-iface-in") == 0 || strcmp(option, "--limit-iface-out") == 0) {
        e->b |= g_str_has_suffix(option, "in") ? 1 : 2;
        return IPT_TAKEN;
    }
    if (!src && strcmp(option, "--dst-type") != 0)
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (!ipt_parse_bits(IPT_ADDR_TYPES, value, &bits))
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no list of address types", value),
                       "LOCAL, UNICAST, BROADCAST ...");
    e->a |= src ? bits << 16 : bits;
    if (neg)
        e->b |= src ? 4 : 8;
    return IPT_TAKEN;
}

static IptResult
option_set(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    const char *name, *value;
    g_auto(GStrv) sides = NULL;
    uint32_t id;
    NfExpr *e;

    if (strcmp(option, "--match-set") != 0)
        return IPT_NOT_MINE;
    name = ipt_value(rule, option);
    value = name ? ipt_value(rule, option) : NULL;
    if (!value)
        return IPT_BAD;
    if (group->n)
        return IPT_NOT_MODELLED;
    sides = g_strsplit(value, ",", -1);
    e = ipt_add(group, NFX_SET, neg);
    for (e->len = 0; sides[e->len]; e->len++) {
        const char *side = sides[e->len];
        if (e->len == 6 || (strcmp(side, "src") != 0 && strcmp(side, "dst") != 0))
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no list of src and dst", value), NULL);
        e->b |= (strcmp(side, "src") == 0 ? 1u : 2u) << 2 * e->len;
    }
    id = nf_set_id(rule->parser->names, "ipset", name);
    e->a = id;
    if (!nf_ruleset_set(rule->parser->rs, id)) {
        NfSetSpec spec = {.id = id, .kind = NF_SET_IPSET, .comment = NF_NO_ID, .ipset_type = NF_NO_ID};
        ipt_note_token(rule, false, rule->pos - 2, g_strdup_printf("the content of ipset %s is not in the dump", name),
                       "it is taken as empty");
        nf_ruleset_put_set(rule->parser->rs, nf_set_new(&spec, NULL, 0, NULL));
    }
    return IPT_TAKEN;
}

static IptResult
read_text(IptRule *rule, IptGroup *group, NfOp op, const char *option)
{
    const char *value = ipt_value(rule, option);

    if (!value)
        return IPT_BAD;
    ipt_single(group, op)->a = nf_text_id(rule->parser->names, value);
    return IPT_TAKEN;
}

static IptResult
option_comment(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    if (strcmp(option, "--comment") != 0 || neg)
        return IPT_NOT_MINE;
    return read_text(rule, group, NFX_COMMENT, option);
}

static IptResult
option_nfacct(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    if (strcmp(option, "--nfacct-name") != 0 || neg)
        return IPT_NOT_MINE;
    return read_text(rule, group, NFX_NFACCT, option);
}

static IptResult
option_physdev(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    static const IptName options[] = {
        {"--physdev-in", 0},    {"--physdev-out", 1},    {"--physdev-is-bridged", 2},
        {"--physdev-is-in", 3}, {"--physdev-is-out", 4}, {NULL, 0},
    };
    uint32_t kind;
    NfExpr *e;

    if (!ipt_value_of(options, option, &kind))
        return IPT_NOT_MINE;
    e = ipt_add(group, NFX_PHYSDEV, neg);
    if (!e)
        return IPT_NOT_MODELLED;
    e->len = (uint8_t)kind;
    if (kind < 2) {
        const char *value = ipt_value(rule, option);
        g_autofree char *name = NULL;
        if (!value)
            return IPT_BAD;
        e->b = g_str_has_suffix(value, "+");
        name = g_strndup(value, strlen(value) - e->b);
        e->a = nf_text_id(rule->parser->names, name);
    }
    return IPT_TAKEN;
}

static IptResult
option_pkttype(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    const char *value;
    uint32_t type;

    if (strcmp(option, "--pkt-type") != 0)
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (!ipt_value_of(IPT_PACKET_TYPES, value, &type))
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no packet type", value), "unicast, broadcast or multicast");
    *ipt_single(group, NFX_PKTTYPE) = nfx_u32(NFX_PKTTYPE, type, 0, 0, neg);
    return IPT_TAKEN;
}

static IptResult
option_length(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    const char *value;
    uint32_t low, high;

    if (strcmp(option, "--length") != 0)
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (!ipt_parse_range(value, ':', 65535, &low, &high))
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no length or range", value), NULL);
    *ipt_single(group, NFX_LENGTH) = nfx_u32(NFX_LENGTH, low, high, 0, neg);
    return IPT_TAKEN;
}

static IptResult
option_ttl(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    static const IptName options[] = {
        {"--ttl-eq", 0}, {"--ttl-lt", 1}, {"--ttl-gt", 2}, {"--ttl", 0},
        {"--hl-eq", 0},  {"--hl-lt", 1},  {"--hl-gt", 2},  {NULL, 0},
    };
    uint32_t kind, ttl;
    const char *value;

    if (!ipt_value_of(options, option, &kind))
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (!ipt_parse_u32(value, 255, &ttl))
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no TTL", value), NULL);
    *ipt_single(group, NFX_TTL) = nfx_u32(NFX_TTL, ttl, 0, (uint8_t)kind, neg);
    return IPT_TAKEN;
}

static IptResult
option_rpfilter(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    static const IptName options[] = {
        {"--loose", 1}, {"--validmark", 2}, {"--accept-local", 4}, {"--invert", 8}, {NULL, 0},
    };
    uint32_t flag;
    NfExpr *e = ipt_single(group, NFX_RPFILTER);

    (void)rule;
    if (!ipt_value_of(options, option, &flag) || neg)
        return IPT_NOT_MINE;
    if (flag == 8)
        e->neg = true;
    else
        e->a |= flag;
    return IPT_TAKEN;
}

static IptResult
finish_rpfilter(IptRule *rule, IptGroup *group)
{
    (void)rule;
    ipt_single(group, NFX_RPFILTER);
    return IPT_TAKEN;
}

static IptResult
option_socket(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    static const IptName options[] = {{"--transparent", 1}, {"--nowildcard", 2}, {"--restore-skmark", 4}, {NULL, 0}};
    uint32_t flag;

    (void)rule;
    if (!ipt_value_of(options, option, &flag) || neg)
        return IPT_NOT_MINE;
    ipt_single(group, NFX_SOCKET)->a |= flag;
    return IPT_TAKEN;
}

static IptResult
finish_socket(IptRule *rule, IptGroup *group)
{
    (void)rule;
    ipt_single(group, NFX_SOCKET);
    return IPT_TAKEN;
}

static IptResult
option_iprange(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    bool dst = strcmp(option, "--dst-range") == 0;
    NfAddrRange *range = &group->ranges[dst];
    const char *value, *dash;
    g_autofree char *low = NULL;
    NfExpr *e;

    if (!dst && strcmp(option, "--src-range") != 0)
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    dash = strchr(value, '-');
    low = dash ? g_strndup(value, (gsize)(dash - value)) : g_strdup(value);
    if (!ipaddr_parse(low, &range->low) || !ipaddr_parse(dash ? dash + 1 : value, &range->high) ||
        ipaddr_family(&range->low) != rule->parser->family || ipaddr_family(&range->high) != rule->parser->family)
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no address range", value), "write 10.0.0.1-10.0.0.9");
    e = ipt_add(group, NFX_IPRANGE, neg);
    if (!e || group->n > 2)
        return IPT_NOT_MODELLED;
    e->len = dst;
    return IPT_TAKEN;
}

static IptResult
option_owner(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    static const IptName options[] = {{"--uid-owner", 0}, {"--gid-owner", 1}, {"--socket-exists", 2}, {NULL, 0}};
    uint32_t kind, low = 0, high = 0;
    const char *value;
    NfExpr *e;

    if (!ipt_value_of(options, option, &kind))
        return IPT_NOT_MINE;
    if (kind < 2) {
        value = ipt_value(rule, option);
        if (!value)
            return IPT_BAD;
        if (!ipt_parse_range(value, '-', UINT32_MAX, &low, &high))
            return IPT_NOT_MODELLED; /* Names of users. */
    }
    e = ipt_add(group, NFX_OWNER, neg);
    if (!e)
        return IPT_NOT_MODELLED;
    e->a = low;
    e->b = high;
    e->len = (uint8_t)kind;
    return IPT_TAKEN;
}

const IptModule IPT_PACKET_MODULES[] = {
    {"addrtype", option_addrtype, ipt_finish_some, 0},
    {"set", option_set, ipt_finish_some, 0},
    {"comment", option_comment, ipt_finish_some, 0},
    {"nfacct", option_nfacct, ipt_finish_some, 0},
    {"physdev", option_physdev, ipt_finish_some, 0},
    {"pkttype", option_pkttype, ipt_finish_some, 0},
    {"length", option_length, ipt_finish_some, 0},
    {"ttl", option_ttl, ipt_finish_some, 0},
    {"hl", option_ttl, ipt_finish_some, 0},
    {"rpfilter", option_rpfilter, finish_rpfilter, 0},
    {"socket", option_socket, finish_socket, 0},
    {"iprange", option_iprange, ipt_finish_some, 0},
    {"owner", option_owner, ipt_finish_some, 0},
    {NULL, NULL, NULL, 0},
};

const IptModule *
ipt_find_match(IpFamily family, const char *name)
{
    static const IptModule *const tables[] = {IPT_L4_MODULES, IPT_STATE_MODULES, IPT_PACKET_MODULES};

    /* A match of the other family is none. */
    if (strcmp(name, family == FAMILY_IPV6 ? "icmp" : "icmp6") == 0 ||
        strcmp(name, family == FAMILY_IPV6 ? "ttl" : "hl") == 0)
        return NULL;
    for (size_t t = 0; t < G_N_ELEMENTS(tables); t++)
        for (const IptModule *module = tables[t]; module->name; module++)
            if (strcmp(module->name, name) == 0)
                return module;
    return NULL;
}

const IptModule *
ipt_find_implicit_match(IpFamily family, uint8_t protocol)
{
    for (const IptModule *module = IPT_L4_MODULES; module->name; module++)
        if (module->protocol && module->protocol == protocol)
            return ipt_find_match(family, module->name);
    return NULL;
}

/* Options are what these matches are for: without one there is nothing to model. */
IptResult
ipt_finish_some(IptRule *rule, IptGroup *group)
{
    (void)rule;
    return group->n ? IPT_TAKEN : IPT_NOT_MODELLED;
}
