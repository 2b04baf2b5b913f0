#ifndef SIM_TRANSPORT_SOCKET_TABLE_H
#define SIM_TRANSPORT_SOCKET_TABLE_H

/* Private to sim/transport: the sockets of one host and how packets find them
 *
 * Connected sockets (all TCP connections, connected UDP, SCTP associations) are in one hash by the full key; sockets
 * bound to a port are in another by protocol and port, chained when they differ in address.  TIME_WAIT is a small
 * record in a third (tcp_timewait.c), so that it never slows the first.
 *
 * Re-entrance: a packet that comes back while this host is inside a send (loopback, an answer of the host's own
 * rules) is queued and handled by an event of the same instant.  So nobody is called back from inside a call, and
 * the stack does not grow.
 *
 * Pins: code that calls an owner back pins the socket; a socket that dies meanwhile is freed at the last unpin. */

#include "sim/engine/htable.h"
#include "sim/engine/pool.h"
#include "sim/engine/timer.h"
#include "sim/engine/vec.h"
#include "sim/transport/socket.h"

typedef struct SocketTable SocketTable;

typedef enum { SOCKET_TCP_LISTEN, SOCKET_TCP, SOCKET_UDP, SOCKET_SCTP_LISTEN, SOCKET_SCTP } SocketKind;

/* Padding-free: hashed as bytes. */
typedef struct {
    IpAddr local, remote;
    uint16_t local_port, remote_port;
    uint8_t proto, zero[3];
} SocketKey;
_Static_assert(sizeof(SocketKey) == 40, "a hashed key has no padding");

struct Socket {
    SocketTable *table;
    const SocketCallbacks *callbacks; /* Borrowed; NULL: the owner let go. */
    void *user;
    uint64_t flow;
    Socket *prev, *next; /* In 'connected', by creation; or 'next' of the same port. */
    SocketKey key;
    uint8_t kind; /* SocketKind. */
    uint8_t tos;
    uint8_t pins;
    bool doomed; /* Dead: freed at the last unpin. */
    bool bound, hashed;
};

typedef struct {
    SimTime at;
    SocketKey key;
} TimeWaitDue;

struct SocketTable {
    Host *host;
    Sim *sim;
    HTable by_key;        /* SocketKey -> Socket *. */
    HTable by_port;       /* Port and protocol -> first Socket *. */
    HTable time_wait;     /* SocketKey -> TimeWait. */
    VEC(Socket *) bound;  /* By protocol and port, then creation. */
    Socket *first, *last; /* Connected sockets by creation. */
    size_t n_connected;
    VEC(TimeWaitDue) tw_due; /* A queue by expiry; 'tw_head' is its first. */
    size_t tw_head;
    Timer tw_timer;
    VEC(Packet *) backlog; /* Came while sending. */
    uint32_t sending;
    bool backlog_scheduled;
    bool sctp_loaded;        /* The first SCTP socket loads the module: before, its packets meet no protocol. */
    uint64_t n_flows;        /* Ids made. */
    uint32_t ports_taken[8]; /* By TCP connections, by a hash of both addresses and the port they go to. */
    Pool tcp_conns, tx_slices, rx_slices;
    uint64_t secret;  /* Of this host: initial sequence numbers and the like. */
    struct App *apps; /* Owned; a list. */
};

/* The host's table, made on first use. */
SocketTable *socket_table(Host *host);

/* Fills the common part.  'options' may be NULL. */
void socket_init(SocketTable *table, Socket *s, SocketKind kind, uint8_t proto, const SocketOptions *options,
                 const SocketCallbacks *callbacks, void *user);
/* Binds to key.local and key.local_port (0: a free ephemeral one). */
SocketError socket_bind(Socket *s);
void socket_unbind(Socket *s);
/* Chooses source address and port for key.remote where they are open, and enters the hash. */
SocketError socket_connect(Socket *s);
void socket_hash(Socket *s);
void socket_unhash(Socket *s);

Socket *socket_find(SocketTable *table, const SocketKey *key);
void port_prefetch(const SocketTable *table, uint8_t proto, uint16_t port); /* For socket_find_bound(). */
/* The socket bound to the port: exact address before wildcard. */
Socket *socket_find_bound(SocketTable *table, uint8_t proto, IpAddr local, uint16_t port);

void socket_pin(Socket *s);
void socket_unpin(Socket *s);
/* Marks dead, leaves all tables, frees now or at the last unpin. */
void socket_doom(Socket *s);
/* Calls closed() if the owner still listens, then dooms. */
void socket_end(Socket *s, SocketError error, const char *event);

/* Sends through the host; traces.  Takes the packet. */
IpSendResult socket_ip_send(SocketTable *table, Socket *s, Packet *pkt);
/* Nobody here takes it: RST, port unreachable.  Takes the packet. */
void socket_refuse(SocketTable *table, Packet *pkt);
SocketError socket_error_of_send(IpSendResult result);
SocketError socket_error_of_icmp(const Packet *pkt);
void socket_trace(Socket *s, const char *event, const char *reason);
void socket_trace_deliver(SocketTable *table, Socket *s, const Packet *pkt);
/* A packet of this host with addresses, ports, hop limit and flow filled in. */
Packet *socket_packet(SocketTable *table, const SocketKey *key, uint64_t flow);
uint64_t socket_new_flow(SocketTable *table);

/* Of the protocols, called by socket.c. */
void tcp_input(SocketTable *table, Packet *pkt);
void tcp_icmp_error(Socket *s, const Packet *pkt);
void tcp_host_gone(Socket *s);
void tcp_free(Socket *s);
void tcp_listener_dismiss(Socket *s);
const char *tcp_state_name(const Socket *s);
void tcp_close(Socket *s);
void tcp_time_wait_clear(SocketTable *table);
size_t tcp_time_wait_len(const SocketTable *table);
bool tcp_time_wait_blocks(SocketTable *table, const SocketKey *key);
void tcp_time_wait_each(SocketTable *table, void (*each)(const Socket *s, void *user), void *user);
void udp_input(SocketTable *table, Packet *pkt);
void udp_icmp_error(Socket *s, const Packet *pkt);
void sctp_input(SocketTable *table, Packet *pkt);
void sctp_icmp_error(Socket *s, const Packet *pkt);
void sctp_close(Socket *s);
void sctp_free(Socket *s);
const char *sctp_state_name(const Socket *s);

/* app.c: frees what the table owns. */
void app_table_free(SocketTable *table);

#endif
