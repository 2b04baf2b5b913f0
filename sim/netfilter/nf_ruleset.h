#ifndef SIM_NETFILTER_NF_RULESET_H
#define SIM_NETFILTER_NF_RULESET_H

/* Rule sets: tables, chains, sets; shared bases, per-node overlays, generations
 *
 * NfNames      interns chain, set, interface and comment texts to dense ids; shared by all rule sets that share chains.
 * NfChain      immutable once sealed, reference counted, shared by every rule set that holds it.
 * NfSet        immutable elements, reference counted (dynamic content lives in NfState, per host).
 * NfRuleset    a map id -> chain and id -> set, for one family: what one host walks.  A derived rule set holds only
 * what differs from its base; jumps name ids, so an overlay can replace a callee without touching callers. A base is
 * itself immutable once sealed: a newer generation is a copy that shares pages (copy on write); a host that is late
 * simply holds the older one.
 *
 * Sealing a chain builds its index (runs of rules keyed by exact address, protocol and port); sealing a rule set checks
 * that targets exist, that there is no loop and that calls are at most NF_MAX_DEPTH deep, so that evaluation needs no
 * check. */

#include "sim/netfilter/nf_rule.h"

#define NF_MAX_DEPTH 64
#define NF_NO_ID     UINT32_MAX

typedef enum { NF_ERROR_EXISTS, NF_ERROR_REFERENCE, NF_ERROR_LOOP } NfError;
#define NF_ERROR nf_error_quark()
GQuark nf_error_quark(void);

typedef enum { NF_DIALECT_IPTABLES, NF_DIALECT_NFT } NfDialect;
typedef enum { NF_TYPE_FILTER_CHAIN, NF_TYPE_NAT_CHAIN, NF_TYPE_ROUTE_CHAIN } NfChainType;

typedef struct NfNames NfNames;
NfNames *nf_names_new(void);
NfNames *nf_names_ref(NfNames *names);
void nf_names_unref(NfNames *names);

/* Text ids: comments, interface names, list names.  Equal texts have equal ids; 0 is the empty text. */
uint32_t nf_text_id(NfNames *names, const char *text);
uint32_t nf_text_find(const NfNames *names, const char *text); /* NF_NO_ID if never interned. */
/* Forgets the texts that were interned since the mark, of which nobody may have kept the id; keeps them, if chains or
 * sets were named since. */
typedef struct {
    uint32_t n_texts, n_chains, n_sets, mask;
} NfTextMark;
NfTextMark nf_texts_mark(const NfNames *names);
void nf_texts_forget(NfNames *names, const NfTextMark *mark);
const char *nf_text(const NfNames *names, uint32_t id);
/* Chain and set ids, each dense, by (table, name).  A new name takes the next id. */
uint32_t nf_chain_id(NfNames *names, const char *table, const char *name);
uint32_t nf_chain_find(const NfNames *names, const char *table, const char *name); /* NF_NO_ID if never named. */
/* Ids of 'n' chains whose names are made when somebody asks: 'namer' writes that of the index-th, which nobody may have
 * named before. */
#define NF_NAME_SIZE 256
typedef struct {
    void (*name)(void *owner, uint32_t index, char ret_name[static NF_NAME_SIZE]);
    bool (*may_be)(const char *name); /* False: no such name is the namer's. */
    const char *table;
} NfNamer;
uint32_t nf_chain_reserve(NfNames *names, const NfNamer *namer, void *owner, uint32_t n);
/* The owner of the ids from 'first' on goes: its names are made now, unless 'forget': nobody will ask. */
void nf_chain_settle(NfNames *names, uint32_t first, bool forget);
/* nf_chain_id() for a name that no namer would make. */
uint32_t nf_chain_id_unreserved(NfNames *names, const char *table, const char *name);
const char *nf_chain_name(const NfNames *names, uint32_t chain_id);
const char *nf_chain_table(const NfNames *names, uint32_t chain_id);
uint32_t nf_set_id(NfNames *names, const char *table, const char *name);
uint32_t nf_set_find(const NfNames *names, const char *table, const char *name);
const char *nf_set_name(const NfNames *names, uint32_t set_id);
const char *nf_set_table(const NfNames *names, uint32_t set_id);

/* --- Sets and maps ------------------------------------------------------------------------------------------- */

/* A key: unused parts are zero; no padding. */
typedef struct {
    IpAddr addr, addr2;
    uint32_t word; /* Interface name id or mark. */
    uint16_t port;
    uint8_t proto;
    uint8_t zero;
} NfKey;
_Static_assert(sizeof(NfKey) == 40, "no padding");

typedef struct {
    NfKey key;
    uint8_t addr_len;   /* Prefix length of key.addr for interval sets; 255: exact. */
    uint8_t verdict;    /* NfOp: NFX_GOTO, NFX_JUMP, NFX_DROP, NFX_ACCEPT, NFX_RETURN; maps only. */
    uint16_t port_high; /* Interval of ports; 0: none. */
    uint32_t chain;     /* Of GOTO and JUMP. */
    uint32_t comment;   /* Text id or NF_NO_ID. */
    uint32_t origin;
} NfElem;

typedef enum { NF_SET_PLAIN, NF_SET_MAP /* to verdicts */, NF_SET_IPSET } NfSetKind;

typedef struct {
    uint32_t id;
    NfSetKind kind;
    uint32_t fields; /* NfKeyField nibbles: the type; direction-free kinds (DADDR for any address, DPORT for any port).
                        An ipset whose ports have a protocol (hash:ip,port, not bitmap:port) lists PROTO too. */
    uint8_t n_fields;
    bool dynamic, interval;
    bool anonymous;     /* A set in place: rules print its elements, "ip daddr { 10.0.0.0/8 }", and no declaration.  Its
                           name     begins with "__set", as the kernel's.  kube-proxy's transaction separates the elements
                           by "     , " in     a negated look-up (firewall ranges) and by "," otherwise (service CIDRs). */
    uint32_t timeout_s; /* Dynamic sets: default timeout; 0: none. */
    uint32_t comment;   /* Text id or NF_NO_ID. */
    uint32_t ipset_type; /* Text id ("hash:ip,port") for ipsets. */
} NfSetSpec;

/* Elements are copied; they keep their order for printing.  NULL and *error on a duplicate key with another verdict
 * ("File exists", as the kernel says). */
NfSet *nf_set_new(const NfSetSpec *spec, const NfElem *elems, size_t n, GError **error);
/* Takes the array, of g_malloc()'s, whether or not there is a set in the end. */
NfSet *nf_set_new_take(const NfSetSpec *spec, NfElem *elems, size_t n, GError **error);
NfSet *nf_set_ref(NfSet *set);
void nf_set_unref(NfSet *set);
const NfSetSpec *nf_set_spec(const NfSet *set);
const NfElem *nf_set_elems(const NfSet *set, size_t *ret_n);
const NfElem *nf_set_lookup(const NfSet *set, const NfKey *key);

/* --- Chains ---------------------------------------------------------------------------------------------------- */

typedef struct {
    IpAddr addr;
    uint16_t port;
    uint16_t zero;
    uint32_t chain; /* NFX_NUMGEN_VMAP: chain id; then addr and port are unused. */
} NfChoice;

typedef struct {
    uint32_t n;
    uint32_t v[16][2]; /* multiport: low, high. */
} NfPortList;

/* A hashlimit's table is made by the first rule that names it; what others with this name say of it is only printed. */
typedef struct {
    uint64_t interval_ns; /* Per unit. */
    uint32_t burst;
    uint32_t mode; /* 1 srcip, 2 dstip, 4 srcport, 8 dstport. */
} NfHashLimitTable;

typedef struct {
    uint64_t interval_ns; /* Per unit: limit and hashlimit. */
    uint32_t burst;
    uint32_t name; /* hashlimit. */
    uint32_t mode; /* hashlimit: as its table's; bit 31: --hashlimit-above. */
    uint8_t unit;  /* Per: 's', 'm', 'h', 'd', for printing. */
    uint32_t rate; /* As written. */
    NfHashLimitTable table;
} NfLimit;

typedef struct {
    IpAddr low, high;
} NfAddrRange;

typedef struct {
    uint32_t id;
    uint32_t comment; /* nft; text id or NF_NO_ID. */
    int32_t priority;
    bool is_base;
    uint8_t hook;   /* NfHook. */
    uint8_t type;   /* NfChainType. */
    uint8_t policy; /* NfVerdict. */
} NfChainSpec;

/* A chain being written.  Ids of side tables (ports, limits, ranges) count from 1; 0: none.  Usage:
 *     NfChainBuilder *b = nf_chain_builder_new(names, &spec);
 *     nf_rule_begin(b, origin);  nf_rule_expr(b, expr) ...;  nf_rule_end(b);
 *     NfChain *chain = nf_chain_seal(b);   // frees the builder
 */
typedef struct NfChainBuilder NfChainBuilder;
NfChainBuilder *nf_chain_builder_new(NfNames *names, const NfChainSpec *spec);
void nf_chain_builder_free(NfChainBuilder *b);
void nf_rule_begin(NfChainBuilder *b, uint32_t origin);
void nf_rule_expr(NfChainBuilder *b, NfExpr expr);
uint32_t nf_rule_choices(NfChainBuilder *b, const NfChoice *choices, size_t n); /* Returns the 'a' of NFX_NUMGEN_*. */
uint32_t nf_rule_ports(NfChainBuilder *b, const NfPortList *ports);
uint32_t nf_rule_limit(NfChainBuilder *b, const NfLimit *limit);
uint32_t nf_rule_range(NfChainBuilder *b, const NfAddrRange *range);
void nf_rule_end(NfChainBuilder *b);
NfChain *nf_chain_seal(NfChainBuilder *b);
/* As the rules of a piece. */
NfChain *nf_chain_seal_piece(NfChainBuilder *b);

/* What makes chains when somebody first walks or reads them.  Its owner embeds it; whoever holds one of its chains, or
 * a rule set with it in a chain's place, holds it, too.  It says what seal() must know of a chain without making it,
 * just as the chain itself would. */
typedef struct NfMaker NfMaker;
#define NF_MAKER_NAMES 16
typedef struct {
    NfChain *(*make)(NfMaker *maker, uint32_t chain_id);
    /* What the chain's rules name, each once: chains (or sets) from the 'skip'-th on, as many as there is room for;
     * returns how many. */
    uint32_t (*names)(const NfMaker *maker, uint32_t chain_id, bool sets, uint32_t skip,
                      uint32_t ret_ids[static NF_MAKER_NAMES]);
    uint32_t (*n_rules)(const NfMaker *maker, uint32_t chain_id);
    void (*free)(NfMaker *maker); /* Nobody holds it any more. */
} NfMakerOps;

struct NfMaker {
    uint32_t refs;
    bool uses_ct; /* As nf_ruleset_uses_ct(), of any of its chains. */
    const NfMakerOps *ops;
    NfChain *made; /* Those that somebody holds; the next is chain->next_made. */
};
void nf_maker_init(NfMaker *maker, const NfMakerOps *ops); /* With one reference. */
NfMaker *nf_maker_ref(NfMaker *maker);
void nf_maker_unref(NfMaker *maker);

/* Consecutive rules of a long chain, without state, draws, sets and side tables; generations and overlays of it share
 * them.  They are made when a packet or a reader comes to them; until then the piece knows what nf_piece_init() noted
 * of them.  Its owner embeds it. */
typedef struct NfPiece NfPiece;
typedef struct {
    NfChain *(*make)(NfPiece *piece); /* The same rules each time, sealed by nf_chain_seal_piece(). */
    void (*free)(NfPiece *piece);     /* Nobody holds it any more. */
} NfPieceOps;

struct NfPiece {
    uint32_t refs;
    uint32_t n_rules;
    const NfPieceOps *ops;
    NfChain *made;   /* Its rules, since somebody came; or NULL. */
    uint32_t *words; /* Hashes of the keys that its rules require; then the ids of the chains that they name. */
    uint32_t n_keys, n_targets;
    bool by_addr, by_port; /* Kinds of its keys. */
    bool keyed;            /* No rule is without. */
    bool uses_ct;
};
/* With one reference; 'rules' are what make() would return. */
void nf_piece_init(NfPiece *piece, const NfPieceOps *ops, const NfChain *rules);
/* Whose rules are there; takes the reference. */
NfPiece *nf_piece_new_made(NfChain *rules);
NfPiece *nf_piece_ref(NfPiece *piece);
void nf_piece_unref(NfPiece *piece);

/* Which pieces may have a rule for a packet: of 'n_chains' chains that are each cut into 'n_pieces', chain by chain. */
typedef struct NfKeyIndex NfKeyIndex;
NfKeyIndex *nf_key_index_new(NfPiece *const *pieces, uint32_t n_chains, uint32_t n_pieces);
NfKeyIndex *nf_key_index_ref(NfKeyIndex *index);
void nf_key_index_unref(NfKeyIndex *index);
/* The index holds for a chain with this piece in that place, too. */
bool nf_key_index_covers(const NfKeyIndex *index, const NfPiece *piece, uint32_t number);
/* References are taken.  The index covers the first pieces; those behind it concern every packet. */
NfChain *nf_chain_of_pieces(NfNames *names, const NfChainSpec *spec, NfPiece *const *pieces, uint32_t n,
                            NfKeyIndex *index);

NfChain *nf_chain_ref(NfChain *chain);
void nf_chain_unref(NfChain *chain);
const NfChainSpec *nf_chain_spec(const NfChain *chain);
uint32_t nf_chain_n_rules(const NfChain *chain);
const NfRule *nf_chain_rule(const NfChain *chain, uint32_t index);
const NfExpr *nf_chain_exprs(const NfChain *chain, uint32_t index); /* Of that rule, rule->n of them. */
const NfChoice *nf_chain_choices(const NfChain *chain, uint32_t first);
const NfPortList *nf_chain_ports(const NfChain *chain, uint32_t id);
const NfLimit *nf_chain_limit(const NfChain *chain, uint32_t id);
const NfAddrRange *nf_chain_range(const NfChain *chain, uint32_t id);
/* Same rules, target for target: interning of overlays. */
bool nf_chain_equal(const NfChain *a, const NfChain *b);

/* Expression makers (the common ones): used by compilers and the parser. */
NfExpr nfx_saddr(IpPrefix prefix, bool neg);
NfExpr nfx_daddr(IpPrefix prefix, bool neg);
NfExpr nfx_proto(uint8_t proto);
NfExpr nfx_dport(uint8_t match_proto, uint16_t low, uint16_t high);
NfExpr nfx_u32(NfOp op, uint32_t a, uint32_t b, uint8_t len, bool neg);
NfExpr nfx_comment(NfNames *names, const char *text);
NfExpr nfx_jump(uint32_t chain_id);
NfExpr nfx_goto(uint32_t chain_id);
NfExpr nfx_dnat(IpAddr addr, uint16_t port, uint8_t flags);

/* --- Rule sets -----------------------------------------------------------------------------------------------------
 */

NfRuleset *nf_ruleset_new(NfNames *names, NfDialect dialect, IpFamily family);
/* An unsealed overlay on a sealed 'base' (takes a reference). */
NfRuleset *nf_ruleset_derive(NfRuleset *base);
/* An unsealed next generation of a sealed base: shares all pages until they are written. */
NfRuleset *nf_ruleset_next(const NfRuleset *base);
NfRuleset *nf_ruleset_ref(NfRuleset *rs);
void nf_ruleset_unref(NfRuleset *rs);

NfNames *nf_ruleset_names(const NfRuleset *rs);
NfDialect nf_ruleset_dialect(const NfRuleset *rs);
IpFamily nf_ruleset_family(const NfRuleset *rs);

void nf_ruleset_put_chain(NfRuleset *rs, NfChain *chain); /* Takes the reference. */
/* A chain that is not made yet; takes the reference. */
void nf_ruleset_put_maker(NfRuleset *rs, uint32_t chain_id, NfMaker *maker);
void nf_ruleset_remove_chain(NfRuleset *rs, uint32_t chain_id);
void nf_ruleset_put_set(NfRuleset *rs, NfSet *set); /* Takes the reference. */
void nf_ruleset_remove_set(NfRuleset *rs, uint32_t set_id);
/* Checks jump targets, set references, loops and depth; false with *error naming chain and rule. */
bool nf_ruleset_seal(NfRuleset *rs, GError **error);
/* True if any chain asks for connection tracking or translates; a chain of type nat alone does not. */
bool nf_ruleset_uses_ct(const NfRuleset *rs);

const NfChain *nf_ruleset_chain(const NfRuleset *rs, uint32_t chain_id); /* NULL if none.  Made, if it was not. */
/* The same for whoever goes through many chains: a reference, and what he has made goes with him. */
NfChain *nf_ruleset_take_chain(const NfRuleset *rs, uint32_t chain_id);
bool nf_ruleset_has_chain(const NfRuleset *rs, uint32_t chain_id);
/* How many rules the chain has, without making it. */
uint32_t nf_ruleset_chain_n_rules(const NfRuleset *rs, uint32_t chain_id);
/* Both hold the same chain object of that id, made or not. */
bool nf_ruleset_same_chain(const NfRuleset *a, const NfRuleset *b, uint32_t chain_id);
/* The chain object is this rule set's. */
bool nf_ruleset_holds(const NfRuleset *rs, const NfChain *chain);
/* An overlay that holds nothing of its own (yet). */
bool nf_ruleset_is_as_base(const NfRuleset *overlay);
bool nf_ruleset_is_base_chain(const NfRuleset *rs, uint32_t chain_id);
const NfSet *nf_ruleset_set(const NfRuleset *rs, uint32_t set_id);
/* Ids present (base and overlay), ascending; caller frees the array. */
uint32_t *nf_ruleset_chain_ids(const NfRuleset *rs, size_t *ret_n);
uint32_t *nf_ruleset_set_ids(const NfRuleset *rs, size_t *ret_n);
/* Ids of the chains of 'after' that are other objects than in 'before' (NULL: nothing there), ascending; caller frees.
 * Costs what differs: pages that both share are passed over. */
uint32_t *nf_ruleset_changed_chains(const NfRuleset *before, const NfRuleset *after, size_t *ret_n);
/* Base chains of a hook by priority, then id; at most NF_MAX_BASE. */
#define NF_MAX_BASE 8
size_t nf_ruleset_base_chains(const NfRuleset *rs, NfHook hook, const NfChain *ret_chains[static NF_MAX_BASE]);
/* Tables in print order ("mangle", "filter", "nat"; or "kube-proxy"). */
size_t nf_ruleset_tables(const NfRuleset *rs, const char *ret_tables[static 8]);
/* Prints 'table' after those that were named so before: the order of a dump that was read. */
void nf_ruleset_order_table(NfRuleset *rs, const char *table);
/* The comment of an nft table: text id; NF_NO_ID at first. */
void nf_ruleset_set_comment(NfRuleset *rs, uint32_t comment);
uint32_t nf_ruleset_comment(const NfRuleset *rs);
uint64_t nf_ruleset_own_bytes(const NfRuleset *rs); /* Memory that only this rule set holds. */

#endif
