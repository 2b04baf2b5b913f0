#ifndef MODEL_NETWORK_WHO_H
#define MODEL_NETWORK_WHO_H

/* WHO and WHERE: the words by which users name senders and destinations
 *
 *   WHO    pod/[ns/]NAME  node/NAME  client/NAME  deployment/[ns/]NAME (its first pod)  IP
 *   WHERE  service/[ns/]NAME[:PORT]  pod/[ns/]NAME[:PORT]  node/NAME:PORT  lb/[ns/]NAME[:PORT] (its ingress)  DNS
 * name[:PORT] IP:PORT  [IP6]:PORT; each with an optional /tcp, /udp or /sctp.  PORT is a number or a port's name.
 *
 * A Service means: from inside (pod, node) its clusterIP; from a client, its load balancer's ingress if it has one,
 * else its first external IP, else its node port on the node that is asked for (--via, default: the first node). */

#include "model/network/cluster.h"

typedef enum { WHO_POD, WHO_NODE, WHO_CLIENT, WHO_ADDR } WhoKind;

typedef struct {
    WhoKind kind;
    Host *host;
    ClusterPod *pod;
    ClusterNode *node;
    ClusterClient *client;
    IpAddr addr; /* Source address to use, or any. */
    char *text;  /* "client/laptop"; owned. */
} Who;

typedef struct {
    IpAddr addr;
    uint16_t port;
    uint8_t proto;
    char *dns_name;         /* Must be resolved first (traffic!), or NULL; owned. */
    const Service *service; /* If named by a Service; borrowed. */
    const char *door; /* Literal: "clusterIP", "loadBalancer", "externalIP", "nodePort", "pod", "node", "address". */
    char *text;       /* As the user wrote it; owned. */
} Where;

/* On failure: false and a message with the nearest names in *ret_error (caller frees). */
bool who_parse(const Cluster *cluster, const char *text, Who *ret_who, char **ret_error);
bool where_parse(const Cluster *cluster, const char *text, const Who *from, const ClusterNode *via, IpFamily prefer,
                 uint8_t default_proto, Where *ret_where, char **ret_error);
void who_clear(Who *who);
void where_clear(Where *where);
/* "ns/name" or "name" (namespace default). */
void split_ns_name(const char *text, char **ret_ns, char **ret_name);

#endif
