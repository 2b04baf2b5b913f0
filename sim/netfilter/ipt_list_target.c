/* Targets in the words of iptables -L: the print functions of the extensions of iptables 1.8.9 */

#include <string.h>

#include "sim/netfilter/ipt_names.h"
#include "sim/netfilter/ipt_print.h"

static void list_mark(GString *out, const char *name, uint32_t value, uint32_t mask);
static void list_connmark(GString *out, const NfExpr *e);
static void list_log(const IptPrinter *p, const NfExpr *e, bool numeric);
static void list_ports(GString *out, const char *what, uint32_t ports);
static void list_nat_flags(GString *out, uint32_t flags);
static void list_options_as_read(GString *out, const char *text);

const char *
ipt_list_target_name(const IptPrinter *p, const NfExpr *e, char *buf, size_t size)
{
    static const IptName names[] = {
        {"MARK", NFX_SET_MARK},
        {"CONNMARK", NFX_SET_CONNMARK},
        {"LOG", NFX_LOG},
        {"TCPMSS", NFX_TCPMSS},
        {"CT", NFX_CT_ZONE},
        {"CT", NFX_NOTRACK},
        {"ACCEPT", NFX_ACCEPT},
        {"DROP", NFX_DROP},
        {"REJECT", NFX_REJECT},
        {"RETURN", NFX_RETURN},
        {"DNAT", NFX_DNAT},
        {"SNAT", NFX_SNAT},
        {"MASQUERADE", NFX_MASQUERADE},
        {"REDIRECT", NFX_REDIRECT},
        {NULL, 0},
    };
    const char *name;

    if (e->op == NFX_JUMP || e->op == NFX_GOTO)
        return nf_chain_name(p->names, e->a);
    if (e->op == NFX_UNKNOWN_TARGET || (e->op == NFX_LOG && e->len == 1)) {
        name = nf_text(p->names, e->a);
        g_strlcpy(buf, name, MIN(size, strcspn(name, " ") + 1));
        return buf;
    }
    name = ipt_name_of(names, e->op);
    return name ? name : "";
}

void
ipt_list_target(const IptPrinter *p, const NfExpr *e, bool numeric)
{
    GString *out = p->out;
    const char *with;

    switch ((int)e->op) {
    case NFX_SET_MARK:
        list_mark(out, "MARK", e->a, e->b);
        break;
    case NFX_SET_CONNMARK:
        list_connmark(out, e);
        break;
    case NFX_LOG:
        list_log(p, e, numeric);
        break;
    case NFX_TCPMSS:
        if (e->a)
            g_string_append_printf(out, " TCPMSS set %u", e->a);
        else
            g_string_append(out, " TCPMSS clamp to PMTU");
        break;
    case NFX_CT_ZONE:
        g_string_append_printf(out, " CT zone%s %u", e->len == 0 ? "" : e->len == 1 ? "-orig" : "-reply", e->a);
        break;
    case NFX_NOTRACK:
        g_string_append(out, " CT notrack");
        break;
    case NFX_REJECT:
        with = ipt_name_of(nf_ruleset_family(p->rs) == FAMILY_IPV6 ? IPT_REJECTS6 : IPT_REJECTS4, e->a);
        g_string_append_printf(out, " reject-with %s", with ? with : "");
        break;
    case NFX_DNAT:
    case NFX_SNAT:
        g_string_append(out, " to:");
        ipt_print_nat_range(out, p->chain, e);
        list_nat_flags(out, e->len);
        break;
    case NFX_MASQUERADE:
        list_ports(out, " masq ports: ", e->a);
        list_nat_flags(out, e->len);
        break;
    case NFX_REDIRECT:
        list_ports(out, " redir ports ", e->a);
        list_nat_flags(out, e->len);
        break;
    case NFX_UNKNOWN_TARGET:
        list_options_as_read(out, nf_text(p->names, e->a));
        break;
    }
}

static void
list_mark(GString *out, const char *name, uint32_t value, uint32_t mask)
{
    if (value == 0)
        g_string_append_printf(out, " %s and 0x%x", name, ~mask);
    else if (value == mask)
        g_string_append_printf(out, " %s or 0x%x", name, value);
    else if (mask == 0)
        g_string_append_printf(out, " %s xor 0x%x", name, value);
    else if (mask == UINT32_MAX)
        g_string_append_printf(out, " %s set 0x%x", name, value);
    else
        g_string_append_printf(out, " %s xset 0x%x/0x%x", name, value, mask);
}

static void
list_connmark(GString *out, const NfExpr *e)
{
    const char *what = e->len == 1 ? "save" : "restore";

    if (e->len == 0)
        list_mark(out, "CONNMARK", e->a, e->b);
    else if (e->b == UINT32_MAX && e->b2 == UINT32_MAX)
        g_string_append_printf(out, " CONNMARK %s", what);
    else if (e->b == e->b2)
        g_string_append_printf(out, " CONNMARK %s mask 0x%x", what, e->b);
    else if (e->len == 1)
        g_string_append_printf(out, " CONNMARK save nfmask 0x%x ctmask ~0x%x", e->b2, e->b);
    else
        g_string_append_printf(out, " CONNMARK restore ctmask 0x%x nfmask ~0x%x", e->b, e->b2);
}

static void
list_log(const IptPrinter *p, const NfExpr *e, bool numeric)
{
    if (e->len == 1) {
        list_options_as_read(p->out, nf_text(p->names, e->a));
        return;
    }
    if (numeric) {
        g_string_append_printf(p->out, " LOG flags %u level %u", e->c, e->b);
    } else {
        g_string_append_printf(p->out, " LOG level %s", ipt_name_of(IPT_LOG_LEVELS, e->b));
        for (const IptName *flag = IPT_LOG_FLAGS; flag->name; flag++)
            if (e->c & flag->value)
                g_string_append_printf(p->out, " %s", flag->name);
    }
    if (e->a != NF_NO_ID)
        g_string_append_printf(p->out, " prefix \"%s\"", nf_text(p->names, e->a));
}

static void
list_ports(GString *out, const char *what, uint32_t ports)
{
    if (!ports)
        return;
    g_string_append_printf(out, "%s%u", what, ports >> 16);
    if (ports >> 16 != (ports & 0xffff))
        g_string_append_printf(out, "-%u", ports & 0xffff);
}

static void
list_nat_flags(GString *out, uint32_t flags)
{
    if (flags & NF_NAT_RANDOM)
        g_string_append(out, " random");
    if (flags & NF_NAT_RANDOM_FULLY)
        g_string_append(out, " random-fully");
    if (flags & NF_NAT_PERSISTENT)
        g_string_append(out, " persistent");
}

/* "NFLOG --nflog-group 2" as " nflog-group 2": what most targets print. */
static void
list_options_as_read(GString *out, const char *text)
{
    for (text += strcspn(text, " "); *text; text++) {
        g_string_append_c(out, *text);
        if (*text == ' ' && text[1] == '-' && text[2] == '-')
            text += 2;
    }
}
