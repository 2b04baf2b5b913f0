#include "sim/netfilter/nf_maker.h"

void
nf_maker_init(NfMaker *maker, const NfMakerOps *ops)
{
    *maker = (NfMaker){.refs = 1, .ops = ops};
}

NfMaker *
nf_maker_ref(NfMaker *maker)
{
    maker->refs++;
    return maker;
}

void
nf_maker_unref(NfMaker *maker)
{
    if (maker && --maker->refs == 0)
        maker->ops->free(maker); /* A chain holds its maker: there is none left. */
}

NfChain *
nf_maker_made(const NfMaker *maker, uint32_t chain_id)
{
    NfChain *chain;

    for (chain = maker->made; chain && chain->spec.id != chain_id; chain = chain->next_made)
        ;
    return chain;
}

NfChain *
nf_maker_chain(NfMaker *maker, uint32_t chain_id, bool keep)
{
    NfChain *chain = nf_maker_made(maker, chain_id);

    if (chain)
        return nf_chain_ref(chain);
    chain = maker->ops->make(maker, chain_id);
    g_assert(chain->spec.id == chain_id && !chain->spec.is_base);
    chain->maker = nf_maker_ref(maker);
    if (keep) {
        chain->next_made = maker->made;
        maker->made = chain;
    }
    return chain;
}

void
nf_maker_forget(NfMaker *maker, const NfChain *chain)
{
    NfChain **at;

    for (at = &maker->made; *at && *at != chain; at = &(*at)->next_made)
        ;
    if (*at)
        *at = chain->next_made;
    nf_maker_unref(maker);
}

void *
nf_chain_obj_ref(void *obj)
{
    if (nf_is_maker(obj))
        nf_maker_ref(nf_maker_of(obj));
    else
        nf_chain_ref(obj);
    return obj;
}

void
nf_chain_obj_unref(void *obj)
{
    if (nf_is_maker(obj))
        nf_maker_unref(nf_maker_of(obj));
    else
        nf_chain_unref(obj);
}

/* Of one id. */
bool
nf_chain_obj_same(const void *a, const void *b)
{
    const NfMaker *x, *y;

    if (a == b)
        return true;
    if (!a || !b)
        return false;
    x = nf_is_maker(a) ? nf_maker_of(a) : ((const NfChain *)a)->maker;
    y = nf_is_maker(b) ? nf_maker_of(b) : ((const NfChain *)b)->maker;
    return x && x == y;
}
