#ifndef TESTS_KERNEL_FUZZ_FUZZ_H
#define TESTS_KERNEL_FUZZ_FUZZ_H

/* Differential fuzzing of rules: the kernel and the simulator, given the same rules and the same packets
 *
 * A case is made from its seed: a dialect, a family, rules and steps (packets).  Both sides play it and write down what
 * they saw as lines of text, step by step (what left by which interface, what a local send returned), then the rules
 * with their counters, then the connections.  Lines that differ are a finding; the shrinker drops rules and steps while
 * a difference remains.
 *
 * A case of the tracking kind has rules that only count the states of connections, random sysctls of conntrack, and
 * segments around the edges of windows; its connections are compared after every step.
 *
 * The router under test has five wires, on which nobody answers but us:
 *   c0  10.1.0.1/24, fd00:1::1/64    s0  10.2.0.1/24, fd00:2::1/64    t0  10.3.0.1/24, fd00:3::1/64, default route
 *   p0 (hairpin on), p1: ports of the bridge br0 10.4.0.1/24, fd00:4::1/64, whose frames netfilter sees
 * and 10.99.0.0/24 (fd00:99::/64) is unreachable.
 *
 * Compared modulo: ports that nobody of the case named (drawn at random by the kernel), IP ids, checksums, window of
 * time outs (four seconds).                                                                                          */

#include <glib.h>

#include "sim/engine/rng.h"
#include "sim/net/host.h"
#include "sim/netfilter/nf_text.h"
#include "sim/packet/wire.h"

enum { FUZZ_N_DEVS = 5, FUZZ_FIRST_PORT = 3, FUZZ_ROUTER = FUZZ_N_DEVS, FUZZ_MAX_EXPRS = 14, FUZZ_MAX_STEPS = 40 };

typedef enum { FUZZ_IPTABLES, FUZZ_NFT } FuzzDialect;

typedef struct {
    uint8_t chain; /* Index into the case's chains. */
    uint8_t n_exprs;
    NfExpr exprs[FUZZ_MAX_EXPRS]; /* nft. */
    NfChoice choice;              /* Of an NFX_NUMGEN_*. */
    NfAddrRange range;            /* Of an NFX_DNAT or NFX_SNAT. */
    bool has_range;
    char *text; /* iptables: what follows "-A CHAIN "; owned. */
} FuzzRule;

typedef struct {
    const char *table;
    char name[16];
    bool is_base;
    NfHook hook;
    NfChainType type;
    int32_t priority;
    NfVerdict policy;
    uint8_t family; /* Which chains may call it: those of the same number and a smaller index. */
} FuzzChain;

typedef enum {
    STEP_PACKET, /* As the fields say. */
    STEP_REPLY,  /* Turns a packet around that came out before. */
    STEP_ERROR,  /* An ICMP error about a packet that came out before. */
    STEP_WAIT,   /* 'len' milliseconds. */
} FuzzStepKind;

typedef struct {
    FuzzStepKind kind;
    uint8_t from; /* Interface index, or FUZZ_ROUTER: sent by the router itself. */
    uint8_t proto, ttl, tos, tcp_flags, icmp_type, icmp_code;
    bool bad_checksum;
    IpAddr src, dst;
    uint16_t sport, dport, len;
    uint16_t mss;    /* Option of a SYN; 0: none. */
    uint16_t window; /* 0: some. */
    bool no_window;  /* A window of 0. */
    uint8_t wscale;  /* Shift + 1; 0: no option. */
    bool sack_permitted;
    uint32_t sack[2]; /* A block; both 0: none. */
    uint8_t chunk;    /* SCTP: 'seq' is the verification tag, 'ack' the tag that INIT and INIT ACK announce. */
    uint32_t seq, ack;
    uint32_t ref; /* STEP_REPLY, STEP_ERROR: which one, counted from the last. */
} FuzzStep;

typedef struct {
    uint64_t seed;
    FuzzDialect dialect;
    IpFamily family;
    bool tracking;
    GPtrArray *sysctls; /* Of char *: "net.netfilter.NAME=VALUE"; what they don't say is as by default. */
    NfNames *names;
    FuzzChain chains[48];
    uint32_t n_chains;
    GPtrArray *sets; /* Of NfSet *: nft's. */
    GArray *rules;   /* Of FuzzRule. */
    GArray *steps;   /* Of FuzzStep. */
} FuzzCase;

typedef enum { FUZZ_ANY, FUZZ_RULES, FUZZ_TRACKING } FuzzKind;
FuzzCase *fuzz_case_new(uint64_t seed, FuzzKind kind);
void fuzz_case_free(FuzzCase *c);
/* The rules as objects, sealed; NULL with *error set. */
NfRuleset *fuzz_case_ruleset(const FuzzCase *c, GError **error);
/* The rules as the tools read them: iptables' as they were made, so that our reader is tested too; nft's, for which we
 * have none, as our printer writes them.  False with *error set if they cannot be objects. */
bool fuzz_print_rules(GString *out, const FuzzCase *c, GError **error);

/* Parts of the generator. */
void fuzz_make_iptables(FuzzCase *c, Rng *rng);
void fuzz_make_nft(FuzzCase *c, Rng *rng);
void fuzz_make_nft_sets(FuzzCase *c, Rng *rng, const char *table);
void fuzz_make_steps(FuzzCase *c, Rng *rng);
void fuzz_make_tracking(FuzzCase *c, Rng *rng);
/* NAME=VALUE of every sysctl that a tracking case may set, as by default; ended by NULL. */
extern const char *const fuzz_sysctl_defaults[];
bool fuzz_one_in(Rng *rng, uint32_t n);
FuzzChain *fuzz_add_chain(FuzzCase *c, const char *table, const char *name, uint8_t family);
/* A chain that 'from' may call, or NULL. */
const FuzzChain *fuzz_callee(const FuzzCase *c, uint32_t from, Rng *rng);

/* Addresses and ports that cases are made of. */
typedef enum {
    ADDR_CLIENT,
    ADDR_CLIENT2,
    ADDR_CLIENT3,
    ADDR_SERVER,
    ADDR_SERVER2,
    ADDR_THIRD,
    ADDR_POD,
    ADDR_POD2,
    ADDR_ROUTER_C,
    ADDR_ROUTER_S,
    ADDR_ROUTER_T,
    ADDR_ROUTER_B,
    ADDR_SERVICE,
    ADDR_SERVICE2,
    ADDR_UNREACHABLE,
    ADDR_LOOPBACK,
    ADDR_N
} FuzzAddr;
IpAddr fuzz_addr(IpFamily family, FuzzAddr which);
IpPrefix fuzz_prefix(IpFamily family, Rng *rng);
uint16_t fuzz_port(Rng *rng);
bool fuzz_port_known(uint16_t port);
extern const char *const fuzz_dev_names[FUZZ_N_DEVS];
/* Who lives behind each wire, ended by ADDR_N. */
extern const FuzzAddr fuzz_dev_addrs[FUZZ_N_DEVS][4];
/* The wire behind which an address of the bridge's subnet lives; -1: none. */
int fuzz_port_of(IpFamily family, IpAddr addr);

/* The ipsets that rules name: all exist on both sides, with constant content. */
void fuzz_ipsets_put(NfRuleset *rs);
void fuzz_ipsets_print(GString *out); /* For `ipset restore`. */
const char *fuzz_ipset_pick(IpFamily family, Rng *rng, const char **ret_sides);

/* What one side saw. */
typedef struct {
    bool failed;      /* It did not take the rules; 'lines' says why. */
    GPtrArray *lines; /* Of char *. */
} FuzzView;
FuzzView *fuzz_view_new(void);
void fuzz_view_free(FuzzView *view);
void fuzz_view_add(FuzzView *view, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Adds the lines of 'text', whichever side it comes from, in one form. */
void fuzz_view_add_rules(FuzzView *view, const char *text, FuzzDialect dialect);
/* Lines as of `conntrack -L` or /proc/net/nf_conntrack (then only those of 'family' are taken); 'prefix' begins each.
 */
void fuzz_view_add_connections(FuzzView *view, const char *prefix, IpFamily family, GPtrArray *lines);
void fuzz_view_add_stats(FuzzView *view, const CtStats *stats);
void fuzz_format_frame(GString *out, const uint8_t *frame, uint32_t size);
/* The packet of a step; 'seen' are the frames (GBytes, first byte: interface) that came out so far.  NULL: nothing to
 * answer.  *ret_from says from where it is sent. */
Packet *fuzz_step_packet(Sim *sim, const FuzzStep *step, GPtrArray *seen, uint8_t *ret_from);

typedef struct FuzzKernel FuzzKernel;
/* NULL with *ret_why (a literal) if this machine can't. */
FuzzKernel *fuzz_kernel_new(const char **ret_why);
void fuzz_kernel_free(FuzzKernel *k);
FuzzView *fuzz_kernel_play(FuzzKernel *k, const FuzzCase *c);
/* 'attempt' gives it other draws. */
FuzzView *fuzz_sim_play(const FuzzCase *c, uint32_t attempt);

#endif
