/* One rule of a dump: the IP part, and which option belongs to which match (iptables/xshared.c of iptables 1.8.9) */

#include <string.h>

#include "sim/netfilter/ipt_parse.h"

static void parse_short(IptRule *rule, const char *option, bool neg);
static void parse_long(IptRule *rule, uint32_t first, const char *option, bool neg);
static IptResult offer(IptRule *rule, IptGroup *group, uint32_t first, const char *option, bool neg);
static void swallow(IptRule *rule, IptGroup *group, uint32_t first);
static IptGroup *open_match(IptRule *rule, uint32_t token, const IptModule *module);
static void add_implicit_match(IptRule *rule, bool *ret_added);
static void parse_address(IptRule *rule, NfOp op, const char *option, bool neg);
static void parse_interface(IptRule *rule, NfOp op, const char *option, bool neg);
static void parse_protocol(IptRule *rule, const char *option, bool neg);
static void keep_ip(IptRule *rule, uint32_t first);
static void emit(IptRule *rule, NfChainBuilder *builder);
static void emit_group(IptRule *rule, IptGroup *group, NfChainBuilder *builder, bool is_target);
static char short_option(const char *text);
static void append_raw(IptRule *rule, IptGroup *group, uint32_t first, uint32_t end);
static void free_group(gpointer group);

static inline const IptToken *
token_at(const IptRule *rule, uint32_t i)
{
    return &g_array_index(rule->tokens, IptToken, i);
}

void
ipt_parse_rule(IptParser *parser, const char *line, GArray *tokens, uint32_t pos, NfChainBuilder *builder)
{
    IptRule rule = {.parser = parser, .line = line, .tokens = tokens, .pos = pos};

    rule.groups = g_ptr_array_new_with_free_func(free_group);
    while (rule.pos < tokens->len && !rule.failed) {
        uint32_t first = rule.pos;
        const IptToken *token = token_at(&rule, rule.pos++);
        bool neg = strcmp(token->text, "!") == 0 && !token->quoted;
        char letter;

        if (neg) {
            if (rule.pos == tokens->len) {
                ipt_note_token(&rule, true, first, g_strdup("\"!\" stands before nothing"), NULL);
                break;
            }
            token = token_at(&rule, rule.pos++);
        }
        letter = short_option(token->text);
        if (letter)
            parse_short(&rule, (char[]){letter, 0}, neg);
        else if (g_str_has_prefix(token->text, "--"))
            parse_long(&rule, first, token->text, neg);
        else
            ipt_note_token(&rule, true, rule.pos - 1, g_strdup_printf("\"%s\" is no option", token->text), NULL);
    }
    if (!rule.failed)
        emit(&rule, builder);
    if (rule.target)
        free_group(rule.target);
    g_ptr_array_unref(rule.groups);
}

const char *
ipt_value(IptRule *rule, const char *option)
{
    if (rule->pos == rule->tokens->len) {
        ipt_note_token(rule, true, rule->pos - 1, g_strdup_printf("%s needs a value", option), NULL);
        return NULL;
    }
    return token_at(rule, rule->pos++)->text;
}

IptResult
ipt_bad(IptRule *rule, char *message, const char *hint)
{
    ipt_note_token(rule, true, rule->pos - 1, message, hint);
    return IPT_BAD;
}

NfExpr *
ipt_add(IptGroup *group, NfOp op, bool neg)
{
    if (group->n == IPT_GROUP_MAX)
        return NULL;
    group->exprs[group->n] = nfx_u32(op, 0, 0, 0, neg);
    return &group->exprs[group->n++];
}

NfExpr *
ipt_single(IptGroup *group, NfOp op)
{
    return group->n ? &group->exprs[0] : ipt_add(group, op, false);
}

void
ipt_note_token(IptRule *rule, bool error, uint32_t token, char *message, const char *hint)
{
    const IptToken *at = token_at(rule, token);

    rule->failed |= error;
    ipt_note(rule->parser, error, at->start + 1, at->end - at->start, message, hint);
}

/* The letter of an option of the IP part, -m, -j, -g, -f, -c; 0 if it is none. */
static char
short_option(const char *text)
{
    static const struct {
        const char *name;
        char letter;
    } names[] = {
        {"-s", 's'},
        {"--source", 's'},
        {"--src", 's'},
        {"-d", 'd'},
        {"--destination", 'd'},
        {"--dst", 'd'},
        {"-i", 'i'},
        {"-o", 'o'},
        {"--in-interface", 'i'},
        {"--out-interface", 'o'},
        {"-p", 'p'},
        {"--protocol", 'p'},
        {"--proto", 'p'},
        {"-m", 'm'},
        {"--match", 'm'},
        {"-j", 'j'},
        {"--jump", 'j'},
        {"-g", 'g'},
        {"--goto", 'g'},
        {"-f", 'f'},
        {"--fragment", 'f'},
        {"-c", 'c'},
        {"--set-counters", 'c'},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(text, names[i].name) == 0)
            return names[i].letter;
    return 0;
}

static void
parse_short(IptRule *rule, const char *option, bool neg)
{
    g_autofree char *name = g_strdup_printf("-%s", option);
    uint32_t at = rule->pos - 1;
    const char *value;

    if (neg && strchr("mjgc", *option)) {
        ipt_note_token(rule, true, at, g_strdup_printf("%s cannot be negated", name), NULL);
        return;
    }
    switch (*option) {
    case 's':
        parse_address(rule, NFX_SADDR, name, neg);
        return;
    case 'd':
        parse_address(rule, NFX_DADDR, name, neg);
        return;
    case 'i':
        parse_interface(rule, NFX_IIF, name, neg);
        return;
    case 'o':
        parse_interface(rule, NFX_OIF, name, neg);
        return;
    case 'p':
        parse_protocol(rule, name, neg);
        return;
    case 'f':
        keep_ip(rule, neg ? at - 1 : at);
        return;
    case 'c':
        if (ipt_value(rule, name))
            ipt_value(rule, name);
        return;
    case 'm':
        value = ipt_value(rule, name);
        if (value) {
            IptGroup *group = open_match(rule, rule->pos - 1, ipt_find_match(rule->parser->family, value));
            append_raw(rule, group, at, rule->pos);
        }
        return;
    case 'j':
    case 'g':
        value = ipt_value(rule, name);
        if (!value)
            return;
        if (rule->target) {
            ipt_note_token(rule, true, at, g_strdup("a rule has one target only"), NULL);
            return;
        }
        rule->is_goto = *option == 'g';
        rule->target = ipt_open_target(rule, rule->pos - 1);
        if (rule->target)
            append_raw(rule, rule->target, rule->pos - 1, rule->pos);
        /* Nobody knows where the options of an unknown target end: it takes the rest. */
        if (rule->target && rule->target->unknown) {
            append_raw(rule, rule->target, rule->pos, rule->tokens->len);
            rule->pos = rule->tokens->len;
        }
        return;
    }
}

static void
parse_long(IptRule *rule, uint32_t first, const char *option, bool neg)
{
    uint32_t at = rule->pos - 1;
    IptGroup *last = NULL;
    bool added;

    if (rule->target && offer(rule, rule->target, first, option, neg) != IPT_NOT_MINE)
        return;
    for (uint32_t i = rule->groups->len; i-- > 0;) {
        IptGroup *group = g_ptr_array_index(rule->groups, i);
        if (offer(rule, group, first, option, neg) != IPT_NOT_MINE)
            return;
    }
    /* "-p tcp --dport 80" means "-p tcp -m tcp --dport 80". */
    add_implicit_match(rule, &added);
    if (added &&
        offer(rule, g_ptr_array_index(rule->groups, rule->groups->len - 1), first, option, neg) != IPT_NOT_MINE)
        return;
    if (added)
        g_ptr_array_set_size(rule->groups, (int)rule->groups->len - 1);

    if (rule->target)
        last = rule->target;
    else if (rule->groups->len)
        last = g_ptr_array_index(rule->groups, rule->groups->len - 1);
    if (!last) {
        ipt_note_token(rule, true, at, g_strdup_printf("option %s belongs to no match", option),
                       "-m NAME goes before the options of a match");
        return;
    }
    last->unknown = true;
    swallow(rule, last, first);
}

/* Lets a group read an option; what it does not model makes the group unknown. */
static IptResult
offer(IptRule *rule, IptGroup *group, uint32_t first, const char *option, bool neg)
{
    uint32_t after = rule->pos;
    IptResult result;

    if (!group->module) {
        swallow(rule, group, first);
        return IPT_TAKEN;
    }
    if (!group->module->option)
        return IPT_NOT_MINE;
    result = group->module->option(rule, group, option, neg);
    if (rule->failed)
        return IPT_BAD;
    switch (result) {
    case IPT_NOT_MINE:
        rule->pos = after;
        break;
    case IPT_NOT_MODELLED:
        rule->pos = after;
        group->unknown = true;
        swallow(rule, group, first);
        break;
    case IPT_TAKEN:
        append_raw(rule, group, first, rule->pos);
        break;
    case IPT_BAD:
        break;
    }
    return result;
}

/* Adds the option to the group's text, with the words after it up to the next option. */
static void
swallow(IptRule *rule, IptGroup *group, uint32_t first)
{
    while (rule->pos < rule->tokens->len) {
        const IptToken *token = token_at(rule, rule->pos);
        if (!token->quoted &&
            (strcmp(token->text, "!") == 0 || short_option(token->text) || g_str_has_prefix(token->text, "--")))
            break;
        rule->pos++;
    }
    append_raw(rule, group, first, rule->pos);
}

static IptGroup *
open_match(IptRule *rule, uint32_t token, const IptModule *module)
{
    IptGroup *group = g_new0(IptGroup, 1);

    group->module = module;
    group->name = token_at(rule, token)->text;
    group->token = token;
    group->raw = g_string_new(NULL);
    group->unknown = !module;
    g_ptr_array_add(rule->groups, group);
    return group;
}

static void
add_implicit_match(IptRule *rule, bool *ret_added)
{
    const IptModule *module = NULL;
    IptGroup *group;

    *ret_added = false;
    if (!rule->has_ip[NFX_PROTO] || rule->ip[NFX_PROTO].neg)
        return;
    module = ipt_find_implicit_match(rule->parser->family, (uint8_t)rule->ip[NFX_PROTO].a);
    if (!module)
        return;
    group = open_match(rule, rule->pos - 1, module);
    g_string_append_printf(group->raw, "-m %s", module->name);
    *ret_added = true;
}

static void
parse_address(IptRule *rule, NfOp op, const char *option, bool neg)
{
    uint32_t at = rule->pos - 1;
    const char *value = ipt_value(rule, option), *slash;
    g_autofree char *addr = NULL;
    IpFamily family = rule->parser->family;
    IpPrefix prefix;

    if (!value)
        return;
    slash = strchr(value, '/');
    addr = slash ? g_strndup(value, (gsize)(slash - value)) : g_strdup(value);
    prefix.len = family == FAMILY_IPV6 ? 128 : 32;
    if (!ipaddr_parse(addr, &prefix.addr)) {
        ipt_bad(rule, g_strdup_printf("\"%s\" is no address", value),
                "a dump has addresses like 10.0.0.0/8, one to a rule; names cannot be resolved here");
        return;
    }
    if (ipaddr_family(&prefix.addr) != family) {
        ipt_bad(rule, g_strdup_printf("%s is not of the dump's family", value),
                family == FAMILY_IPV6 ? "this is read as the output of ip6tables-save"
                                      : "this is read as the output of iptables-save");
        return;
    }
    if (slash && !ipt_parse_mask_length(slash + 1, family, &prefix.len)) {
        IpAddr mask;
        if (ipaddr_parse(slash + 1, &mask) && ipaddr_family(&mask) == family)
            keep_ip(rule, neg ? at - 1 : at); /* A mask with holes. */
        else
            ipt_bad(rule, g_strdup_printf("\"%s\" is no mask", slash + 1), NULL);
        return;
    }
    if (prefix.len == 0 && !neg)
        return; /* Anything. */
    prefix = ipprefix_network(prefix);
    rule->ip[op] = op == NFX_SADDR ? nfx_saddr(prefix, neg) : nfx_daddr(prefix, neg);
    rule->has_ip[op] = true;
}

static void
parse_interface(IptRule *rule, NfOp op, const char *option, bool neg)
{
    const char *value = ipt_value(rule, option);
    size_t length;
    g_autofree char *name = NULL;
    bool is_prefix;

    if (!value)
        return;
    length = strlen(value);
    is_prefix = length && value[length - 1] == '+';
    if (is_prefix && length == 1 && !neg)
        return; /* Any. */
    if (length - is_prefix > 15 || length == 0) {
        ipt_bad(rule, g_strdup_printf("\"%s\" is no interface name", value), "names have 1 to 15 characters");
        return;
    }
    name = g_strndup(value, length - is_prefix);
    rule->ip[op] = nfx_u32(op, nf_text_id(rule->parser->names, name), 0, is_prefix, neg);
    rule->has_ip[op] = true;
}

static void
parse_protocol(IptRule *rule, const char *option, bool neg)
{
    const char *value = ipt_value(rule, option);
    uint32_t protocol;

    if (!value)
        return;
    if (g_ascii_strcasecmp(value, "all") == 0)
        protocol = 0;
    else if (!ipt_parse_u32(value, 255, &protocol) && !ipt_value_of(IPT_PROTOCOLS, value, &protocol)) {
        ipt_bad(rule, g_strdup_printf("unknown protocol \"%s\"", value), "its number is understood");
        return;
    }
    if (protocol == 0)
        return;
    rule->ip[NFX_PROTO] = nfx_u32(NFX_PROTO, protocol, 0, 0, neg);
    rule->has_ip[NFX_PROTO] = true;
}

/* Keeps the option that begins at 'first' as an unmodelled match: fragments, masks with holes. */
static void
keep_ip(IptRule *rule, uint32_t first)
{
    IptGroup *group = open_match(rule, first, NULL);

    append_raw(rule, group, first, rule->pos);
}

static void
emit(IptRule *rule, NfChainBuilder *builder)
{
    for (uint32_t i = 0; i < rule->groups->len; i++) {
        IptGroup *group = g_ptr_array_index(rule->groups, i);
        if (!group->unknown && group->module->finish) {
            IptResult result = group->module->finish(rule, group);
            if (result == IPT_BAD)
                return;
            group->unknown = result == IPT_NOT_MODELLED;
        }
    }
    if (rule->target && !rule->target->unknown && rule->target->module && rule->target->module->finish) {
        IptResult result = rule->target->module->finish(rule, rule->target);
        if (result == IPT_BAD)
            return;
        rule->target->unknown = result == IPT_NOT_MODELLED;
    }
    nf_rule_begin(builder, rule->parser->line);
    for (int op = NFX_SADDR; op <= NFX_PROTO; op++)
        if (rule->has_ip[op])
            nf_rule_expr(builder, rule->ip[op]);
    for (uint32_t i = 0; i < rule->groups->len; i++)
        emit_group(rule, g_ptr_array_index(rule->groups, i), builder, false);
    if (rule->target)
        emit_group(rule, rule->target, builder, true);
    else
        nf_rule_expr(builder, nfx_u32(NFX_CONTINUE, 0, 0, 0, false));
    nf_rule_end(builder);
}

static void
emit_group(IptRule *rule, IptGroup *group, NfChainBuilder *builder, bool is_target)
{
    bool with_state = false;

    if (!group->unknown && is_target && group->n &&
        (group->exprs[0].op == NFX_DNAT || group->exprs[0].op == NFX_SNAT) && group->exprs[0].c) {
        uint32_t id = nf_rule_range(builder, &group->ranges[0]);
        group->exprs[0].c = (uint8_t)id;
        group->unknown = id == 0 || id > UINT8_MAX;
    }
    if (group->unknown) {
        uint32_t text = nf_text_id(rule->parser->names, group->raw->str);
        ipt_note_token(rule, false, group->token,
                       g_strdup_printf("%s \"%s\" is not modelled", is_target ? "target" : "match", group->name),
                       "a walk that reaches it says so");
        nf_rule_expr(builder, nfx_u32(is_target ? NFX_UNKNOWN_TARGET : NFX_UNKNOWN_MATCH, text, 0, 0, false));
        return;
    }
    for (uint32_t i = 0; i < group->n; i++)
        with_state |= !is_target && group->exprs[i].op == NFX_CT_STATE;
    for (uint32_t i = 0; i < group->n; i++) {
        NfExpr e = group->exprs[i];
        if (e.op == NFX_MULTIPORT)
            e.a = nf_rule_ports(builder, &group->ports);
        else if (e.op == NFX_LIMIT || e.op == NFX_HASHLIMIT)
            e.a = nf_rule_limit(builder, &group->limit);
        else if (e.op == NFX_IPRANGE)
            e.a = nf_rule_range(builder, &group->ranges[e.len]);
        if (i && !is_target)
            e.c |= NF_JOINED;
        if (with_state && e.op != NFX_CT_STATE)
            e.c |= NF_WITH_STATE;
        nf_rule_expr(builder, e);
    }
}

static void
append_raw(IptRule *rule, IptGroup *group, uint32_t first, uint32_t end)
{
    if (first >= end)
        return;
    if (group->raw->len)
        g_string_append_c(group->raw, ' ');
    g_string_append_len(group->raw, rule->line + token_at(rule, first)->start,
                        token_at(rule, end - 1)->end - token_at(rule, first)->start);
}

static void
free_group(gpointer data)
{
    IptGroup *group = data;

    g_string_free(group->raw, TRUE);
    g_free(group);
}
