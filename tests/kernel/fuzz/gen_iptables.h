#ifndef TESTS_KERNEL_FUZZ_GEN_IPTABLES_H
#define TESTS_KERNEL_FUZZ_GEN_IPTABLES_H

/* One iptables rule in the making: its chain and its text so far */

#include "tests/kernel/fuzz/fuzz.h"

/* Numbers of families of chains that call each other. */
enum { ANY_HOOK, NAT_DST, NAT_SRC };

typedef struct {
    FuzzCase *c;
    Rng *rng;
    GString *text;
    const FuzzChain *chain;
    uint32_t index;
    uint8_t proto;  /* That the rule asks for, or 0. */
    bool has_ports; /* It may have its -m tcp already: another one would be merged with it. */
} Gen;

bool gen_in_table(const Gen *g, const char *table);
bool gen_at_hook(const Gen *g, NfHook hook); /* In its base chain: no other calls it. */
void gen_put(Gen *g, const char *format, ...) G_GNUC_PRINTF(2, 3);
const char *gen_neg(Gen *g); /* Sometimes "! ". */

void gen_ipt_l4(Gen *g); /* Of the rule's protocol. */
void gen_ipt_match(Gen *g);

#endif
