#include "sim/netfilter/nf_ruleset.h"

/* Expression makers */

static NfExpr
expr_prefix(NfOp op, IpPrefix prefix, bool neg)
{
    return (NfExpr){.op = op, .neg = neg, .len = prefix.len, .addr = prefix.addr};
}

NfExpr
nfx_saddr(IpPrefix prefix, bool neg)
{
    return expr_prefix(NFX_SADDR, prefix, neg);
}

NfExpr
nfx_daddr(IpPrefix prefix, bool neg)
{
    return expr_prefix(NFX_DADDR, prefix, neg);
}

NfExpr
nfx_proto(uint8_t proto)
{
    return nfx_u32(NFX_PROTO, proto, 0, 0, false);
}

NfExpr
nfx_dport(uint8_t match_proto, uint16_t low, uint16_t high)
{
    return nfx_u32(NFX_DPORT, low, high, match_proto, false);
}

NfExpr
nfx_u32(NfOp op, uint32_t a, uint32_t b, uint8_t len, bool neg)
{
    NfExpr expr = {.op = op, .neg = neg, .len = len, .a = a};

    expr.b = b;
    return expr;
}

NfExpr
nfx_comment(NfNames *names, const char *text)
{
    return nfx_u32(NFX_COMMENT, nf_text_id(names, text), 0, 0, false);
}

NfExpr
nfx_jump(uint32_t chain_id)
{
    return nfx_u32(NFX_JUMP, chain_id, 0, 0, false);
}

NfExpr
nfx_goto(uint32_t chain_id)
{
    return nfx_u32(NFX_GOTO, chain_id, 0, 0, false);
}

NfExpr
nfx_dnat(IpAddr addr, uint16_t port, uint8_t flags)
{
    return (NfExpr){.op = NFX_DNAT, .len = flags, .a = (uint32_t)port << 16 | port, .addr = addr};
}
