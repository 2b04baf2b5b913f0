#ifndef MODEL_REPORT_STATE_FILES_H
#define MODEL_REPORT_STATE_FILES_H

/* The state that a run leaves behind: rules (with counters) and conntrack table of each node, as files */

#include "model/network/cluster.h"

/* DIR/NODE.iptables-save, .ip6tables-save or .nft, and DIR/NODE.conntrack.  False with *error. */
bool state_files_write(Cluster *cluster, const char *dir, GError **error);

/* `conntrack -L` of a host: its lines in order of creation. */
void state_conntrack_list(GString *out, const Host *host);

#endif
