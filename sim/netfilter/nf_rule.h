#ifndef SIM_NETFILTER_NF_RULE_H
#define SIM_NETFILTER_NF_RULE_H

/* Rules: one instruction set for iptables and nftables
 *
 * A rule is a list of expressions, evaluated in order.  An expression either tests (a test that fails ends the rule),
 * acts (sets a mark, refreshes a set) or decides (accept, jump, translate).  Both dialects compile to it; a dialect
 * only prints and parses.  Expressions are 24 bytes of plain data; names, comments, chains and sets are ids
 * (nf_ruleset.h).
 *
 * iptables tests the IP part of a rule (-s -d -i -o -p) before the -m matches in written order: compilers and the
 * parser emit expressions in that order: SADDR, DADDR, IIF, OIF, PROTO, then matches, then the target.
 *
 * Field use by operation is written beside each; 'neg' inverts a test.  What nft prints for it follows in brackets,
 * where it has a form there (IP for ip or ip6):
 *
 *   masquerade mark   SET_MARK a = b = M                           [meta mark set meta mark | M]
 *   unmark            SET_MARK a = M, b = 0                        [meta mark set meta mark ^ M]
 *   unmarked: return  MARK_EQ0 a = M; RETURN                       [meta mark & M == 0x00000000 return]
 *   marked            MARK_EQ0 neg a = M                           [meta mark & M != 0x00000000]
 *   service map       VMAP keys DADDR, PROTO, DPORT                [IP daddr . meta l4proto . th dport vmap @NAME]
 *   node-port map     LOOKUP DADDR; VMAP PROTO, DPORT              [IP daddr @NAME meta l4proto . th dport vmap @NAME]
 *   ... of any address FIB_TYPE len 1; DADDR neg; VMAP             [fib daddr type local IP daddr != C meta ...]
 *   source ranges     LOOKUP neg SADDR of an anonymous set; DROP   [IP saddr != { A, B } drop]
 *   hairpin           CT_STATUS dnat; LOOKUP SADDR DADDR PROTO DPORT; MASQUERADE
 *                                                                  [ct status dnat IP saddr . IP daddr . ... @NAME]
 *   local detector    SADDR [neg], IIF [neg]                       [IP saddr != C] [iifname "BR"] [iifname "PFX*"]
 *   affinity          LOOKUP SADDR; GOTO / SET_UPDATE SADDR        [IP saddr @S goto C] [update @S { IP saddr }]
 *   translate         PROTO; DNAT / PROTO; NUMGEN_DNAT             [meta l4proto tcp dnat to A:P]
 *   comment           COMMENT anywhere in the rule                 [... comment "TEXT"]                             */

#include <glib.h>

#include "sim/netfilter/nf.h"
#include "sim/packet/addr.h"

/* In 'c' of the tests marked (j): the option belongs to the same -m as the expression before ("-m tcp --sport 1 --dport
 * 2", "-m conntrack --ctstate NEW --ctdir ORIGINAL").  0: it begins its own -m.  With that -m's --ctstate, nothing else
 * of it is asked of a packet without a connection (xt_conntrack.c). */
enum { NF_JOINED = 1, NF_WITH_STATE = 2 };

typedef enum {
    /* Tests. */
    NFX_SADDR,        /* addr, len: source in prefix. */
    NFX_DADDR,        /* addr, len. */
    NFX_IIF,          /* a: name id; len 1: prefix match ("eth+" / "eth*"; the name is "eth"). */
    NFX_OIF,          /* a: name id; len as above. */
    NFX_PROTO,        /* a: l4 protocol. */
    NFX_SPORT,        /* (j) a: low, b: high; len: protocol of the -m match that prints it (tcp, udp, sctp), 0 for nft's
                         th. */
    NFX_DPORT,        /* (j) the same. */
    NFX_MULTIPORT,    /* a: side table id; len: 0 sports, 1 dports, 2 ports. */
    NFX_TCP_FLAGS,    /* (j) a: mask, b: comp. */
    NFX_L4_MATCH,     /* a: protocol: a bare "-m tcp" without options; always true. */
    NFX_ICMP_TYPE,    /* a: type (255 any, ICMPv4), b: code low << 8 | code high. */
    NFX_CT_STATE,     /* (j) a: NfCtState bits; len 1: written as "-m state --state". [ct state new] */
    NFX_CT_STATUS,    /* (j) a: NfCtStatus bits; 0: none of them.  [ct status dnat] */
    NFX_CT_DIR,       /* (j) a: 0 original, 1 reply. */
    NFX_CT_ORIG,      /* (j) --ctorigdst and the like: a: 0 src 1 dst 2 replsrc 3 repldst; addr, len. */
    NFX_CT_ORIG_PORT, /* (j) a: side as above; b: low << 16 | high. */
    NFX_MARK,         /* (mark & b) == a. */
    NFX_CONNMARK,     /* (ct mark & b) == a. */
    NFX_STATISTIC_RANDOM, /* a: threshold of 2^31 (a draw of 31 bits below it matches); b: n if a compiler meant 1/n
                             (for printing as it would), else 0. */
    NFX_STATISTIC_NTH,    /* a: every, b: packet; its counter is state. */
    NFX_ADDRTYPE, /* a: src types << 16 | dst types (NfAddrType bits); b bit 0: --limit-iface-in, 1: -out; bits 2, 3:
                     negate src, dst. */
    NFX_SET, /* a: set id; b: dimensions, 2 bits each from the lowest: 1 src, 2 dst; len: count.  ipset or nft set named
                by -m set. */
    NFX_RECENT,        /* a: list name id; b: seconds; len: NfRecentOp bits; c: hitcount; b2: low bits of the address
                          that --mask cuts off, b3: those of the first rule with that name, which made the list. */
    NFX_LIMIT,         /* a: side table id. */
    NFX_HASHLIMIT,     /* a: side table id. */
    NFX_NFACCT,        /* a: name id; counts, always true. */
    NFX_COMMENT,       /* a: text id; always true.  Printed in place by iptables, at the end by nft. */
    NFX_PHYSDEV,       /* (j) a: name id (in, out); b 1: prefix match; len: 0 in, 1 out, 2 is-bridged, 3 is-in, 4
                          is-out. */
    NFX_PKTTYPE,       /* a: 0 unicast, 1 broadcast, 2 multicast. */
    NFX_LENGTH,        /* a: low, b: high. */
    NFX_TTL,           /* a: value, len: 0 eq, 1 lt, 2 gt; IPv6's hop limit too. */
    NFX_RPFILTER,      /* a: flags: 1 loose, 2 validmark, 4 accept-local; neg: --invert. */
    NFX_IPRANGE,       /* (j) a: side table id; len: 0 src, 1 dst. */
    NFX_OWNER,         /* (j) a: uid low, b: uid high; len: 0 uid, 1 gid, 2 --socket-exists. */
    NFX_SOCKET,        /* -m socket. a: flags: 1 transparent, 2 nowildcard, 4 restore-skmark. */
    NFX_UNKNOWN_MATCH, /* a: text id, as read ("-m time --timestart ...", "! -f"); printed verbatim.  The walk reports
                          that it depends on it. */
    /* nftables tests. */
    NFX_LOOKUP,   /* a: set id; b: key fields (NfKeyField nibbles from the lowest); len: their number. */
    NFX_FIB_TYPE, /* len: 0 saddr, 1 daddr; a: NfAddrType bit. */
    NFX_MARK_EQ0, /* nft "meta mark & a == 0" (neg: != 0). */
    /* Actions that go on. */
    NFX_SET_MARK,     /* mark = (mark & ~b) ^ a. */
    NFX_SET_CONNMARK, /* len 0 set: ctmark = (ctmark & ~b) ^ a; 1 save: ctmark = (ctmark & ~b) ^ (mark & b2); 2 restore:
                         mark = (mark & ~b2) ^ (ctmark & b). */
    NFX_SET_UPDATE,   /* a: set id; b, len: key fields: add or refresh an element of a dynamic set. */
    NFX_COUNTER,      /* nft "counter": counts here. */
    NFX_LOG,      /* len 0: LOG; a: prefix text id or NF_NO_ID; b: level (4: the default); c: flags: 1 tcp-sequence, 2
                     tcp-options, 4 ip-options, 8 uid, 32 macdecode.  len 1: another target that does nothing to a
                     packet (NFLOG, TRACE, AUDIT): a: its text as read. */
    NFX_TCPMSS,   /* a: mss, 0: clamp to PMTU. */
    NFX_CT_ZONE,  /* a: zone; len: CtZoneDirs. */
    NFX_NOTRACK,  /* len 1: written as the old "-j NOTRACK". */
    NFX_CONTINUE, /* An iptables rule without a target. */
    NFX_UNKNOWN_TARGET, /* a: text id, as read, from the target's name on ("TPROXY --on-port 15001 ..."). */
    /* Decisions. */
    NFX_ACCEPT,
    NFX_DROP,
    NFX_REJECT, /* a: RejectWith. */
    NFX_RETURN,
    NFX_JUMP, /* a: chain id. */
    NFX_GOTO, /* a: chain id. */
    NFX_DNAT, /* addr: low address (any: keep); a: low port << 16 | high (0: keep); len: NfNatFlags; c: side table id of
                 an address range or 0. */
    NFX_SNAT, /* the same. */
    NFX_MASQUERADE,  /* a: port range as above; len: NfNatFlags. */
    NFX_REDIRECT,    /* a: port range; len: NfNatFlags. */
    NFX_VMAP,        /* nft vmap: a: map id; b: key fields; len: their number.  No element: the rule goes on. */
    NFX_NUMGEN_VMAP, /* nft "numgen random mod N vmap {...}": a: first of b entries in the chain's choice table; chain
                        ids. */
    NFX_NUMGEN_DNAT, /* nft "dnat ip addr . port to numgen random mod N map {...}": a, b as above; address and port
                        entries. */
} NfOp;

/* "case NFX_STATEMENTS:" in a switch about tests: all that is none.  Without a default, the compiler tells which switch
 * forgets a new op. */
#define NFX_STATEMENTS                                                                                                 \
    NFX_SET_MARK:                                                                                                      \
    case NFX_SET_CONNMARK:                                                                                             \
    case NFX_SET_UPDATE:                                                                                               \
    case NFX_COUNTER:                                                                                                  \
    case NFX_LOG:                                                                                                      \
    case NFX_TCPMSS:                                                                                                   \
    case NFX_CT_ZONE:                                                                                                  \
    case NFX_NOTRACK:                                                                                                  \
    case NFX_CONTINUE:                                                                                                 \
    case NFX_UNKNOWN_TARGET:                                                                                           \
    case NFX_ACCEPT:                                                                                                   \
    case NFX_DROP:                                                                                                     \
    case NFX_REJECT:                                                                                                   \
    case NFX_RETURN:                                                                                                   \
    case NFX_JUMP:                                                                                                     \
    case NFX_GOTO:                                                                                                     \
    case NFX_DNAT:                                                                                                     \
    case NFX_SNAT:                                                                                                     \
    case NFX_MASQUERADE:                                                                                               \
    case NFX_REDIRECT:                                                                                                 \
    case NFX_VMAP:                                                                                                     \
    case NFX_NUMGEN_VMAP:                                                                                              \
    case NFX_NUMGEN_DNAT

enum {
    NF_CT_INVALID = 1,
    NF_CT_NEW = 2,
    NF_CT_ESTABLISHED = 4,
    NF_CT_RELATED = 8,
    NF_CT_UNTRACKED = 16,
    NF_CT_SNAT = 32,
    NF_CT_DNAT = 64
};
enum {
    NF_STATUS_EXPECTED = 1,
    NF_STATUS_SEEN_REPLY = 2,
    NF_STATUS_ASSURED = 4,
    NF_STATUS_CONFIRMED = 8,
    NF_STATUS_SNAT = 16,
    NF_STATUS_DNAT = 32
};
enum {
    NF_RECENT_SET = 1,
    NF_RECENT_RCHECK = 2,
    NF_RECENT_UPDATE = 4,
    NF_RECENT_REMOVE = 8,
    NF_RECENT_REAP = 16,
    NF_RECENT_RDEST = 32,
    NF_RECENT_RTTL = 64
};
enum { NF_NAT_RANDOM = 1, NF_NAT_RANDOM_FULLY = 2, NF_NAT_PERSISTENT = 4 };
enum {
    NF_TYPE_UNSPEC = 1,
    NF_TYPE_UNICAST = 2,
    NF_TYPE_LOCAL = 4,
    NF_TYPE_BROADCAST = 8,
    NF_TYPE_ANYCAST = 16,
    NF_TYPE_MULTICAST = 32,
    NF_TYPE_BLACKHOLE = 64,
    NF_TYPE_UNREACHABLE = 128,
    NF_TYPE_PROHIBIT = 256
};

typedef enum {
    NF_KEY_NONE,
    NF_KEY_SADDR,
    NF_KEY_DADDR,
    NF_KEY_PROTO,
    NF_KEY_SPORT,
    NF_KEY_DPORT,
    NF_KEY_IIF,
    NF_KEY_OIF,
    NF_KEY_MARK
} NfKeyField;

typedef struct {
    uint8_t op; /* NfOp. */
    uint8_t neg;
    uint8_t len;
    uint8_t c;
    uint32_t a;
    union {
        IpAddr addr;
        struct {
            uint32_t b, b2, b3, b4;
        };
    };
} NfExpr;
_Static_assert(sizeof(NfExpr) == 24, "an expression is 24 bytes");

typedef struct {
    uint32_t first; /* Of its expressions, in the chain's array. */
    uint16_t n;
    uint16_t flags;  /* Made by seal(). */
    uint32_t origin; /* Which object, field and compiler line it comes from: opaque here (0: unknown). */
} NfRule;

#endif
