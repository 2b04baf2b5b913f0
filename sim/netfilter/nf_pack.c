#include "sim/netfilter/nf_pack.h"

#include <string.h>

/* Which fields of an expression follow. */
enum {
    HAS_NEG = 1,
    HAS_LEN = 2,
    HAS_C = 4,
    HAS_A = 8,
    SAME_ADDR = 16, /* As the last address of the chain. */
    HAS_ADDR4 = 32, /* Four bytes of an IPv4 address. */
    HAS_ADDR = 64,  /* All sixteen. */
    HAS_WORDS = 128 /* A byte that says which of the four words, and these. */
};

typedef struct {
    IpAddr addr; /* The last one. */
    uint32_t origin;
} Last;

static uint8_t *
put_number(uint8_t *at, uint32_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static const uint8_t *
take_number(const uint8_t *at, uint32_t *ret_value)
{
    uint32_t shift = 0;

    *ret_value = 0;
    for (; *at & 0x80; shift += 7)
        *ret_value |= (uint32_t)(*at++ & 0x7f) << shift;
    *ret_value |= (uint32_t)*at++ << shift;
    return at;
}

/* Small differences of either sign are small numbers. */
static uint32_t
zigzag(uint32_t difference)
{
    return difference << 1 ^ (difference >> 31 ? UINT32_MAX : 0);
}

static uint32_t
unzigzag(uint32_t value)
{
    return value >> 1 ^ (value & 1 ? UINT32_MAX : 0);
}

/* Only some ops have an address; the others' words may look like one by chance, which is packed just as well. */
static uint8_t
addr_form(const NfExpr *expr, const Last *last)
{
    const uint32_t words[4] = {expr->b, expr->b2, expr->b3, expr->b4};
    uint32_t n = 0;

    for (int i = 0; i < 4; i++)
        n += words[i] != 0;
    if (n == 0)
        return 0;
    if (ipaddr_eq(expr->addr, last->addr))
        return SAME_ADDR;
    if (ipaddr_is_v4(&expr->addr))
        return HAS_ADDR4;
    return n == 4 ? HAS_ADDR : HAS_WORDS;
}

static uint8_t *
pack_expr(uint8_t *at, const NfExpr *expr, Last *last)
{
    const uint32_t words[4] = {expr->b, expr->b2, expr->b3, expr->b4};
    uint8_t form = addr_form(expr, last), *which;

    *at++ = expr->op;
    *at++ = (uint8_t)((expr->neg ? HAS_NEG : 0) | (expr->len ? HAS_LEN : 0) | (expr->c ? HAS_C : 0) |
                      (expr->a ? HAS_A : 0) | form);
    if (expr->neg)
        *at++ = expr->neg;
    if (expr->len)
        *at++ = expr->len;
    if (expr->c)
        *at++ = expr->c;
    if (expr->a)
        at = put_number(at, expr->a);
    if (form == HAS_ADDR4) {
        memcpy(at, &expr->addr.b[12], 4);
        at += 4;
    } else if (form == HAS_ADDR) {
        memcpy(at, expr->addr.b, 16);
        at += 16;
    } else if (form == HAS_WORDS) {
        which = at++;
        *which = 0;
        for (int i = 0; i < 4; i++)
            if (words[i]) {
                *which |= (uint8_t)(1 << i);
                at = put_number(at, words[i]);
            }
    }
    if (form == HAS_ADDR4 || form == HAS_ADDR)
        last->addr = expr->addr;
    return at;
}

static const uint8_t *
unpack_expr(const uint8_t *at, NfExpr *ret_expr, Last *last)
{
    uint32_t *const words[4] = {&ret_expr->b, &ret_expr->b2, &ret_expr->b3, &ret_expr->b4};
    uint8_t has, which;

    memset(ret_expr, 0, sizeof *ret_expr);
    ret_expr->op = *at++;
    has = *at++;
    if (has & HAS_NEG)
        ret_expr->neg = *at++;
    if (has & HAS_LEN)
        ret_expr->len = *at++;
    if (has & HAS_C)
        ret_expr->c = *at++;
    if (has & HAS_A)
        at = take_number(at, &ret_expr->a);
    if (has & SAME_ADDR) {
        ret_expr->addr = last->addr;
    } else if (has & HAS_ADDR4) {
        ret_expr->addr = ipaddr_v4(at[0], at[1], at[2], at[3]);
        at += 4;
    } else if (has & HAS_ADDR) {
        memcpy(ret_expr->addr.b, at, 16);
        at += 16;
    } else if (has & HAS_WORDS) {
        which = *at++;
        for (int i = 0; i < 4; i++)
            if (which & 1 << i)
                at = take_number(at, words[i]);
    }
    if (has & (HAS_ADDR4 | HAS_ADDR))
        last->addr = ret_expr->addr;
    return at;
}

size_t
nf_pack(const NfRule *rules, uint32_t n_rules, const NfExpr *exprs, uint8_t *ret)
{
    Last last = {.origin = 0};
    uint8_t *at = ret;

    for (uint32_t r = 0; r < n_rules; r++) {
        at = put_number(at, rules[r].n);
        at = put_number(at, zigzag(rules[r].origin - last.origin));
        last.origin = rules[r].origin;
        for (uint32_t i = 0; i < rules[r].n; i++)
            at = pack_expr(at, &exprs[rules[r].first + i], &last);
    }
    return (size_t)(at - ret);
}

uint32_t
nf_pack_n_exprs(const uint8_t *packed, uint32_t n_rules)
{
    Last last = {.origin = 0};
    uint32_t n = 0;
    NfExpr expr;

    for (uint32_t r = 0; r < n_rules; r++) {
        uint32_t n_of_rule, difference;
        packed = take_number(packed, &n_of_rule);
        packed = take_number(packed, &difference);
        for (uint32_t i = 0; i < n_of_rule; i++)
            packed = unpack_expr(packed, &expr, &last);
        n += n_of_rule;
    }
    return n;
}

void
nf_unpack(const uint8_t *packed, uint32_t n_rules, NfRule *ret_rules, NfExpr *ret_exprs)
{
    Last last = {.origin = 0};
    uint32_t n = 0;

    for (uint32_t r = 0; r < n_rules; r++) {
        uint32_t n_of_rule, difference;
        packed = take_number(packed, &n_of_rule);
        packed = take_number(packed, &difference);
        last.origin += unzigzag(difference);
        ret_rules[r] = (NfRule){.first = n, .n = (uint16_t)n_of_rule, .origin = last.origin};
        for (uint32_t i = 0; i < n_of_rule; i++)
            packed = unpack_expr(packed, &ret_exprs[n++], &last);
    }
}
