#include "model/network/forward_policy.h"

static void
drop_family(NfStack *nf, IpFamily family)
{
    NfNames *names = nf_names_new();
    NfRuleset *rs = nf_ruleset_new(names, NF_DIALECT_IPTABLES, family);
    NfChainSpec forward = {.id = nf_chain_id(names, "filter", "FORWARD"),
                           .is_base = true,
                           .hook = NF_FORWARD,
                           .type = NF_TYPE_FILTER_CHAIN,
                           .priority = NF_PRI_FILTER,
                           .policy = NF_DROP,
                           .comment = NF_NO_ID};

    nf_ruleset_put_chain(rs, nf_chain_seal(nf_chain_builder_new(names, &forward)));
    nf_ruleset_seal(rs, NULL);
    nf_stack_set_ruleset(nf, family, "iptables", rs);
    nf_ruleset_unref(rs);
    nf_names_unref(names);
}

void
forward_policy_drop(NfStack *nf)
{
    drop_family(nf, FAMILY_IPV4);
    drop_family(nf, FAMILY_IPV6);
}
