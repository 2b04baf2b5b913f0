#ifndef SIM_TRANSPORT_SOCKET_H
#define SIM_TRANSPORT_SOCKET_H

/* Sockets of a host: TCP listeners and connections, UDP
 *
 * Event-driven: a socket calls its owner back, never from inside a call that the owner made (except where said).  All
 * callbacks may close the socket.  Demultiplexing is by hash (connections) and by port (listeners); bound wildcard
 * sockets take any local address.  SocketCallbacks are borrowed: they live as long as the socket (static const).
 * A host must not be freed from within a callback of its own sockets.  Ephemeral ports come from the host's stream,
 * like Linux's random ports. */

#include "sim/net/host.h"

typedef struct Socket Socket;

/* Reason codes of ends that are errors: stable, part of the output. */
#define SOCKET_ERRORS(X)                                                                                               \
    X(SOCK_OK, "ok", "")                                                                                               \
    X(SOCK_TIMEOUT, "timeout", "nobody answered")                                                                      \
    X(SOCK_RST, "rst", "refused or reset by a TCP reset")                                                              \
    X(SOCK_PORT_UNREACH, "icmp-port-unreachable", "ICMP port unreachable")                                             \
    X(SOCK_NET_UNREACH, "icmp-net-unreachable", "ICMP network unreachable")                                            \
    X(SOCK_HOST_UNREACH, "icmp-host-unreachable", "ICMP host unreachable")                                             \
    X(SOCK_PROTO_UNREACH, "icmp-proto-unreachable", "ICMP protocol unreachable")                                       \
    X(SOCK_PROHIBITED, "icmp-admin-prohibited", "ICMP administratively prohibited")                                    \
    X(SOCK_TTL_EXCEEDED, "ttl-exceeded", "ICMP time exceeded: a routing loop")                                         \
    X(SOCK_EPERM, "eperm", "the local send was refused by a rule (EPERM)")                                             \
    X(SOCK_ENETUNREACH, "no-route", "no route to the destination on this host")                                        \
    X(SOCK_EHOSTUNREACH, "no-neighbour", "the next hop does not answer on the link")                                   \
    X(SOCK_EMSGSIZE, "message-too-long", "larger than the path allows")                                                \
    X(SOCK_HOST_DOWN, "host-down", "the host went down")                                                               \
    X(SOCK_ADDR_IN_USE, "address-in-use", "the port is taken")                                                         \
    X(SOCK_EOF, "closed-early", "the peer closed the connection before it answered")                                   \
    X(SOCK_NO_PORTS, "no-ephemeral-port", "no ephemeral port is free")

#define SOCKET_ENUM(id, code, text) id,
typedef enum { SOCKET_ERRORS(SOCKET_ENUM) SOCK_N_ERRORS } SocketError;
#undef SOCKET_ENUM
const char *socket_error_code(SocketError error);
const char *socket_error_text(SocketError error);

typedef struct {
    /* TCP client: the handshake is done. */
    void (*connected)(Socket *s, void *user);
    /* TCP listener: a new connection is established; set its callbacks with socket_set_user(). */
    void (*accepted)(Socket *listener, Socket *conn, void *user);
    /* Bytes (TCP, in order) or one datagram (UDP; 'from' and 'from_port' valid).  'payload' is borrowed. */
    void (*received)(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user);
    /* TCP: the peer sent FIN; no more data comes. */
    void (*eof)(Socket *s, void *user);
    /* TCP: all that was queued is acknowledged. */
    void (*drained)(Socket *s, void *user);
    /* The end: after a clean close with SOCK_OK, else the error.  The socket is freed after this returns.
     * UDP: an ICMP error reports here too, but the socket lives on ('error' callback below). */
    void (*closed)(Socket *s, SocketError error, void *user);
    /* UDP: an asynchronous ICMP error. */
    void (*error)(Socket *s, SocketError error, void *user);
} SocketCallbacks;

typedef struct {
    IpAddr local;        /* Any: all addresses / chosen by the route. */
    uint16_t local_port; /* 0: ephemeral. */
    uint64_t flow;       /* Identity for reports and keyed draws; 0: made from the host's name and a counter. */
    bool keepalive;
    uint8_t tos;
    SimTime connect_timeout; /* 0: the kernel's SYN ladder decides. */
} SocketOptions;

/* NULL with *ret_error if the port is taken or none is free. */
Socket *tcp_listen(Host *host, const SocketOptions *options, uint32_t backlog, const SocketCallbacks *callbacks,
                   void *user, SocketError *ret_error);
/* The SYN leaves at once; failures of the local send come through closed(), from the event loop. */
Socket *tcp_connect(Host *host, IpAddr to, uint16_t port, const SocketOptions *options,
                    const SocketCallbacks *callbacks, void *user, SocketError *ret_error);
void tcp_send(Socket *s, PayloadBuf *buf, uint32_t offset,
              uint32_t len); /* Queues; takes its own reference. buf NULL: zeros. */
/* The owner of a listener stops taking connections (a process that is stopped or busy): they wait in the accept queue,
 * beyond the backlog SYNs are dropped.  Un-pausing calls accepted() from within. */
void tcp_listener_pause(Socket *s, bool paused);
void tcp_shutdown(Socket *s); /* FIN after what is queued; receiving goes on. */
void tcp_abort(Socket *s);    /* RST; no callback; frees. */
/* Where the host's connection stands: the next sequence number that it sends, and the next that it expects.  False if
 * there is none. */
bool tcp_position(Host *host, IpAddr local, uint16_t local_port, IpAddr remote, uint16_t remote_port,
                  uint32_t *ret_send_next, uint32_t *ret_receive_next);
void socket_close(Socket *s); /* Any kind; TCP: FIN when drained, no more callbacks; frees when over. */

Socket *udp_open(Host *host, const SocketOptions *options, const SocketCallbacks *callbacks, void *user,
                 SocketError *ret_error);
/* As udp_send(), for another flow than the socket's own: a server that answers later. */
SocketError udp_send_flow(Socket *s, IpAddr to, uint16_t port, PayloadBuf *buf, uint32_t offset, uint32_t len,
                          uint64_t flow);
/* The flow of the datagram that received() is being called with, or was last. */
uint64_t udp_received_flow(const Socket *s);
/* Connected UDP: only that peer, ICMP errors reported. */
void udp_connect(Socket *s, IpAddr to, uint16_t port);
/* SOCK_OK, or the error of the local send (SOCK_EPERM when a rule rejects it in OUTPUT). */
/* A send back to the last sender carries that datagram's flow. */
SocketError udp_send(Socket *s, IpAddr to, uint16_t port, PayloadBuf *buf, uint32_t offset, uint32_t len);

/* SCTP as far as Services carry it: INIT / INIT-ACK, echo of DATA. */
Socket *sctp_listen(Host *host, const SocketOptions *options, const SocketCallbacks *callbacks, void *user,
                    SocketError *ret_error);
Socket *sctp_connect(Host *host, IpAddr to, uint16_t port, const SocketOptions *options,
                     const SocketCallbacks *callbacks, void *user, SocketError *ret_error);

/* One DATA chunk; received() gives it to the peer's owner. */
void sctp_send(Socket *s, PayloadBuf *buf, uint32_t offset, uint32_t len);

void socket_set_user(Socket *s, const SocketCallbacks *callbacks, void *user);
void *socket_user(const Socket *s);
Host *socket_host(const Socket *s);
uint8_t socket_proto(const Socket *s);
uint64_t socket_flow(const Socket *s);
IpAddr socket_local(const Socket *s, uint16_t *ret_port);
IpAddr socket_remote(const Socket *s, uint16_t *ret_port);
const char *socket_state_name(const Socket *s); /* "ESTABLISHED", "LISTEN", ... as `ss` and netstat say. */
uint32_t socket_retransmits(const Socket *s);

/* In a stable order (listeners by port, connections by creation), for `netstat`. */
void sockets_each(Host *host, void (*each)(const Socket *s, void *user), void *user);
size_t sockets_len(const Host *host);

#endif
