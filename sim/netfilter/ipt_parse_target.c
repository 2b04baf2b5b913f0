/* Targets of a dump's rules and their options */

#include <string.h>

#include "sim/netfilter/ipt_parse.h"

static const char *const FLAG_RANDOM = "--random";

static IptResult
option_mark(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    NfExpr *e = ipt_single(group, NFX_SET_MARK);
    const char *value;
    uint32_t mark, mask;

    if (!g_str_has_suffix(option, "mark") || neg)
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (!ipt_parse_value_mask(value, &mark, &mask))
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no mark", value), "write 0x1 or 0x1/0xff");
    if (strcmp(option, "--set-xmark") == 0)
        *e = nfx_u32(e->op, mark, mask, 0, false);
    else if (strcmp(option, "--set-mark") == 0)
        *e = nfx_u32(e->op, mark, mark | mask, 0, false);
    else if (strcmp(option, "--and-mark") == 0)
        *e = nfx_u32(e->op, 0, ~mark, 0, false);
    else if (strcmp(option, "--or-mark") == 0)
        *e = nfx_u32(e->op, mark, mark, 0, false);
    else if (strcmp(option, "--xor-mark") == 0)
        *e = nfx_u32(e->op, mark, 0, 0, false);
    else
        return IPT_NOT_MODELLED;
    group->limit.rate = 1; /* Said what to do. */
    return IPT_TAKEN;
}

static IptResult
finish_mark(IptRule *rule, IptGroup *group)
{
    (void)rule;
    return group->limit.rate ? IPT_TAKEN : IPT_NOT_MODELLED;
}

static IptResult
option_connmark(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    NfExpr *e = ipt_single(group, NFX_SET_CONNMARK);
    const char *value;
    uint32_t mask;

    if (neg)
        return IPT_NOT_MINE;
    if (strcmp(option, "--save-mark") == 0 || strcmp(option, "--restore-mark") == 0) {
        e->len = strcmp(option, "--save-mark") == 0 ? 1 : 2;
        e->b = e->b2 = UINT32_MAX;
        group->limit.rate = 1;
        return IPT_TAKEN;
    }
    if (strcmp(option, "--nfmask") == 0 || strcmp(option, "--ctmask") == 0 || strcmp(option, "--mask") == 0) {
        value = ipt_value(rule, option);
        if (!value)
            return IPT_BAD;
        if (!ipt_parse_u32(value, UINT32_MAX, &mask))
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no mask", value), NULL);
        if (strcmp(option, "--nfmask") != 0)
            e->b = mask;
        if (strcmp(option, "--ctmask") != 0)
            e->b2 = mask;
        return IPT_TAKEN;
    }
    return option_mark(rule, group, option, neg);
}

static IptResult
option_reject(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    const char *value;
    uint32_t with;

    if (strcmp(option, "--reject-with") != 0 || neg)
        return IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (!ipt_value_of(rule->parser->family == FAMILY_IPV6 ? IPT_REJECTS6 : IPT_REJECTS4, value, &with))
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no way to reject", value),
                       rule->parser->family == FAMILY_IPV6 ? "icmp6-port-unreachable, tcp-reset ..."
                                                           : "icmp-port-unreachable, tcp-reset ...");
    ipt_single(group, NFX_REJECT)->a = with;
    return IPT_TAKEN;
}

static IptResult
finish_reject(IptRule *rule, IptGroup *group)
{
    (void)rule;
    if (!group->n)
        ipt_single(group, NFX_REJECT)->a = REJECT_PORT_UNREACH;
    return IPT_TAKEN;
}

static bool
read_nat_flag(IptGroup *group, NfOp op, const char *option)
{
    uint8_t flag;

    if (strcmp(option, FLAG_RANDOM) == 0)
        flag = NF_NAT_RANDOM;
    else if (strcmp(option, "--random-fully") == 0)
        flag = NF_NAT_RANDOM_FULLY;
    else if (strcmp(option, "--persistent") == 0)
        flag = NF_NAT_PERSISTENT;
    else
        return false;
    ipt_single(group, op)->len |= flag;
    return true;
}

/* "80" or "80-90" into low << 16 | high. */
static bool
parse_nat_ports(const char *text, uint32_t *ret_ports)
{
    uint32_t low, high;

    if (!*text || *text == '-' || g_str_has_suffix(text, "-") || !ipt_parse_range(text, '-', 65535, &low, &high) ||
        !low)
        return false;
    *ret_ports = low << 16 | high;
    return true;
}

/* "ADDR[-ADDR][:PORT[-PORT]]", brackets around IPv6 addresses with ports. */
static IptResult
read_nat_range(IptRule *rule, IptGroup *group, NfOp op, const char *option)
{
    const char *value = ipt_value(rule, option), *colon, *dash;
    g_autofree char *addrs = NULL;
    g_autofree char *low = NULL;
    NfAddrRange *range = &group->ranges[0];
    NfExpr *e = ipt_single(group, op);

    if (!value)
        return IPT_BAD;
    if (group->limit.rate++)
        return IPT_NOT_MODELLED; /* Several ranges: of old kernels. */
    if (strchr(value, '/'))
        return IPT_NOT_MODELLED; /* Shifted port ranges. */
    if (value[0] == '[') {
        const char *close = strchr(value, ']');
        colon = close && close[1] == ':' ? close + 1 : NULL;
        addrs = close ? g_strndup(value + 1, (gsize)(close - value - 1)) : g_strdup(value);
    } else {
        colon = rule->parser->family == FAMILY_IPV4 ? strchr(value, ':') : value[0] == ':' ? value : NULL;
        if (colon && value[0] == ':' && value[1] == ':')
            colon = NULL; /* "::1". */
        addrs = colon ? g_strndup(value, (gsize)(colon - value)) : g_strdup(value);
    }
    if (colon && !parse_nat_ports(colon + 1, &e->a))
        return ipt_bad(rule, g_strdup_printf("\"%s\" has no port or port range after the colon", value), NULL);
    e->addr = rule->parser->family == FAMILY_IPV6 ? IPADDR_ANY6 : IPADDR_ANY4;
    if (!*addrs && colon)
        return IPT_TAKEN;
    dash = strchr(addrs, '-');
    low = dash ? g_strndup(addrs, (gsize)(dash - addrs)) : g_strdup(addrs);
    if (!ipaddr_parse(low, &range->low) || !ipaddr_parse(dash ? dash + 1 : low, &range->high) ||
        ipaddr_family(&range->low) != rule->parser->family || ipaddr_family(&range->high) != rule->parser->family)
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no address to translate to", value),
                       "write 10.0.0.1, 10.0.0.1:80 or [fd00::1]:80, each perhaps with ranges");
    e->addr = range->low;
    e->c = !ipaddr_eq(range->low, range->high);
    return IPT_TAKEN;
}

static IptResult
option_dnat(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    if (neg)
        return IPT_NOT_MINE;
    if (strcmp(option, "--to-destination") == 0)
        return read_nat_range(rule, group, NFX_DNAT, option);
    return read_nat_flag(group, NFX_DNAT, option) ? IPT_TAKEN : IPT_NOT_MINE;
}

static IptResult
option_snat(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    if (neg)
        return IPT_NOT_MINE;
    if (strcmp(option, "--to-source") == 0)
        return read_nat_range(rule, group, NFX_SNAT, option);
    return read_nat_flag(group, NFX_SNAT, option) ? IPT_TAKEN : IPT_NOT_MINE;
}

static IptResult
finish_nat(IptRule *rule, IptGroup *group)
{
    if (group->limit.rate)
        return IPT_TAKEN;
    ipt_note_token(rule, true, group->token, g_strdup_printf("%s without an address", group->name),
                   "--to-destination or --to-source names it");
    return IPT_BAD;
}

static IptResult
read_to_ports(IptRule *rule, IptGroup *group, NfOp op, const char *option, bool neg)
{
    const char *value;

    if (neg)
        return IPT_NOT_MINE;
    if (strcmp(option, "--to-ports") != 0)
        return read_nat_flag(group, op, option) ? IPT_TAKEN : IPT_NOT_MINE;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (!parse_nat_ports(value, &ipt_single(group, op)->a))
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no port or port range", value), "write 80 or 8000-8080");
    return IPT_TAKEN;
}

static IptResult
option_masquerade(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    return read_to_ports(rule, group, NFX_MASQUERADE, option, neg);
}

static IptResult
finish_masquerade(IptRule *rule, IptGroup *group)
{
    (void)rule;
    ipt_single(group, NFX_MASQUERADE);
    return IPT_TAKEN;
}

static IptResult
option_redirect(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    return read_to_ports(rule, group, NFX_REDIRECT, option, neg);
}

static IptResult
finish_redirect(IptRule *rule, IptGroup *group)
{
    (void)rule;
    ipt_single(group, NFX_REDIRECT);
    return IPT_TAKEN;
}

static IptResult
option_tcpmss(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    const char *value;
    NfExpr *e = ipt_single(group, NFX_TCPMSS);

    if (neg || group->limit.rate++)
        return IPT_NOT_MODELLED;
    if (strcmp(option, "--clamp-mss-to-pmtu") == 0)
        return IPT_TAKEN;
    if (strcmp(option, "--set-mss") != 0)
        return IPT_NOT_MODELLED;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (!ipt_parse_u32(value, 65535, &e->a) || !e->a)
        return ipt_bad(rule, g_strdup_printf("\"%s\" is no segment size", value), NULL);
    return IPT_TAKEN;
}

static IptResult
option_ct(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    static const IptName zones[] = {{"--zone", 0}, {"--zone-orig", 1}, {"--zone-reply", 2}, {NULL, 0}};
    const char *value;
    uint32_t side, zone;

    if (neg || group->limit.rate++)
        return IPT_NOT_MODELLED;
    if (strcmp(option, "--notrack") == 0) {
        ipt_single(group, NFX_NOTRACK);
        return IPT_TAKEN;
    }
    if (!ipt_value_of(zones, option, &side))
        return IPT_NOT_MODELLED;
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (!ipt_parse_u32(value, 65535, &zone))
        return IPT_NOT_MODELLED; /* "mark". */
    *ipt_single(group, NFX_CT_ZONE) = nfx_u32(NFX_CT_ZONE, zone, 0, (uint8_t)side, false);
    return IPT_TAKEN;
}

static IptResult
finish_notrack(IptRule *rule, IptGroup *group)
{
    (void)rule;
    ipt_single(group, NFX_NOTRACK)->len = 1;
    return IPT_TAKEN;
}

static IptResult
option_log(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    const char *value;
    uint32_t flag;
    NfExpr *e;

    if (neg || !g_str_has_prefix(option, "--log-"))
        return IPT_NOT_MINE;
    if (!group->n)
        *ipt_single(group, NFX_LOG) = nfx_u32(NFX_LOG, NF_NO_ID, 4, 0, false);
    e = &group->exprs[0];
    if (ipt_value_of(IPT_LOG_FLAGS, option + 6, &flag)) {
        e->c |= (uint8_t)flag;
        return IPT_TAKEN;
    }
    value = ipt_value(rule, option);
    if (!value)
        return IPT_BAD;
    if (strcmp(option, "--log-prefix") == 0) {
        e->a = nf_text_id(rule->parser->names, value);
    } else if (strcmp(option, "--log-level") == 0) {
        if (!ipt_parse_u32(value, 7, &e->b) && !ipt_value_of(IPT_LOG_LEVELS, value, &e->b))
            return ipt_bad(rule, g_strdup_printf("\"%s\" is no log level", value), "0 to 7, or emerg to debug");
    } else {
        return IPT_NOT_MODELLED;
    }
    return IPT_TAKEN;
}

static IptResult
finish_log(IptRule *rule, IptGroup *group)
{
    (void)rule;
    if (!group->n)
        *ipt_single(group, NFX_LOG) = nfx_u32(NFX_LOG, NF_NO_ID, 4, 0, false);
    return IPT_TAKEN;
}

/* Targets that do nothing to a packet: their options are kept as they are. */
static IptResult
option_inert(IptRule *rule, IptGroup *group, const char *option, bool neg)
{
    (void)group;
    (void)option;
    (void)neg;
    rule->pos = rule->tokens->len;
    return IPT_TAKEN;
}

static IptResult
finish_inert(IptRule *rule, IptGroup *group)
{
    *ipt_single(group, NFX_LOG) = nfx_u32(NFX_LOG, nf_text_id(rule->parser->names, group->raw->str), 0, 1, false);
    return IPT_TAKEN;
}

static const IptModule TARGETS[] = {
    {"MARK", option_mark, finish_mark, 0},
    {"CONNMARK", option_connmark, finish_mark, 0},
    {"REJECT", option_reject, finish_reject, 0},
    {"DNAT", option_dnat, finish_nat, 0},
    {"SNAT", option_snat, finish_nat, 0},
    {"MASQUERADE", option_masquerade, finish_masquerade, 0},
    {"REDIRECT", option_redirect, finish_redirect, 0},
    {"TCPMSS", option_tcpmss, finish_mark, 0},
    {"CT", option_ct, finish_mark, 0},
    {"NOTRACK", NULL, finish_notrack, 0},
    {"LOG", option_log, finish_log, 0},
    {"NFLOG", option_inert, finish_inert, 0},
    {"TRACE", option_inert, finish_inert, 0},
    {"AUDIT", option_inert, finish_inert, 0},
    {"ULOG", option_inert, finish_inert, 0},
};

static const IptModule VERDICT = {"", NULL, NULL, 0};

/* Extensions of iptables and xtables-addons that are not modelled: no misspelt chains. */
static bool
is_known_extension(const char *name)
{
    static const char *const names[] = {
        "ACCOUNT",     "CHAOS",   "CHECKSUM", "CLASSIFY", "CLUSTERIP", "CONNSECMARK", "DELUDE", "DHCPMAC",
        "DNETMAP",     "DNPT",    "DSCP",     "ECHO",     "ECN",       "HL",          "HMARK",  "IDLETIMER",
        "IPMARK",      "LED",     "LOGMARK",  "NETMAP",   "NFQUEUE",   "PROTO",       "QUEUE",  "RATEEST",
        "RAWDNAT",     "RAWSNAT", "SECMARK",  "SET",      "SNPT",      "SYNPROXY",    "SYSRQ",  "TARPIT",
        "TCPOPTSTRIP", "TEE",     "TOS",      "TPROXY",   "TTL",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

IptGroup *
ipt_open_target(IptRule *rule, uint32_t token)
{
    static const IptName verdicts[] = {{"ACCEPT", NFX_ACCEPT}, {"DROP", NFX_DROP}, {"RETURN", NFX_RETURN}, {NULL, 0}};
    const char *name = g_array_index(rule->tokens, IptToken, token).text;
    IptGroup *group = g_new0(IptGroup, 1);

    group->name = name;
    group->token = token;
    group->raw = g_string_new(NULL);
    if (g_hash_table_contains(rule->parser->declared, name)) {
        group->module = &VERDICT;
        ipt_add(group, rule->is_goto ? NFX_GOTO : NFX_JUMP, false)->a =
            nf_chain_id(rule->parser->names, rule->parser->table, name);
        return group;
    }
    for (const IptName *v = verdicts; v->name && !rule->is_goto; v++) {
        if (strcmp(name, v->name) == 0) {
            group->module = &VERDICT;
            ipt_add(group, (NfOp)v->value, false);
            return group;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(TARGETS) && !rule->is_goto; i++)
        if (strcmp(TARGETS[i].name, name) == 0)
            group->module = &TARGETS[i];
    group->unknown = !group->module;
    if (group->unknown && (rule->is_goto || !is_known_extension(name)))
        ipt_note_token(rule, true, token,
                       g_strdup_printf("table %s has no chain \"%s\", nor is it a target", rule->parser->table, name),
                       "chains are declared by a line like :NAME - [0:0]");
    return group;
}
