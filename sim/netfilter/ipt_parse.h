#ifndef SIM_NETFILTER_IPT_PARSE_H
#define SIM_NETFILTER_IPT_PARSE_H

/* Reading iptables-save dumps: the parts that share a rule being read (inside the room)
 *
 *   ipt_parse.c         lines, tables, chains; builds and seals the rule set
 *   ipt_parse_rule.c    one rule: words, the IP part, which option belongs to which match
 *   ipt_parse_match.c   options of the matches, with ipt_parse_l4.c and ipt_parse_state.c
 *   ipt_parse_target.c  targets and their options
 *
 * A match or target is an IptGroup: its -m or -j and the options found for it.  Whatever is not modelled in it turns
 * the whole group into NFX_UNKNOWN_*, with its text as read.                                                         */

#include "sim/netfilter/ipt_names.h"
#include "sim/netfilter/nf_text.h"

typedef struct {
    char *text;          /* Unquoted; owned by the rule. */
    uint32_t start, end; /* Bytes of the line. */
    bool quoted;
} IptToken;

typedef struct {
    NfNames *names;
    NfRuleset *rs;
    IpFamily family;
    GPtrArray *notes;
    bool failed;
    uint32_t line;
    const char *table;   /* NULL outside of tables; interned. */
    const char *seen[5]; /* Tables so far. */
    uint32_t n_seen;
    GPtrArray *builders;  /* Of the table's chains (NfChainBuilder), in order of declaration; owned. */
    GHashTable *declared; /* Name -> its number in 'builders' + 1; looked up only. */
    /* By name id, what the first rule said that named it; looked up only. */
    GHashTable *hash_limits; /* -> NfHashLimitTable, owned. */
    GHashTable *recent_cuts; /* -> bits that --mask cuts off. */
} IptParser;

typedef enum {
    IPT_TAKEN,
    IPT_NOT_MINE,     /* Not an option of this module; nothing was read. */
    IPT_NOT_MODELLED, /* It is, but there is no expression for it. */
    IPT_BAD,          /* It has no meaning; noted. */
} IptResult;

typedef struct IptRule IptRule;
typedef struct IptGroup IptGroup;

typedef struct {
    const char *name;
    /* Reads the option just seen and its values; NULL if there are none. */
    IptResult (*option)(IptRule *rule, IptGroup *group, const char *option, bool neg);
    /* Adds what must stand even without an option, or checks; NULL: nothing. */
    IptResult (*finish)(IptRule *rule, IptGroup *group);
    uint8_t protocol; /* Of "-m tcp" and the like, else 0. */
} IptModule;

#define IPT_GROUP_MAX 12

struct IptGroup {
    const IptModule *module; /* NULL: not modelled. */
    const char *name;        /* Borrowed from the token. */
    uint32_t token;          /* The name's. */
    GString *raw;            /* As read, from "-m" (matches) or from the name (targets) on. */
    bool unknown;
    uint32_t n;
    NfExpr exprs[IPT_GROUP_MAX];
    NfPortList ports;
    NfLimit limit;
    NfAddrRange ranges[2];
};

struct IptRule {
    IptParser *parser;
    const char *line;
    GArray *tokens; /* IptToken. */
    uint32_t pos;
    NfExpr ip[5]; /* By operation: NFX_SADDR .. NFX_PROTO. */
    bool has_ip[5];
    GPtrArray *groups; /* IptGroup, owned; matches in written order. */
    IptGroup *target;  /* NULL: none. */
    bool is_goto;
    bool failed;
};

/* Reads tokens[pos..] as a rule of the chain whose builder is 'builder'; notes what is wrong. */
void ipt_parse_rule(IptParser *parser, const char *line, GArray *tokens, uint32_t pos, NfChainBuilder *builder);

/* Tables of modules, each ends with a NULL name. */
extern const IptModule IPT_L4_MODULES[];
extern const IptModule IPT_STATE_MODULES[];
extern const IptModule IPT_PACKET_MODULES[];
/* 'finish' of matches that are nothing without an option. */
IptResult ipt_finish_some(IptRule *rule, IptGroup *group);
const IptModule *ipt_find_match(IpFamily family, const char *name);
const IptModule *ipt_find_implicit_match(IpFamily family, uint8_t protocol);
/* A jump to a chain or verdict has its expression at once. */
IptGroup *ipt_open_target(IptRule *rule, uint32_t token);

/* --- For the modules --- */

/* The next word, or NULL with a note that 'option' lacks a value. */
const char *ipt_value(IptRule *rule, const char *option);
IptResult ipt_bad(IptRule *rule, char *message, const char *hint); /* Takes the message; at the last word read. */
NfExpr *ipt_add(IptGroup *group, NfOp op, bool neg);               /* NULL if the group is full. */
NfExpr *ipt_single(IptGroup *group, NfOp op);                      /* The group's only expression. */
bool ipt_parse_u32(const char *text, uint32_t max, uint32_t *ret_value);
bool ipt_parse_value_mask(const char *text, uint32_t *ret_value, uint32_t *ret_mask);
/* "80", "80:90", ":90", "80:" with 'separator' ':'. */
bool ipt_parse_range(const char *text, char separator, uint32_t max, uint32_t *ret_low, uint32_t *ret_high);
/* "24", "255.255.255.0"; false if it is neither or has holes. */
bool ipt_parse_mask_length(const char *text, IpFamily family, uint8_t *ret_len);

/* Takes the message. */
void ipt_note(IptParser *parser, bool error, uint32_t column, uint32_t length, char *message, const char *hint);
void ipt_note_token(IptRule *rule, bool error, uint32_t token, char *message, const char *hint);

#endif
