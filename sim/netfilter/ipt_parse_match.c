/* Options of the matches that are modelled (extensions/libxt_*.c and libipt_*.c of iptables 1.8.9) */

#include <math.h>
#include <string.h>

#include "sim/netfilter/ipt_parse.h"

static bool is(const char *option, const char *a, const char *b);

/* --- tcp, udp and the like, icmp, multiport --------------------------------------------------------------------- */

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
        used += low == high ? 1 : 2;
        if (used > 15)
            return ipt_bad(rule, g_strdup("more than 15 ports in a multiport match"), "a range counts as two");
        ports->v[ports->n][0] = low;
        ports->v[ports->n++][1] = high;
    }
    ipt_add(group, NFX_MULTIPORT, neg)->len = side;
    return IPT_TAKEN;
}

/* --- conntrack, marks -----------------------------------------------------------------------------------------------
 */

static IptResult
read_state(IptRule *rule, IptGroup *group, const char *option, bool neg, bool alias)
{
    const char *value = ipt_value(rule, option);
    uint32_t bits;
    NfExpr *e;

    if (!value)
        return IPT_BAD;
    if (!ipt_parse_bits(IPT_CT_STATES, value, &bits))
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no list of connection states", value),
                       "the states are INVALID, NEW, RELATED, ESTABLISHED, UNTRACKED, SNAT and DNAT");
    e = ipt_add(group, NFX_CT_STATE, neg);
    if (!e)
        return IPT_NOT_MODELLED;
    e->a = bits;
    e->len = alias;
    return IPT_TAKEN;
}

static IptResult
option_state(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    if (strcmp(option, "--state") != 0)
        return IPT_NOT_MINE;
    return read_state(rule, group, option, neg, true);
}

static IptResult
option_ct_side(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    IpFamily family = rule->parser->family;
    const char *value;
    uint32_t side, low, high;
    bool is_port = g_str_has_suffix(option, "port");
    g_autofree char *name = g_strndup(option + 4, strlen(option) - 4 - (is_port ? 4 : 0));
    IpPrefix prefix;
    NfExpr *e;

    if (!ipt_value_of(IPT_CT_SIDES, name, &side))
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    e = ipt_add(group, is_port ? NFX_CT_ORIG_PORT : NFX_CT_ORIG, neg);
    if (!e)
        return IPT_NOT_MODELLED;
    e->a = side;
    if (is_port) {
        if (!ipt_parse_range(value, ':', 65535, &low, &high))
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no port or port range", value), NULL);
        e->b = low << 16 | high;
        return IPT_TAKEN;
    }
    if (!ipprefix_parse(value, &prefix) || ipaddr_family(&prefix.addr) != family)
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no address of the dump's family", value), NULL);
    prefix = ipprefix_network(prefix);
    e->addr = prefix.addr;
    e->len = prefix.len;
    return IPT_TAKEN;
}

static IptResult
option_conntrack(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    const char *value;
    uint32_t bits = 0;
    NfExpr *e;

    if (strcmp(option, "--ctstate") == 0)
        return read_state(rule, group, option, neg, false);
    if (strcmp(option, "--ctproto") == 0 || strcmp(option, "--ctexpire") == 0)
        return IPT_NOT_MODELLED;
    if (strcmp(option, "--ctstatus") == 0) {
        value = ipt_value(rule, option);
        if (!value)
            return IPT_BAD;
        if (strcmp(value, "NONE") != 0 && !ipt_parse_bits(IPT_CT_STATUSES, value, &bits))
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no list of connection statuses", value), NULL);
        e = ipt_add(group, NFX_CT_STATUS, neg);
    } else if (strcmp(option, "--ctdir") == 0) {
        value = ipt_value(rule, option);
        if (!value)
            return IPT_BAD;
        bits = g_ascii_strcasecmp(value, "REPLY") == 0;
        if (!bits && g_ascii_strcasecmp(value, "ORIGINAL") != 0)
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no direction", value), "write ORIGINAL or REPLY");
        e = ipt_add(group, NFX_CT_DIR, neg);
    } else if (g_str_has_prefix(option, "--ct")) {
        return option_ct_side(rule, group, option, neg);
    } else {
        return IPT_NOT_MINE;
    }
    if (!e)
        return IPT_NOT_MODELLED;
    e->a = bits;
    return IPT_TAKEN;
}

static IptResult
read_mark(IptRule *rule, IptGroup *group, NfOp op, const char *option, bool neg)
{
    const char *value;
    uint32_t mark, mask;
    NfExpr *e;

    if (strcmp(option, "--mark") != 0)
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (!ipt_parse_value_mask(value, &mark, &mask))
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no mark", value), "write 0x1 or 0x1/0xff");
    e = ipt_add(group, op, neg);
    if (!e)
        return IPT_NOT_MODELLED;
    e->a = mark;
    e->b = mask;
    return IPT_TAKEN;
}

static IptResult
option_mark(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    return read_mark(rule, group, NFX_MARK, option, neg);
}

static IptResult
option_connmark(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    return read_mark(rule, group, NFX_CONNMARK, option, neg);
}

/* --- statistic, recent, limits
 * ---------------------------------------------------------------------------------------- */

static IptResult
option_statistic(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    NfExpr *e = ipt_single(group, NFX_STATISTIC_RANDOM);
    const char *value;
    char *end;
    double probability;

    if (strcmp(option, "--mode") != 0 && strcmp(option, "--probability") != 0 && strcmp(option, "--every") != 0 &&
        strcmp(option, "--packet") != 0)
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (strcmp(option, "--mode") == 0) {
        if (strcmp(value, "nth") == 0)
            e->op = NFX_STATISTIC_NTH;
        else if (strcmp(value, "random") != 0)
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no mode", value), "write random or nth");
        return IPT_TAKEN;
    }
    if (strcmp(option, "--probability") == 0) {
        probability = g_ascii_strtod(value, &end);
        if (*end || end == value || !(probability >= 0 && probability <= 1) || e->op != NFX_STATISTIC_RANDOM)
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no probability", value), "0 to 1, in mode random");
        e->a = (uint32_t)lround(2147483648.0 * probability);
    } else if (strcmp(option, "--every") == 0) {
        if (!ipt_parse_u32(value, UINT32_MAX, &e->a) || e->a == 0 || e->op != NFX_STATISTIC_NTH)
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no count", value), "1 or more, in mode nth");
    } else if (!ipt_parse_u32(value, UINT32_MAX, &e->b)) {
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no packet number", value), NULL);
    }
    e->neg |= neg;
    return IPT_TAKEN;
}

static IptResult
finish_statistic(IptRule *rule, IptGroup *group)
{
    (void)rule;
    if (group->n == 0 || (group->exprs[0].op == NFX_STATISTIC_NTH && group->exprs[0].a <= group->exprs[0].b))
        return IPT_NOT_MODELLED;
    return IPT_TAKEN;
}

static bool
parse_recent_mask(const char *text, IpFamily family, uint32_t *ret_cut)
{
    uint32_t bits = family == FAMILY_IPV6 ? 128 : 32;
    IpAddr want;

    if (!ipaddr_parse(text, &want))
        return false;
    for (*ret_cut = 0; *ret_cut <= bits; ++*ret_cut) {
        IpAddr mask = family == FAMILY_IPV4 ? IPADDR_ANY4 : IPADDR_ANY6;
        for (uint32_t i = 128 - bits; i < 128 - *ret_cut; i++)
            mask.b[i / 8] |= (uint8_t)(0x80 >> i % 8);
        if (ipaddr_eq(mask, want))
            return true;
    }
    return false;
}

static IptResult
option_recent(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    static const IptName flags[] = {
        {"--set", NF_RECENT_SET},
        {"--rcheck", NF_RECENT_RCHECK},
        {"--update", NF_RECENT_UPDATE},
        {"--remove", NF_RECENT_REMOVE},
        {"--reap", NF_RECENT_REAP},
        {"--rttl", NF_RECENT_RTTL},
        {"--rdest", NF_RECENT_RDEST},
        {"--rsource", 0},
        {NULL, 0},
    };
    NfExpr *e = ipt_single(group, NFX_RECENT);
    const char *value;
    uint32_t number;

    if (ipt_value_of(flags, option, &number)) {
        e->len |= (uint8_t)number;
        e->neg |= neg;
        return IPT_TAKEN;
    }
    if (strcmp(option, "--name") != 0 && strcmp(option, "--seconds") != 0 && strcmp(option, "--hitcount") != 0 &&
        strcmp(option, "--mask") != 0)
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (strcmp(option, "--name") == 0) {
        e->a = nf_text_id(rule->parser->names, value);
        group->limit.name = 1; /* Named. */
    } else if (strcmp(option, "--mask") == 0) {
        if (!parse_recent_mask(value, rule->parser->family, &e->b2))
            return IPT_NOT_MODELLED;
    } else if (!ipt_parse_u32(value, UINT32_MAX, &number)) {
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no number", value), NULL);
    } else if (strcmp(option, "--seconds") == 0) {
        e->b = number;
    } else if (number > UINT8_MAX) {
        return ipt_bad(rule, g_strdup_printf("a hit count of %u", number), "xt_recent remembers 255 packets at most");
    } else {
        e->c = (uint8_t)number;
    }
    return IPT_TAKEN;
}

static IptResult
finish_recent(IptRule *rule, IptGroup *group)
{
    const uint8_t kinds = NF_RECENT_SET | NF_RECENT_RCHECK | NF_RECENT_UPDATE | NF_RECENT_REMOVE;

    if (group->n == 0 || !(group->exprs[0].len & kinds))
        return IPT_NOT_MODELLED;
    if (!group->limit.name)
        group->exprs[0].a = nf_text_id(rule->parser->names, "DEFAULT");
    return IPT_TAKEN;
}

/* "5/min" in the unit that iptables would choose to print it: the kernel keeps only the time of one packet. */
static bool
parse_rate(const char *text, uint64_t scale, NfLimit *limit)
{
    static const struct {
        const char *name;
        char unit;
        uint32_t seconds;
    } units[] = {{"day", 'd', 86400}, {"hour", 'h', 3600}, {"minute", 'm', 60}, {"second", 's', 1}};
    const char *slash = strchr(text, '/');
    g_autofree char *number = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
    size_t length = slash ? strlen(slash + 1) : 0, u = 3;
    uint64_t period;
    uint32_t rate;

    if (!ipt_parse_u32(number, UINT32_MAX, &rate) || rate == 0 || (slash && length == 0))
        return false;
    if (slash) {
        for (u = 0; u < 4 && g_ascii_strncasecmp(slash + 1, units[u].name, length) != 0; u++)
            ;
        if (u == 4)
            return false;
    }
    period = units[u].seconds * scale / rate;
    if (period == 0)
        return false;
    for (u = 1; u < 4; u++) {
        uint64_t whole = units[u].seconds * scale;
        if (period > whole || whole / period < whole % period)
            break;
    }
    limit->unit = (uint8_t)units[u - 1].unit;
    limit->rate = (uint32_t)(units[u - 1].seconds * scale / period);
    limit->interval_ns = period * (1000000000 / scale);
    return true;
}

static IptResult
option_limit(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    const char *value;

    if (strcmp(option, "--limit") != 0 && strcmp(option, "--limit-burst") != 0)
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (neg)
        return ipt_bad(rule, g_strdup("a limit cannot be negated"), NULL);
    if (!group->n) {
        ipt_add(group, NFX_LIMIT, false);
        group->limit = (NfLimit){.burst = 5, .unit = 'h', .rate = 3, .interval_ns = 1200000000000};
    }
    if (strcmp(option, "--limit") == 0) {
        if (!parse_rate(value, 10000, &group->limit))
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no rate", value), "write 5/sec, 10/min, 3/hour or 1/day");
    } else if (!ipt_parse_u32(value, 10000, &group->limit.burst)) {
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no burst", value), NULL);
    }
    return IPT_TAKEN;
}

static IptResult
option_hashlimit(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    NfLimit *limit = &group->limit;
    const char *value;

    if (!g_str_has_prefix(option, "--hashlimit"))
        return IPT_NOT_MINE;
    if (strcmp(option, "--hashlimit-upto") != 0 && strcmp(option, "--hashlimit-above") != 0 &&
        strcmp(option, "--hashlimit-burst") != 0 && strcmp(option, "--hashlimit-mode") != 0 &&
        strcmp(option, "--hashlimit-name") != 0)
        return IPT_NOT_MODELLED;
    value = ipt_value(rule, option);
    if (!value || neg)
        return value ? IPT_NOT_MODELLED : IPT_BAD;
    if (!group->n) {
        ipt_add(group, NFX_HASHLIMIT, false);
        *limit = (NfLimit){.burst = 5, .name = NF_NO_ID};
    }
    if (strcmp(option, "--hashlimit-name") == 0) {
        limit->name = nf_text_id(rule->parser->names, value);
    } else if (strcmp(option, "--hashlimit-burst") == 0) {
        if (!ipt_parse_u32(value, 1000000, &limit->burst))
            return IPT_NOT_MODELLED; /* Bursts of bytes. */
    } else if (strcmp(option, "--hashlimit-mode") == 0) {
        uint32_t mode;
        if (!ipt_parse_bits(IPT_HASH_MODES, value, &mode))
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no hashlimit mode", value), NULL);
        limit->mode |= mode;
    } else {
        if (!parse_rate(value, 1000000, limit))
            return IPT_NOT_MODELLED; /* Rates of bytes. */
        if (strcmp(option, "--hashlimit-above") == 0)
            limit->mode |= 1u << 31;
    }
    return IPT_TAKEN;
}

static IptResult
finish_hashlimit(IptRule *rule, IptGroup *group)
{
    (void)rule;
    return group->n && group->limit.rate && group->limit.name != NF_NO_ID ? IPT_TAKEN : IPT_NOT_MODELLED;
}

/* --- The rest -------------------------------------------------------------------------------------------------------
 */

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

/* Options are what these matches are for: without one there is nothing to model. */
static IptResult
finish_some(IptRule *rule, IptGroup *group)
{
    (void)rule;
    return group->n ? IPT_TAKEN : IPT_NOT_MODELLED;
}

static const IptModule MODULES[] = {
    {"tcp", option_tcp, finish_l4, 6},
    {"udp", option_ports, finish_l4, 17},
    {"udplite", option_ports, finish_l4, 136},
    {"sctp", option_ports, finish_l4, 132},
    {"dccp", option_ports, finish_l4, 33},
    {"icmp", option_icmp, finish_l4, 1},
    {"icmp6", option_icmp, finish_l4, 58},
    {"icmpv6", option_icmp, finish_l4, 58},
    {"multiport", option_multiport, finish_some, 0},
    {"conntrack", option_conntrack, finish_some, 0},
    {"state", option_state, finish_some, 0},
    {"mark", option_mark, finish_some, 0},
    {"connmark", option_connmark, finish_some, 0},
    {"statistic", option_statistic, finish_statistic, 0},
    {"recent", option_recent, finish_recent, 0},
    {"limit", option_limit, finish_some, 0},
    {"hashlimit", option_hashlimit, finish_hashlimit, 0},
    {"addrtype", option_addrtype, finish_some, 0},
    {"set", option_set, finish_some, 0},
    {"comment", option_comment, finish_some, 0},
    {"nfacct", option_nfacct, finish_some, 0},
    {"physdev", option_physdev, finish_some, 0},
    {"pkttype", option_pkttype, finish_some, 0},
    {"length", option_length, finish_some, 0},
    {"ttl", option_ttl, finish_some, 0},
    {"hl", option_ttl, finish_some, 0},
    {"rpfilter", option_rpfilter, finish_rpfilter, 0},
    {"socket", option_socket, finish_socket, 0},
    {"iprange", option_iprange, finish_some, 0},
    {"owner", option_owner, finish_some, 0},
};

const IptModule *
ipt_find_match(IpFamily family, const char *name)
{
    /* A match of the other family is none. */
    if (strcmp(name, family == FAMILY_IPV6 ? "icmp" : "icmp6") == 0 ||
        strcmp(name, family == FAMILY_IPV6 ? "ttl" : "hl") == 0)
        return NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(MODULES); i++)
        if (strcmp(MODULES[i].name, name) == 0)
            return &MODULES[i];
    return NULL;
}

const IptModule *
ipt_find_implicit_match(IpFamily family, uint8_t protocol)
{
    for (size_t i = 0; i < G_N_ELEMENTS(MODULES); i++)
        if (MODULES[i].protocol && MODULES[i].protocol == protocol)
            return ipt_find_match(family, MODULES[i].name);
    return NULL;
}

static bool
is(const char *option, const char *a, const char *b)
{
    return strcmp(option, a) == 0 || strcmp(option, b) == 0;
}
