#ifndef MODEL_CLOUD_PROFILE_H
#define MODEL_CLOUD_PROFILE_H

/* Load balancer profiles: what distinguishes one kind of load balancer from another, as data
 *
 * A profile is scenarios/profiles/NAME.yaml, or the fields of Cluster.spec.loadBalancer in place; both may be given:
 * the fields in place win over those of the profile.  Every field has a default: the generic load balancer.  Each
 * number in our profiles carries its source and date as a comment. */

#include "model/input/loader.h"

typedef enum {
    LB_PATH_PROXY,    /* Two TCP connections. */
    LB_PATH_NAT,      /* Destination rewritten; replies come back through the load balancer. */
    LB_PATH_DSR,      /* Packets unchanged; replies go straight to the client. */
    LB_PATH_ROUTE,    /* The outside routes the address to one node (minikube tunnel). */
    LB_PATH_ANNOUNCE, /* The nodes announce the address: L2 (one node) or BGP (ECMP at the router). */
} LbPath;

typedef enum {
    LB_HASH_5_TUPLE,
    LB_HASH_3_TUPLE, /* Source, destination, protocol. */
    LB_HASH_SOURCE,
    LB_HASH_MAGLEV, /* 5-tuple; a change of targets moves only the flows of those that changed. */
    LB_HASH_ECMP,   /* 5-tuple, stateless: a change of targets moves most flows, live ones too. */
    LB_HASH_ECMP_RESILIENT,
    LB_HASH_ROUND_ROBIN,
    LB_HASH_LEAST_CONNECTIONS,
} LbHash;

/* Bits of LbProfile.protocols. */
enum { LB_CARRIES_TCP = 1, LB_CARRIES_UDP = 2, LB_CARRIES_SCTP = 4 };

typedef enum { LB_TARGETS_NODES, LB_TARGETS_PODS } LbTargetKind;
typedef enum { LB_PROXY_PROTOCOL_NONE, LB_PROXY_PROTOCOL_V1, LB_PROXY_PROTOCOL_V2 } LbProxyProtocol;
typedef enum { LB_FAIL_OPEN, LB_DROP, LB_REFUSE } LbNoTarget;
/* UDP moves under all three. */
typedef enum { LB_FLOWS_PERSIST, LB_FLOWS_RESET, LB_FLOWS_MOVE } LbUnhealthyFlows;
typedef enum { LB_IPMODE_VIP, LB_IPMODE_PROXY, LB_IPMODE_HOSTNAME } LbIpMode;
typedef enum { LB_PROBE_NONE, LB_PROBE_TCP, LB_PROBE_HTTP } LbProbeKind;

/* Ports of a probe that are not plain numbers. */
enum { LB_PORT_TRAFFIC = -1, LB_PORT_HEALTH_CHECK = -2 };

typedef struct {
    LbProbeKind kind;
    int32_t port; /* A number, or LB_PORT_*. */
    const char *path;
    SimTime interval, timeout;
    uint32_t healthy, unhealthy; /* Results in a row. */
    SimTime phase;               /* Of the first probe; -1: drawn within the interval. */
    SimTime jitter;              /* Each interval is longer or shorter by up to this. */
} LbProbe;

typedef struct {
    const char *name;
    LbPath path;
    LbHash hash;
    LbTargetKind targets;
    uint8_t protocols;  /* LB_CARRIES_*; 0: all that the data path can. */
    bool client_ip;     /* Targets see the client's address, */
    bool client_ip_udp; /* and of datagrams. */
    bool affinity;      /* A Service with sessionAffinity ClientIP is hashed by source. */
    bool weighted;      /* By ready endpoints of a node (externalTrafficPolicy Local). */
    bool forwarded_for; /* HTTP: X-Forwarded-For is added. */
    bool bgp;           /* LB_PATH_ANNOUNCE: by BGP, else L2. */
    bool idle_rst;      /* At the idle timeout: RST, else silence. */
    bool cross_zone;    /* False: only targets in the zone of the entry, if it has any. */
    bool hairpin;       /* A client that is itself the chosen target gets through. */
    LbProxyProtocol proxy_protocol;
    LbProbe probe[2]; /* externalTrafficPolicy Cluster, Local: by TrafficPolicy. */
    LbNoTarget no_target;
    LbUnhealthyFlows unhealthy_flows;
    LbIpMode ip_mode;
    const char *hostname_suffix, *lb_class;
    SimTime drain; /* Deregistration delay: live flows of a target that left go on that long. */
    SimTime idle_tcp, idle_udp;
    SimTime provision, node_sync, target_sync, deregister; /* The controller's reactions. */
    SimTime failover;      /* LB_PATH_ANNOUNCE: until others notice that a node is gone. */
    IpAddr probe_source;   /* Any: an address of its own. */
    IpPrefix vip_pools[2]; /* Where addresses come from, IPv4 and IPv6. */
    uint32_t max_flows;    /* Per target with the client's address replaced; 0: no limit. */
    Mark mark;
} LbProfile;

/* The profile that Cluster.spec.loadBalancer asks for.  False without one, or with errors in input->diags. */
bool lb_profile_load(Input *input, LbProfile *ret_profile);
void lb_profile_default(LbProfile *ret_profile);
/* Fields of 'map' over what 'profile' holds. */
void lb_profile_overlay(Diags *diags, Strings *strings, const DocNode *map, LbProfile *profile);
/* Contradictions, told at profile->mark. */
void lb_profile_check(Diags *diags, const LbProfile *profile);
/* The file of a profile; NULL if there is none.  Looked for beside 'beside' (a file), in the installed share folder and
 * in the source tree, relative to the program. */
char *lb_profile_find(const char *name, const char *beside);

/* The protocols of Services that it carries, LB_CARRIES_*. */
uint8_t lb_profile_protocols(const LbProfile *profile);
/* "TCP and UDP" */
const char *lb_protocols_text(uint8_t protocols);
const char *lb_path_name(LbPath path);
const char *lb_hash_name(LbHash hash);

#endif
