/* Options of the matches on connections, marks and what rules remember (extensions/libxt_conntrack.c, libxt_mark.c,
 * libxt_statistic.c, libxt_recent.c, libxt_limit.c, libxt_hashlimit.c of iptables 1.8.9) */

#include <math.h>
#include <string.h>

#include "sim/netfilter/ipt_parse.h"

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
    GHashTable *cuts = rule->parser->recent_cuts;
    NfExpr *e = &group->exprs[0];
    gpointer cut;

    if (group->n == 0 || !(e->len & kinds))
        return IPT_NOT_MODELLED;
    if (!group->limit.name)
        e->a = nf_text_id(rule->parser->names, "DEFAULT");
    if (!g_hash_table_lookup_extended(cuts, GUINT_TO_POINTER(e->a), NULL, &cut)) {
        cut = GUINT_TO_POINTER(e->b2);
        g_hash_table_insert(cuts, GUINT_TO_POINTER(e->a), cut);
    }
    e->b3 = GPOINTER_TO_UINT(cut);
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
    GHashTable *tables = rule->parser->hash_limits;
    NfLimit *limit = &group->limit;
    const NfHashLimitTable *table;

    if (!group->n || !limit->rate || limit->name == NF_NO_ID)
        return IPT_NOT_MODELLED;
    table = g_hash_table_lookup(tables, GUINT_TO_POINTER(limit->name));
    if (!table) {
        NfHashLimitTable *first = g_new0(NfHashLimitTable, 1);
        *first = (NfHashLimitTable){limit->interval_ns, limit->burst, limit->mode & 0x7fffffff};
        g_hash_table_insert(tables, GUINT_TO_POINTER(limit->name), first);
        table = first;
    }
    limit->table = *table;
    return IPT_TAKEN;
}

const IptModule IPT_STATE_MODULES[] = {
    {"conntrack", option_conntrack, ipt_finish_some, 0},
    {"state", option_state, ipt_finish_some, 0},
    {"mark", option_mark, ipt_finish_some, 0},
    {"connmark", option_connmark, ipt_finish_some, 0},
    {"statistic", option_statistic, finish_statistic, 0},
    {"recent", option_recent, finish_recent, 0},
    {"limit", option_limit, ipt_finish_some, 0},
    {"hashlimit", option_hashlimit, finish_hashlimit, 0},
    {NULL, NULL, NULL, 0},
};
