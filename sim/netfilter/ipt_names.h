#ifndef SIM_NETFILTER_IPT_NAMES_H
#define SIM_NETFILTER_IPT_NAMES_H

/* Names that iptables reads and prints: one table each, used in both directions
 *
 * Order in a table is the order in which iptables prints several of them (iptables 1.8.9, extensions/).           */

#include "sim/netfilter/nf_rule.h"

typedef struct {
    const char *name; /* NULL ends a table. */
    uint32_t value;
} IptName;

extern const IptName IPT_PROTOCOLS[]; /* As /etc/protocols has them: iptables asks there. */
extern const IptName IPT_CT_STATES[];
extern const IptName IPT_CT_STATUSES[];
extern const IptName IPT_ADDR_TYPES[];
extern const IptName IPT_TCP_FLAGS[];
extern const IptName IPT_PACKET_TYPES[];
extern const IptName IPT_REJECTS4[];
extern const IptName IPT_REJECTS6[];
extern const IptName IPT_LOG_LEVELS[];
extern const IptName IPT_LOG_FLAGS[];
extern const IptName IPT_HASH_MODES[];
extern const IptName IPT_CT_SIDES[]; /* "orig" + "src"...: the middle of --ctorigsrc. */

/* ICMP types by name: value is type << 16 | code low << 8 | code high. */
extern const IptName IPT_ICMP4[];
extern const IptName IPT_ICMP6[];

const char *ipt_name_of(const IptName *table, uint32_t value); /* NULL if none. */
bool ipt_value_of(const IptName *table, const char *name, uint32_t *ret_value);
/* Names of the bits set, in table order, joined by 'separator'; 'none' if no bit is set. */
void ipt_print_bits(GString *out, const IptName *table, uint32_t bits, char separator, const char *none);
/* The reverse, of a comma-separated list; letter case is ignored as iptables does. */
bool ipt_parse_bits(const IptName *table, const char *text, uint32_t *ret_bits);

/* Text as iptables-save quotes it: bare if it has letters, digits, '_' and '-' only. */
void ipt_print_quoted(GString *out, const char *text);

#endif
