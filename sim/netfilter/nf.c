#include "sim/netfilter/nf.h"

const char *
nf_hook_name(NfHook hook, bool upper)
{
    static const char *const names[NF_N_HOOKS][2] = {
        [NF_PREROUTING] = {"prerouting", "PREROUTING"},
        [NF_INPUT] = {"input", "INPUT"},
        [NF_FORWARD] = {"forward", "FORWARD"},
        [NF_OUTPUT] = {"output", "OUTPUT"},
        [NF_POSTROUTING] = {"postrouting", "POSTROUTING"},
    };

    return names[hook][upper];
}
