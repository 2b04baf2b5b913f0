#include "sim/netfilter/ipt_names.h"

#include <string.h>

const IptName IPT_PROTOCOLS[] = {
    {"icmp", 1},      {"igmp", 2},    {"ipencap", 4},    {"tcp", 6},    {"egp", 8},    {"igp", 9},
    {"udp", 17},      {"dccp", 33},   {"ipv6", 41},      {"rsvp", 46},  {"gre", 47},   {"esp", 50},
    {"ah", 51},       {"skip", 57},   {"ipv6-icmp", 58}, {"ospf", 89},  {"ipip", 94},  {"pim", 103},
    {"ipcomp", 108},  {"vrrp", 112},  {"l2tp", 115},     {"isis", 124}, {"sctp", 132}, {"mobility-header", 135},
    {"udplite", 136}, {"icmpv6", 58}, {"mh", 135},       {NULL, 0},
};

const IptName IPT_CT_STATES[] = {
    {"INVALID", NF_CT_INVALID},     {"NEW", NF_CT_NEW},
    {"RELATED", NF_CT_RELATED},     {"ESTABLISHED", NF_CT_ESTABLISHED},
    {"UNTRACKED", NF_CT_UNTRACKED}, {"SNAT", NF_CT_SNAT},
    {"DNAT", NF_CT_DNAT},           {NULL, 0},
};

const IptName IPT_CT_STATUSES[] = {
    {"EXPECTED", NF_STATUS_EXPECTED},
    {"SEEN_REPLY", NF_STATUS_SEEN_REPLY},
    {"ASSURED", NF_STATUS_ASSURED},
    {"CONFIRMED", NF_STATUS_CONFIRMED},
    {NULL, 0},
};

const IptName IPT_ADDR_TYPES[] = {
    {"UNSPEC", NF_TYPE_UNSPEC},       {"UNICAST", NF_TYPE_UNICAST},
    {"LOCAL", NF_TYPE_LOCAL},         {"BROADCAST", NF_TYPE_BROADCAST},
    {"ANYCAST", NF_TYPE_ANYCAST},     {"MULTICAST", NF_TYPE_MULTICAST},
    {"BLACKHOLE", NF_TYPE_BLACKHOLE}, {"UNREACHABLE", NF_TYPE_UNREACHABLE},
    {"PROHIBIT", NF_TYPE_PROHIBIT},   {NULL, 0},
};

const IptName IPT_TCP_FLAGS[] = {
    {"FIN", 1}, {"SYN", 2}, {"RST", 4}, {"PSH", 8}, {"ACK", 16}, {"URG", 32}, {NULL, 0},
};

const IptName IPT_PACKET_TYPES[] = {{"unicast", 0}, {"broadcast", 1}, {"multicast", 2}, {NULL, 0}};

/* The first name of a value is printed; the others are read. */
const IptName IPT_REJECTS4[] = {
    {"icmp-port-unreachable", REJECT_PORT_UNREACH},
    {"icmp-net-unreachable", REJECT_NET_UNREACH},
    {"icmp-host-unreachable", REJECT_HOST_UNREACH},
    {"icmp-proto-unreachable", REJECT_PROTO_UNREACH},
    {"icmp-net-prohibited", REJECT_NET_PROHIBITED},
    {"icmp-host-prohibited", REJECT_HOST_PROHIBITED},
    {"icmp-admin-prohibited", REJECT_ADMIN_PROHIBITED},
    {"tcp-reset", REJECT_TCP_RESET},
    {"port-unreach", REJECT_PORT_UNREACH},
    {"net-unreach", REJECT_NET_UNREACH},
    {"host-unreach", REJECT_HOST_UNREACH},
    {"proto-unreach", REJECT_PROTO_UNREACH},
    {"net-prohib", REJECT_NET_PROHIBITED},
    {"host-prohib", REJECT_HOST_PROHIBITED},
    {"admin-prohib", REJECT_ADMIN_PROHIBITED},
    {"tcp-rst", REJECT_TCP_RESET},
    {NULL, 0},
};

const IptName IPT_REJECTS6[] = {
    {"icmp6-port-unreachable", REJECT_PORT_UNREACH},
    {"icmp6-no-route", REJECT6_NO_ROUTE},
    {"icmp6-adm-prohibited", REJECT6_ADM_PROHIBITED},
    {"icmp6-addr-unreachable", REJECT6_ADDR_UNREACH},
    {"icmp6-policy-fail", REJECT6_POLICY_FAIL},
    {"icmp6-reject-route", REJECT6_REJECT_ROUTE},
    {"tcp-reset", REJECT_TCP_RESET},
    {"port-unreach", REJECT_PORT_UNREACH},
    {"no-route", REJECT6_NO_ROUTE},
    {"adm-prohibited", REJECT6_ADM_PROHIBITED},
    {"addr-unreach", REJECT6_ADDR_UNREACH},
    {"policy-fail", REJECT6_POLICY_FAIL},
    {"reject-route", REJECT6_REJECT_ROUTE},
    {NULL, 0},
};

const IptName IPT_LOG_LEVELS[] = {
    {"emerg", 0}, {"alert", 1}, {"crit", 2},  {"error", 3}, {"warn", 4},    {"notice", 5},
    {"info", 6},  {"debug", 7}, {"panic", 0}, {"err", 3},   {"warning", 4}, {NULL, 0},
};

const IptName IPT_LOG_FLAGS[] = {
    {"tcp-sequence", 1}, {"tcp-options", 2}, {"ip-options", 4}, {"uid", 8}, {"macdecode", 32}, {NULL, 0},
};

const IptName IPT_HASH_MODES[] = {{"srcip", 1}, {"srcport", 4}, {"dstip", 2}, {"dstport", 8}, {NULL, 0}};

const IptName IPT_CT_SIDES[] = {{"origsrc", 0}, {"origdst", 1}, {"replsrc", 2}, {"repldst", 3}, {NULL, 0}};

#define ICMP(type, low, high) ((type) << 16 | (low) << 8 | (high))
#define ICMP_ANY_CODE(type)   ICMP(type, 0, 255)

const IptName IPT_ICMP4[] = {
    {"any", ICMP_ANY_CODE(255)},
    {"echo-reply", ICMP_ANY_CODE(0)},
    {"pong", ICMP_ANY_CODE(0)},
    {"destination-unreachable", ICMP_ANY_CODE(3)},
    {"network-unreachable", ICMP(3, 0, 0)},
    {"host-unreachable", ICMP(3, 1, 1)},
    {"protocol-unreachable", ICMP(3, 2, 2)},
    {"port-unreachable", ICMP(3, 3, 3)},
    {"fragmentation-needed", ICMP(3, 4, 4)},
    {"source-route-failed", ICMP(3, 5, 5)},
    {"network-unknown", ICMP(3, 6, 6)},
    {"host-unknown", ICMP(3, 7, 7)},
    {"network-prohibited", ICMP(3, 9, 9)},
    {"host-prohibited", ICMP(3, 10, 10)},
    {"TOS-network-unreachable", ICMP(3, 11, 11)},
    {"TOS-host-unreachable", ICMP(3, 12, 12)},
    {"communication-prohibited", ICMP(3, 13, 13)},
    {"host-precedence-violation", ICMP(3, 14, 14)},
    {"precedence-cutoff", ICMP(3, 15, 15)},
    {"source-quench", ICMP_ANY_CODE(4)},
    {"redirect", ICMP_ANY_CODE(5)},
    {"network-redirect", ICMP(5, 0, 0)},
    {"host-redirect", ICMP(5, 1, 1)},
    {"TOS-network-redirect", ICMP(5, 2, 2)},
    {"TOS-host-redirect", ICMP(5, 3, 3)},
    {"echo-request", ICMP_ANY_CODE(8)},
    {"ping", ICMP_ANY_CODE(8)},
    {"router-advertisement", ICMP_ANY_CODE(9)},
    {"router-solicitation", ICMP_ANY_CODE(10)},
    {"time-exceeded", ICMP_ANY_CODE(11)},
    {"ttl-exceeded", ICMP_ANY_CODE(11)},
    {"ttl-zero-during-transit", ICMP(11, 0, 0)},
    {"ttl-zero-during-reassembly", ICMP(11, 1, 1)},
    {"parameter-problem", ICMP_ANY_CODE(12)},
    {"ip-header-bad", ICMP(12, 0, 0)},
    {"required-option-missing", ICMP(12, 1, 1)},
    {"timestamp-request", ICMP_ANY_CODE(13)},
    {"timestamp-reply", ICMP_ANY_CODE(14)},
    {"address-mask-request", ICMP_ANY_CODE(17)},
    {"address-mask-reply", ICMP_ANY_CODE(18)},
    {NULL, 0},
};

const IptName IPT_ICMP6[] = {
    {"destination-unreachable", ICMP_ANY_CODE(1)},
    {"no-route", ICMP(1, 0, 0)},
    {"communication-prohibited", ICMP(1, 1, 1)},
    {"beyond-scope", ICMP(1, 2, 2)},
    {"address-unreachable", ICMP(1, 3, 3)},
    {"port-unreachable", ICMP(1, 4, 4)},
    {"failed-policy", ICMP(1, 5, 5)},
    {"reject-route", ICMP(1, 6, 6)},
    {"packet-too-big", ICMP_ANY_CODE(2)},
    {"time-exceeded", ICMP_ANY_CODE(3)},
    {"ttl-exceeded", ICMP_ANY_CODE(3)},
    {"ttl-zero-during-transit", ICMP(3, 0, 0)},
    {"ttl-zero-during-reassembly", ICMP(3, 1, 1)},
    {"parameter-problem", ICMP_ANY_CODE(4)},
    {"bad-header", ICMP(4, 0, 0)},
    {"unknown-header-type", ICMP(4, 1, 1)},
    {"unknown-option", ICMP(4, 2, 2)},
    {"echo-request", ICMP_ANY_CODE(128)},
    {"ping", ICMP_ANY_CODE(128)},
    {"echo-reply", ICMP_ANY_CODE(129)},
    {"pong", ICMP_ANY_CODE(129)},
    {"mld-listener-query", ICMP_ANY_CODE(130)},
    {"mld-listener-report", ICMP_ANY_CODE(131)},
    {"mld-listener-done", ICMP_ANY_CODE(132)},
    {"router-solicitation", ICMP_ANY_CODE(133)},
    {"router-advertisement", ICMP_ANY_CODE(134)},
    {"neighbour-solicitation", ICMP_ANY_CODE(135)},
    {"neighbor-solicitation", ICMP_ANY_CODE(135)},
    {"neighbour-advertisement", ICMP_ANY_CODE(136)},
    {"neighbor-advertisement", ICMP_ANY_CODE(136)},
    {"redirect", ICMP_ANY_CODE(137)},
    {NULL, 0},
};

const char *
ipt_name_of(const IptName *table, uint32_t value)
{
    for (; table->name; table++)
        if (table->value == value)
            return table->name;
    return NULL;
}

bool
ipt_value_of(const IptName *table, const char *name, uint32_t *ret_value)
{
    for (; table->name; table++) {
        if (g_ascii_strcasecmp(table->name, name) == 0) {
            *ret_value = table->value;
            return true;
        }
    }
    return false;
}

void
ipt_print_bits(GString *out, const IptName *table, uint32_t bits, char separator, const char *none)
{
    bool first = true;

    for (; table->name; table++) {
        if (!(bits & table->value))
            continue;
        if (!first)
            g_string_append_c(out, separator);
        g_string_append(out, table->name);
        first = false;
    }
    if (first)
        g_string_append(out, none);
}

bool
ipt_parse_bits(const IptName *table, const char *text, uint32_t *ret_bits)
{
    g_auto(GStrv) names = g_strsplit(text, ",", -1);
    uint32_t bits = 0;

    for (char **name = names; *name; name++) {
        uint32_t bit;
        if (!ipt_value_of(table, *name, &bit))
            return false;
        bits |= bit;
    }
    *ret_bits = bits;
    return names[0] != NULL;
}

void
ipt_print_quoted(GString *out, const char *text)
{
    size_t bare = strspn(text, "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    if (bare > 0 && !text[bare]) {
        g_string_append(out, text);
        return;
    }
    g_string_append_c(out, '"');
    for (; *text; text++) {
        if (strchr("\"\\'", *text))
            g_string_append_c(out, '\\');
        g_string_append_c(out, *text);
    }
    g_string_append_c(out, '"');
}
