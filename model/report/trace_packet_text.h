#ifndef MODEL_REPORT_TRACE_PACKET_TEXT_H
#define MODEL_REPORT_TRACE_PACKET_TEXT_H

/* The way of single packets as text: hop by hop in detail, or rewrites and hops only */

#include "model/report/trace_tree.h"

/* Packets that open, accept, answer or refuse; the others are counted. */
void trace_print_packets(GString *out, Cluster *cluster, const TraceTree *tree, const Flow *flow);
/* The same packets, one line a hop or rewrite. */
void trace_print_hops(GString *out, Cluster *cluster, const TraceTree *tree);

#endif
