#include "model/report/walk_text.h"

#include "model/report/json_out.h"
#include "sim/netfilter/nf_text.h"

#include <string.h>

const char *
nf_verdict_name(NfVerdict verdict)
{
    switch (verdict) {
    case NF_ACCEPT:
        return "accept";
    case NF_DROP:
        return "drop";
    case NF_REJECT:
        return "reject";
    }
    return "?";
}

/* The decision of a rule: its last expression, or what a verdict map's element says. */
void
walk_step_target(GString *out, const WalkStep *step)
{
    const NfNames *names = nf_ruleset_names(step->ruleset);
    const NfRule *rule;
    const NfExpr *last;

    if (step->rule == 0) {
        const NfChainSpec *spec = nf_chain_spec(step->chain_obj);
        g_string_append(out, !spec->is_base ? "RETURN" : spec->policy == NF_DROP ? "DROP" : "ACCEPT");
        return;
    }
    rule = nf_chain_rule(step->chain_obj, step->rule - 1);
    last = rule->n ? &nf_chain_exprs(step->chain_obj, step->rule - 1)[rule->n - 1] : NULL;
    /* A comment stands behind the decision in nftables. */
    while (last && last->op == NFX_COMMENT && last > nf_chain_exprs(step->chain_obj, step->rule - 1))
        last--;
    if (!last)
        return;
    switch ((NfOp)last->op) {
    case NFX_JUMP:
    case NFX_GOTO:
        g_string_append(out, nf_chain_name(names, last->a));
        return;
    case NFX_ACCEPT:
        g_string_append(out, "ACCEPT");
        return;
    case NFX_DROP:
        g_string_append(out, "DROP");
        return;
    case NFX_REJECT:
        g_string_append(out, "REJECT");
        return;
    case NFX_RETURN:
        g_string_append(out, "RETURN");
        return;
    case NFX_DNAT:
    case NFX_NUMGEN_DNAT:
        g_string_append(out, "DNAT");
        return;
    case NFX_SNAT:
        g_string_append(out, "SNAT");
        return;
    case NFX_MASQUERADE:
        g_string_append(out, "MASQUERADE");
        return;
    case NFX_REDIRECT:
        g_string_append(out, "REDIRECT");
        return;
    case NFX_SET_MARK:
        g_string_append(out, "MARK");
        return;
    case NFX_SET_CONNMARK:
        g_string_append(out, "CONNMARK");
        return;
    case NFX_VMAP: {
        const NfSet *map = nf_ruleset_set(step->ruleset, last->a);
        size_t n = 0;
        const NfElem *elems = map ? nf_set_elems(map, &n) : NULL;
        if (step->set_elem == 0 || step->set_elem > n)
            return;
        if (elems[step->set_elem - 1].chain != NF_NO_ID && elems[step->set_elem - 1].verdict != NFX_DROP)
            g_string_append(out, nf_chain_name(names, elems[step->set_elem - 1].chain));
        else
            g_string_append(out, "DROP");
        return;
    }
    case NFX_NUMGEN_VMAP:
        if (step->draw_n)
            g_string_append(out, nf_chain_name(names, nf_chain_choices(step->chain_obj, last->a)[step->draw].chain));
        return;
    default:
        return;
    }
}

/* The element of a verdict map that decided, or NULL. */
static const NfElem *
step_elem(const WalkStep *step)
{
    const NfRule *rule = nf_chain_rule(step->chain_obj, step->rule - 1);
    const NfExpr *exprs = nf_chain_exprs(step->chain_obj, step->rule - 1);
    size_t n;

    for (uint32_t i = 0; step->set_elem && i < rule->n; i++) {
        const NfSet *map = exprs[i].op == NFX_VMAP ? nf_ruleset_set(step->ruleset, exprs[i].a) : NULL;
        const NfElem *elems = map ? nf_set_elems(map, &n) : NULL;
        if (elems && step->set_elem <= n)
            return &elems[step->set_elem - 1];
    }
    return NULL;
}

bool
walk_step_origin(const ProxyCompiler *compiler, const WalkStep *step, RuleOrigin *ret_origin)
{
    const NfElem *elem;

    if (!compiler || step->rule == 0)
        return false;
    elem = step_elem(step);
    if (elem && proxy_origin(compiler, elem->origin, ret_origin))
        return true;
    return proxy_origin(compiler, nf_chain_rule(step->chain_obj, step->rule - 1)->origin, ret_origin);
}

static void
print_origin(GString *out, const ProxyCompiler *compiler, const WalkStep *step, const char *indent)
{
    RuleOrigin origin;

    if (!walk_step_origin(compiler, step, &origin))
        return;
    g_string_append_printf(out, "%s     because: %s", indent, origin.object ? origin.object : "kube-proxy");
    if (origin.detail)
        g_string_append_printf(out, ", %s", origin.detail);
    if (origin.field)
        g_string_append_printf(out, ", %s", origin.field);
    if (origin.source)
        g_string_append_printf(out, "  [%s]", origin.source);
    g_string_append_c(out, '\n');
}

void
walk_print_step(GString *out, const WalkStep *step, const ProxyCompiler *compiler, uint32_t margin)
{
    g_autofree char *indent = g_strnfill(margin + 2 * step->depth, ' ');
    g_autoptr(GString) text = g_string_new(NULL);
    const char *body;

    if (step->rule == 0) {
        g_string_append_printf(out, "%s%s %s end of chain: ", indent, step->table, step->chain);
        walk_step_target(out, step);
        g_string_append(out, nf_chain_spec(step->chain_obj)->is_base ? " (policy)\n" : "\n");
        return;
    }
    nf_print_rule(text, step->ruleset, step->chain_obj, step->rule - 1);
    /* "-A CHAIN rest": the chain stands in front already. */
    body = text->str;
    if (strncmp(body, "-A ", 3) == 0 && strchr(body + 3, ' '))
        body = strchr(body + 3, ' ') + 1;
    g_string_append_printf(out, "%s%s %s rule %u of %u%s: %s\n", indent, step->table, step->chain, step->rule,
                           nf_chain_n_rules(step->chain_obj), step->matched ? "" : " (no match)", body);
    if (!step->matched)
        return;
    if (step->draw_n)
        g_string_append_printf(out, "%s     drew %u of %u\n", indent, step->draw, step->draw_n);
    print_origin(out, compiler, step, indent);
}

static void
print_result(GString *out, const WalkOutcome *o, const WalkQuestion *q)
{
    char addr[IPPORT_STR_SIZE];

    g_string_append_printf(out, "=> %s", nf_verdict_name(o->verdict));
    if (o->verdict != NF_ACCEPT)
        g_string_append_printf(out, " in %s (%s)", nf_hook_name(o->last_hook, true), drop_reason_sentence(o->reason));
    if (o->dnat)
        g_string_append_printf(out, "; destination becomes %s", ipport_format(o->dnat_addr, o->dnat_port, addr));
    else if (o->verdict == NF_ACCEPT)
        g_string_append(out, "; destination unchanged");
    if (o->masquerade)
        g_string_append_printf(out, "; source becomes %s", ipport_format(o->source, o->source_port, addr));
    else if (o->verdict == NF_ACCEPT)
        g_string_append(out, "; source kept");
    if (q->all)
        g_string_append_printf(out, "; probability %.11g", o->probability);
    g_string_append_c(out, '\n');
}

static void
print_question(GString *out, const char *node, const WalkQuestion *q, const WalkAnswer *a)
{
    char from[IPPORT_STR_SIZE], to[IPPORT_STR_SIZE], proto[IPPROTO_STR_SIZE];

    g_string_append_printf(out, "%s %s > %s, first packet, ", ipproto_name(q->proto, proto),
                           q->from_port ? ipport_format(q->from, q->from_port, from) : ipaddr_format(q->from, from),
                           q->to_port ? ipport_format(q->to, q->to_port, to) : ipaddr_format(q->to, to));
    if (a->in_dev)
        g_string_append_printf(out, "arriving at node %s by %s\n", node, a->in_dev);
    else
        g_string_append_printf(out, "sent by node %s itself\n", node);
}

void
walk_print_text(GString *out, const char *node, const WalkQuestion *question, const WalkAnswer *answer,
                const ProxyCompiler *compiler)
{
    print_question(out, node, question, answer);
    for (uint32_t i = 0; i < answer->n_outcomes; i++) {
        const WalkOutcome *o = &answer->outcomes[i];
        int hook = -1;
        if (answer->n_outcomes > 1)
            g_string_append_printf(out, "\noutcome %u of %u, probability %.11g\n", i + 1, answer->n_outcomes,
                                   o->probability);
        for (uint32_t j = 0; j < o->n_path; j++) {
            if (hook != (int)o->path[j].hook)
                g_string_append_printf(out, "%s\n", nf_hook_name(o->path[j].hook, true));
            hook = (int)o->path[j].hook;
            walk_print_step(out, &o->path[j], compiler, 2);
        }
        print_result(out, o, question);
    }
}

void
walk_json_step(JsonOut *json, const WalkStep *step)
{
    g_autoptr(GString) target = g_string_new(NULL);

    walk_step_target(target, step);
    json_kv_str(json, "hook", nf_hook_name(step->hook, false));
    json_kv_str(json, "table", step->table);
    json_kv_str(json, "chain", step->chain);
    json_kv_int(json, "rule", step->rule);
    json_kv_str(json, "target", target->len ? target->str : NULL);
    json_kv_int(json, "position", step->tried);
    if (!step->matched && step->rule != 0)
        json_kv_bool(json, "matched", false);
    if (step->draw_n) {
        json_kv_int(json, "draw", step->draw);
        json_kv_int(json, "drawOf", step->draw_n);
    }
}

void
walk_print_json(GString *out, const WalkAnswer *answer)
{
    JsonOut json = json_out(out, true);

    json_object(&json);
    json_key(&json, "outcomes");
    json_array(&json);
    for (uint32_t i = 0; i < answer->n_outcomes; i++) {
        const WalkOutcome *o = &answer->outcomes[i];
        json_object(&json);
        json_kv_num(&json, "probability", o->probability);
        json_kv_str(&json, "verdict", nf_verdict_name(o->verdict));
        json_key(&json, "dnat");
        if (o->dnat)
            json_ipport(&json, o->dnat_addr, o->dnat_port);
        else
            json_null(&json);
        json_kv_bool(&json, "masquerade", o->masquerade);
        json_kv_str(&json, "reason", o->verdict == NF_ACCEPT ? NULL : drop_reason_code(o->reason));
        json_key(&json, "path");
        json_array(&json);
        for (uint32_t j = 0; j < o->n_path; j++)
            if (o->path[j].rule != 0) {
                json_object(&json);
                walk_json_step(&json, &o->path[j]);
                json_object_end(&json);
            }
        json_array_end(&json);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    json_out_done(&json);
}
