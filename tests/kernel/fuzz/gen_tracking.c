/* Random conversations for conntrack: whole ones, broken ones, and segments around the edges of windows
 *
 * Both sides are ours: each step is a packet of its own, not an answer, so that a step can be dropped without changing
 * the others. */

#include "tests/kernel/fuzz/fuzz.h"

enum { CLIENT, SERVER, N_SIDES };

typedef struct {
    FuzzCase *c;
    Rng *rng;
    FuzzStep flow[N_SIDES];
    uint32_t next[N_SIDES]; /* Sequence number that each side sends next. */
    uint16_t window[N_SIDES];
} Talk;

static void add_rules(FuzzCase *c);
static void add_zones(FuzzCase *c, Rng *rng);
static void add_crowd(FuzzCase *c, Rng *rng);
static void add_sysctls(FuzzCase *c, Rng *rng);
static Talk talk_new(FuzzCase *c, Rng *rng);
static FuzzStep *say(Talk *t, int side);
static FuzzStep *say_tcp(Talk *t, int side, uint8_t flags, uint16_t len);
static void add_syn_options(Talk *t, FuzzStep *step);
static void tcp_open(Talk *t);
static void tcp_segment(Talk *t);
static uint32_t near(Talk *t, uint32_t number, uint16_t window);
static void other_packet(Talk *t, uint32_t index);

const char *const fuzz_sysctl_defaults[] = {"net.netfilter.nf_conntrack_tcp_be_liberal=0",
                                            "net.netfilter.nf_conntrack_tcp_loose=1",
                                            "net.netfilter.nf_conntrack_tcp_ignore_invalid_rst=0",
                                            "net.netfilter.nf_conntrack_tcp_max_retrans=3",
                                            "net.netfilter.nf_conntrack_checksum=1",
                                            NULL};

void
fuzz_make_tracking(FuzzCase *c, Rng *rng)
{
    uint32_t n_talks = 1 + rng_below(rng, 2);

    c->dialect = FUZZ_IPTABLES;
    add_rules(c);
    add_sysctls(c, rng);
    if (fuzz_one_in(rng, 5)) {
        add_crowd(c, rng);
        return;
    }
    if (fuzz_one_in(rng, 4)) /* Not of a crowd: which of its ports equal another zone's is chance. */
        add_zones(c, rng);
    for (uint32_t i = 0; i < n_talks; i++) {
        Talk t = talk_new(c, rng);
        uint32_t n = 4 + rng_below(rng, 24);

        if (t.flow[CLIENT].proto == 6 && !fuzz_one_in(rng, 6))
            tcp_open(&t);
        for (uint32_t j = 0; j < n; j++) {
            if (fuzz_one_in(rng, 16)) {
                FuzzStep *step = say(&t, (int)rng_below(rng, N_SIDES));
                step->kind = STEP_ERROR;
                step->len = (uint16_t)rng_below(rng, 3);
                step->ref = rng_below(rng, 2);
            } else if (t.flow[CLIENT].proto == 6) {
                tcp_segment(&t);
            } else {
                other_packet(&t, j);
            }
        }
    }
}

/* They only count: every packet passes. */
static void
add_rules(FuzzCase *c)
{
    static const char *const states[] = {"INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED"};
    uint32_t forward = 0;

    for (NfHook hook = NF_INPUT; hook <= NF_OUTPUT; hook++) {
        FuzzChain *chain = fuzz_add_chain(c, "filter", nf_hook_name(hook, true), 0);
        chain->is_base = true;
        chain->hook = hook;
        if (hook == NF_FORWARD)
            forward = c->n_chains - 1;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        FuzzRule rule = {.chain = (uint8_t)forward, .text = g_strdup_printf("-m conntrack --ctstate %s", states[i])};
        g_array_append_val(c->rules, rule);
    }
}

/* Zones of one or both directions, by who sends. */
static void
add_zones(FuzzCase *c, Rng *rng)
{
    static const char *const sides[] = {"", "-orig", "-reply"};
    FuzzChain *chain = fuzz_add_chain(c, "raw", "OUTPUT", 0);

    chain->is_base = true;
    chain->hook = NF_OUTPUT;
    chain = fuzz_add_chain(c, "raw", "PREROUTING", 0);
    chain->is_base = true;
    chain->hook = NF_PREROUTING;
    for (uint32_t n = 1 + rng_below(rng, 3); n > 0; n--) {
        FuzzRule rule = {.chain = (uint8_t)(c->n_chains - 1)};
        char source[IPADDR_STR_SIZE];

        ipaddr_format(fuzz_addr(c->family, fuzz_one_in(rng, 3) ? ADDR_SERVER : rng_below(rng, 3)), source);
        rule.text = g_strdup_printf("-s %s -j CT --zone%s %u", source, sides[rng_below(rng, G_N_ELEMENTS(sides))],
                                    1 + rng_below(rng, 2));
        g_array_append_val(c->rules, rule);
    }
}

/* More connections to one port of a server than there are source ports to translate them to.  The kernel tries all of
 * so small a range, so that which connections are lost is no matter of chance. */
static void
add_crowd(FuzzCase *c, Rng *rng)
{
    static const char *const flags[] = {"", "", " --random", " --random-fully"};
    static const char *const protos[] = {"tcp", "udp", "sctp"};
    static const uint8_t numbers[] = {6, 17, 132};
    uint32_t n_ports = 1 + rng_below(rng, 10), kind = rng_below(rng, 3), post = 0;
    char to[IPADDR_STR_SIZE];
    FuzzRule rule = {0};
    FuzzStep flow = {.kind = STEP_PACKET, .ttl = 64, .dport = 2080, .proto = numbers[kind]};

    for (NfHook hook = NF_PREROUTING; hook < NF_N_HOOKS; hook++) {
        FuzzChain *chain;
        if (hook == NF_FORWARD)
            continue;
        post = c->n_chains;
        chain = fuzz_add_chain(c, "nat", nf_hook_name(hook, true), 0);
        chain->is_base = true;
        chain->hook = hook;
    }
    rule.chain = (uint8_t)post;
    ipaddr_format(fuzz_addr(c->family, ADDR_ROUTER_S), to);
    if (fuzz_one_in(rng, 2))
        rule.text = g_strdup_printf("-p %s -j MASQUERADE --to-ports 20000-%u%s", protos[kind], 20000 + n_ports - 1,
                                    flags[rng_below(rng, 4)]);
    else
        rule.text = g_strdup_printf(c->family == FAMILY_IPV6 ? "-p %s -j SNAT --to-source [%s]:20000-%u%s"
                                                             : "-p %s -j SNAT --to-source %s:20000-%u%s",
                                    protos[kind], to, 20000 + n_ports - 1, flags[rng_below(rng, 3)]);
    g_array_append_val(c->rules, rule);
    flow.dst = fuzz_addr(c->family, ADDR_SERVER);
    for (uint32_t i = 8 + rng_below(rng, 24); i > 0; i--) {
        FuzzStep step = flow;
        step.src = fuzz_addr(c->family, rng_below(rng, 3));
        step.sport = (uint16_t)(11001 + rng_below(rng, 4));
        step.tcp_flags = TCP_SYN;
        step.chunk = SCTP_INIT;
        step.seq = step.proto == 6 ? 1000 + 100000 * rng_below(rng, 4) : 0;
        step.ack = 1000;
        g_array_append_val(c->steps, step);
        /* Most answers for a lone port refuse: a closed connection may give up its port, if a random search meets it.
         */
        if (fuzz_one_in(rng, 3)) {
            step.kind = STEP_REPLY;
            step.tcp_flags = n_ports > 1 || fuzz_one_in(rng, 3) ? TCP_SYN | TCP_ACK : TCP_RST | TCP_ACK;
            step.chunk = fuzz_one_in(rng, 2) ? SCTP_ABORT : SCTP_INIT_ACK;
            step.ack = step.proto == 6 ? step.seq + 1 : 5000;
            step.seq = step.proto == 6 ? 5000 : 1000;
            g_array_append_val(c->steps, step);
        }
    }
}

static void
add_sysctls(FuzzCase *c, Rng *rng)
{
    static const char *const settings[] = {"tcp_be_liberal=1",  "tcp_loose=0",       "tcp_ignore_invalid_rst=1",
                                           "tcp_max_retrans=1", "tcp_max_retrans=0", "checksum=0"};

    for (size_t i = 0; i < G_N_ELEMENTS(settings); i++)
        if (fuzz_one_in(rng, 8))
            g_ptr_array_add(c->sysctls, g_strconcat("net.netfilter.nf_conntrack_", settings[i], NULL));
}

static Talk
talk_new(FuzzCase *c, Rng *rng)
{
    static const uint32_t starts[] = {1000, 5000, 0x7ffffff0, 0xfffffff0, 0};
    Talk t = {.c = c, .rng = rng};
    uint32_t kind = rng_below(rng, 12);
    bool v6 = c->family == FAMILY_IPV6;
    FuzzStep *flow = &t.flow[CLIENT];

    *flow = (FuzzStep){.kind = STEP_PACKET, .ttl = 64, .dport = 2080};
    flow->proto = kind < 8 ? 6 : kind < 9 ? 17 : kind < 11 ? 132 : v6 ? 58 : 1;
    flow->src = fuzz_addr(c->family, ADDR_CLIENT);
    flow->dst = fuzz_addr(c->family, ADDR_SERVER);
    flow->sport = (uint16_t)(11001 + rng_below(rng, 2));
    t.flow[SERVER] = *flow;
    flow = &t.flow[SERVER];
    flow->from = 1;
    flow->src = t.flow[CLIENT].dst;
    flow->dst = t.flow[CLIENT].src;
    flow->sport = t.flow[CLIENT].dport;
    flow->dport = t.flow[CLIENT].sport;
    for (int i = 0; i < N_SIDES; i++) {
        t.next[i] = starts[rng_below(rng, G_N_ELEMENTS(starts))];
        t.window[i] = 8192;
    }
    return t;
}

static FuzzStep *
say(Talk *t, int side)
{
    g_array_append_val(t->c->steps, t->flow[side]);
    return &g_array_index(t->c->steps, FuzzStep, t->c->steps->len - 1);
}

static FuzzStep *
say_tcp(Talk *t, int side, uint8_t flags, uint16_t len)
{
    FuzzStep *step = say(t, side);

    step->tcp_flags = flags;
    step->seq = t->next[side];
    step->ack = t->next[!side];
    step->len = len;
    step->window = t->window[side];
    return step;
}

static void
add_syn_options(Talk *t, FuzzStep *step)
{
    static const uint8_t scales[] = {0, 0, 1, 3, 8, 15};

    step->mss = fuzz_one_in(t->rng, 2) ? 1460 : 0;
    step->wscale = scales[rng_below(t->rng, G_N_ELEMENTS(scales))];
    step->sack_permitted = fuzz_one_in(t->rng, 2);
}

static void
tcp_open(Talk *t)
{
    add_syn_options(t, say_tcp(t, CLIENT, TCP_SYN, 0));
    t->next[CLIENT]++;
    if (fuzz_one_in(t->rng, 12))
        return;
    add_syn_options(t, say_tcp(t, SERVER, TCP_SYN | TCP_ACK, 0));
    t->next[SERVER]++;
    if (!fuzz_one_in(t->rng, 12))
        say_tcp(t, CLIENT, TCP_ACK, 0);
}

static void
tcp_segment(Talk *t)
{
    static const uint8_t odd[] = {TCP_SYN,           TCP_SYN | TCP_ACK, TCP_RST, TCP_RST | TCP_ACK,
                                  TCP_FIN | TCP_ACK, TCP_SYN | TCP_FIN, 0,       TCP_FIN,
                                  TCP_ACK | TCP_URG, TCP_FIN | TCP_ACK};
    static const uint16_t windows[] = {0, 1, 100, 8192, 8192, 64240, 65535};
    int side = (int)rng_below(t->rng, N_SIDES);
    bool usual = !fuzz_one_in(t->rng, 4);
    uint16_t len = (uint16_t)(fuzz_one_in(t->rng, 2) ? 0 : 1 + rng_below(t->rng, 400));
    FuzzStep *step = say_tcp(t, side, usual ? TCP_ACK : odd[rng_below(t->rng, G_N_ELEMENTS(odd))],
                             usual || fuzz_one_in(t->rng, 6) ? len : 0);

    if (step->tcp_flags & TCP_SYN)
        add_syn_options(t, step);
    if (fuzz_one_in(t->rng, 4)) {
        step->window = t->window[side] = windows[rng_below(t->rng, G_N_ELEMENTS(windows))];
        step->no_window = step->window == 0;
    }
    if (fuzz_one_in(t->rng, 5)) {
        step->seq = near(t, step->seq, t->window[!side]);
    } else { /* It goes on from there. */
        t->next[side] += step->len + ((step->tcp_flags & TCP_FIN) != 0);
        if (step->tcp_flags & TCP_SYN && fuzz_one_in(t->rng, 2))
            t->next[side]++;
    }
    if (fuzz_one_in(t->rng, 6))
        step->ack = near(t, step->ack, t->window[side]);
    if (fuzz_one_in(t->rng, 6) && !(step->tcp_flags & TCP_SYN)) {
        step->sack[0] = near(t, step->ack, t->window[side]);
        step->sack[1] = step->sack[0] + 1 + rng_below(t->rng, 1000);
    }
    if (fuzz_one_in(t->rng, 40))
        step->bad_checksum = true;
    if (fuzz_one_in(t->rng, 10)) { /* Again, once or more. */
        FuzzStep again = *step;
        for (uint32_t i = 1 + rng_below(t->rng, 4); i > 0; i--)
            g_array_append_val(t->c->steps, again);
    }
}

/* Near the number, near the edges of a window around it, or far away. */
static uint32_t
near(Talk *t, uint32_t number, uint16_t window)
{
    uint32_t by = rng_below(t->rng, 4);

    switch (rng_below(t->rng, 8)) {
    case 0:
        return number - 1 - by;
    case 1:
        return number + 1 + by;
    case 2:
        return number + window - 1 + by;
    case 3:
        return number - window + 1 - by;
    case 4:
        return number - 66000 - 2 + by; /* MAXACKWINDOW and a bit. */
    case 5:
        return number + 0x40000000;
    case 6:
        return number - rng_below(t->rng, 500);
    default:
        return number + rng_below(t->rng, 500);
    }
}

static void
other_packet(Talk *t, uint32_t index)
{
    static const uint8_t opening[] = {SCTP_INIT, SCTP_INIT_ACK, SCTP_COOKIE_ECHO, SCTP_COOKIE_ACK};
    bool orderly = index < 4 && !fuzz_one_in(t->rng, 6);
    int side = orderly ? (int)index % 2 : (int)rng_below(t->rng, N_SIDES);
    FuzzStep *step = say(t, side);

    step->len = (uint16_t)rng_below(t->rng, 40);
    if (fuzz_one_in(t->rng, 40))
        step->bad_checksum = true;
    if (step->proto == 132) {
        step->chunk = orderly ? opening[index] : (uint8_t)rng_below(t->rng, 15);
        step->seq = step->chunk == SCTP_INIT ? 0 : side == CLIENT ? 5000 : 1000;
        step->ack = side == CLIENT ? 1000 : 5000;
        step->tos = fuzz_one_in(t->rng, 8) ? 0x10 : 0;
        if (fuzz_one_in(t->rng, 10))
            step->seq = fuzz_one_in(t->rng, 2) ? 6000 - step->seq : rng_below(t->rng, 3);
        if (fuzz_one_in(t->rng, 10)) /* Sides that change roles, or begin anew with another tag. */
            step->ack = fuzz_one_in(t->rng, 2) ? 6000 - step->ack : 1 + rng_below(t->rng, 3);
    } else if (step->proto != 17) {
        step->icmp_type = step->proto == 58 ? (side == CLIENT ? 128 : 129) : side == CLIENT ? 8 : 0;
        step->sport = t->flow[CLIENT].sport; /* The id. */
    } else if (fuzz_one_in(t->rng, 16)) {    /* Over two seconds a stream of datagrams is sure. */
        step->kind = STEP_WAIT;
        step->len = 2100;
    }
}
