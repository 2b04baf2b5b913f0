/* Runs of keyed rules: see nf_chain.h */

#include "sim/netfilter/nf_chain.h"

typedef enum { KEY_NONE, KEY_PORT, KEY_ADDR_PORT } KeyKind;

typedef struct {
    KeyKind kind;
    IpAddr addr;
    uint16_t port;
    uint8_t proto;
} RuleKey;

static RuleKey rule_key(const NfBody *body, const NfRule *rule);
static bool is_pure(NfOp op);
static uint32_t key_hash(const RuleKey *key);
static void run_add(NfBody *body, uint32_t first, uint32_t end, KeyKind kind, const uint32_t *hashes);

void
nf_body_index(NfBody *body, uint32_t run_min)
{
    g_autofree uint32_t *hashes = NULL; /* Of the run's keys so far. */
    KeyKind kind = KEY_NONE;
    uint32_t first = 0;

    for (uint32_t i = 0; body->n_rules >= run_min && i <= body->n_rules; i++) {
        RuleKey key = {.kind = KEY_NONE};

        if (i < body->n_rules)
            key = rule_key(body, &body->rules[i]);
        if (key.kind != kind) {
            if (kind != KEY_NONE && i - first >= run_min)
                run_add(body, first, i, kind, hashes);
            first = i;
            kind = key.kind;
        }
        if (kind != KEY_NONE && !hashes)
            hashes = g_new(uint32_t, body->n_rules);
        if (kind != KEY_NONE)
            hashes[i - first] = key_hash(&key);
    }
}

bool
nf_rule_key_hash(const NfBody *body, const NfRule *rule, bool *ret_by_addr, uint32_t *ret_hash)
{
    RuleKey key = rule_key(body, rule);

    *ret_by_addr = key.kind == KEY_ADDR_PORT;
    *ret_hash = key_hash(&key);
    return key.kind != KEY_NONE;
}

static uint32_t
key_hash(const RuleKey *key)
{
    return nf_run_hash(key->kind == KEY_ADDR_PORT, &key->addr, key->proto, key->port);
}

void
nf_body_index_free(NfBody *body)
{
    for (uint32_t i = 0; i < body->n_runs; i++)
        g_free(body->runs[i].slots);
    g_free(body->runs);
    g_free(body->next);
}

static void
run_add(NfBody *body, uint32_t first, uint32_t end, KeyKind kind, const uint32_t *hashes)
{
    uint32_t cap = 16;
    NfRun *run;

    while (cap < (end - first) * 2)
        cap *= 2;
    if (!body->next) {
        body->next = g_new(uint32_t, body->n_rules);
        for (uint32_t i = 0; i < body->n_rules; i++)
            body->next[i] = i + 1;
    }
    body->runs = g_renew(NfRun, body->runs, body->n_runs + 1);
    run = &body->runs[body->n_runs++];
    *run = (NfRun){first, end, cap - 1, kind == KEY_ADDR_PORT, g_new(NfRunSlot, cap)};
    for (uint32_t i = 0; i < cap; i++)
        run->slots[i].rule = NF_NO_ID;
    /* Backwards, so that a slot comes to name the first rule of its hash and each rule the one after it. */
    for (uint32_t i = end; i-- > first;) {
        uint32_t hash = hashes[i - first], s = hash & run->mask;

        while (run->slots[s].rule != NF_NO_ID && run->slots[s].hash != hash)
            s = (s + 1) & run->mask;
        body->next[i] = run->slots[s].rule == NF_NO_ID ? end : run->slots[s].rule;
        run->slots[s] = (NfRunSlot){hash, i};
        body->rules[i].flags |= NF_RULE_IN_RUN;
    }
    body->rules[first].flags |= NF_RULE_RUN_HEAD;
}

/* The key that a packet must have for the rule to do anything at all: exact tests with only pure tests in front. */
static RuleKey
rule_key(const NfBody *body, const NfRule *rule)
{
    RuleKey key = {.kind = KEY_NONE};
    bool have_addr = false, have_proto = false, have_port = false;

    for (uint32_t i = 0; i < rule->n; i++) {
        const NfExpr *e = &body->exprs[rule->first + i];

        if (e->op == NFX_DADDR && !e->neg && e->c == 128 && !have_addr) {
            have_addr = true;
            key.addr = e->addr;
        } else if (e->op == NFX_PROTO && !e->neg && !have_proto) {
            have_proto = true;
            key.proto = (uint8_t)e->a;
        } else if (e->op == NFX_DPORT && !e->neg && e->a == e->b && !have_port) {
            have_port = true;
            key.port = (uint16_t)e->a;
        } else if (!is_pure(e->op)) {
            break;
        }
    }
    if (have_proto && have_port)
        key.kind = have_addr ? KEY_ADDR_PORT : KEY_PORT;
    return key;
}

/* Tests that neither count, draw, change state nor report. */
static bool
is_pure(NfOp op)
{
    switch (op) {
    case NFX_SADDR:
    case NFX_DADDR:
    case NFX_IIF:
    case NFX_OIF:
    case NFX_PROTO:
    case NFX_SPORT:
    case NFX_DPORT:
    case NFX_MULTIPORT:
    case NFX_TCP_FLAGS:
    case NFX_L4_MATCH:
    case NFX_ICMP_TYPE:
    case NFX_CT_STATE:
    case NFX_CT_STATUS:
    case NFX_CT_DIR:
    case NFX_CT_ORIG:
    case NFX_CT_ORIG_PORT:
    case NFX_MARK:
    case NFX_CONNMARK:
    case NFX_ADDRTYPE:
    case NFX_COMMENT:
    case NFX_PKTTYPE:
    case NFX_LENGTH:
    case NFX_TTL:
    case NFX_IPRANGE:
    case NFX_OWNER:
    case NFX_FIB_TYPE:
    case NFX_MARK_EQ0:
        return true;
    case NFX_STATISTIC_RANDOM:
    case NFX_STATISTIC_NTH:
    case NFX_SET:
    case NFX_RECENT:
    case NFX_LIMIT:
    case NFX_HASHLIMIT:
    case NFX_NFACCT:
    case NFX_PHYSDEV:
    case NFX_RPFILTER:
    case NFX_SOCKET:
    case NFX_UNKNOWN_MATCH:
    case NFX_LOOKUP:
    case NFX_STATEMENTS:
        return false;
    }
    return false;
}
