/* The commands, in the order and under the headings in which --help lists them. */

#include "tools/cli.h"

const Command *const commands[] = {
    &command_run,
    &command_whatif,
    &command_advise,
    &command_trace,
    &command_matrix,
    &command_diff_modes,
    &command_check,
    &command_rules,
    &command_walk,
    &command_get,
    &command_describe,
    &command_iptables,
    &command_conntrack,
    &command_tcpdump,
    &command_ip,
    &command_netstat,
    NULL,
};
