#ifndef SIM_TRANSPORT_APP_H
#define SIM_TRANSPORT_APP_H

/* Applications on sockets: HTTP server and client, DNS server and resolver, echo; real bytes on the wire
 *
 * Servers live with their host (freed by app_free or with the host's end); a client object lives until its callback. */

#include "sim/transport/socket.h"

typedef struct App App;
/* As the death of a process: the kernel closes its sockets (FIN; RST for what was never accepted).  Not from within a
 * callback of the same App. */
void app_free(App *app);
/* Stops listening, lets connections finish: SIGTERM with graceful shutdown. */
void app_drain(App *app);
/* Connections (or requests in work) that it still holds. */
uint32_t app_active(const App *app);

typedef struct HttpExchange HttpExchange; /* One request in a server, open until answered. */

typedef struct {
    const char *method, *path, *host;
    IpAddr peer;
    uint16_t peer_port;
    const char *proxy_src; /* From a PROXY protocol header ("ip:port"), or NULL. */
    uint64_t flow;         /* Of the connection. */
    const char *(*header)(const HttpExchange *exchange, const char *name);
} HttpRequest;

typedef struct {
    /* Must call http_respond() now or later. */
    void (*request)(App *app, HttpExchange *exchange, const HttpRequest *request, void *user);
    void (*connection)(App *app, Socket *conn, bool opened, void *user); /* May be NULL. */
    bool accept_proxy;                                                   /* Expects a PROXY v1/v2 header. */
    SimTime idle_timeout;                                                /* Keep-alive; 0: none. */
    uint32_t backlog;
} HttpServerOptions;

App *http_server_new(Host *host, IpAddr addr, uint16_t port, const HttpServerOptions *options, void *user,
                     SocketError *ret_error);
/* NULL while draining or after the host went down.  For tcp_listener_pause(). */
Socket *http_server_listener(App *app);
/* Exactly once per exchange, also if the connection broke meanwhile; not after app_free().  'headers': extra lines
 * "Name: value\r\n..." or NULL.  Adds Content-Length, Date is fixed by simulated time. */
void http_respond(HttpExchange *exchange, int status, const char *content_type, const char *headers, const char *body,
                  size_t body_size);

typedef struct {
    bool ok; /* A complete response came. */
    int status;
    const char *body; /* Borrowed during the callback. */
    size_t body_size;
    const char *(*header)(const void *response, const char *name);
    const void *response;
    SocketError error; /* Why not ok. */
    bool connected;    /* The handshake had succeeded. */
    SimTime started, connected_at, ended;
    uint32_t retransmits;
    IpAddr local, remote;
    uint16_t local_port, remote_port;
} HttpResult;

typedef struct HttpClient HttpClient; /* One connection; several requests with keep-alive. */
typedef void (*HttpDone)(HttpClient *client, const HttpResult *result, void *user);

typedef struct {
    SocketOptions socket;
    const char *method;       /* NULL: GET. */
    const char *path;         /* NULL: "/". */
    const char *host;         /* Host header; NULL: the address. */
    const char *headers;      /* Extra lines or NULL. */
    uint32_t request_bytes;   /* Body of that many zero bytes; 0: none. */
    bool keep_alive;          /* The connection stays for http_client_request(). */
    SimTime timeout;          /* For the whole exchange; 0: none. */
    const char *proxy_header; /* Bytes sent before the request (PROXY protocol), or NULL. */
    size_t proxy_header_size;
} HttpClientOptions;

/* 'done' is always called exactly once per request, from the event loop.  Without keep_alive the client frees itself
 * after. */
HttpClient *http_client_get(Host *host, IpAddr to, uint16_t port, const HttpClientOptions *options, HttpDone done,
                            void *user);
void http_client_request(HttpClient *client, const char *path, HttpDone done, void *user);
/* Closes the connection; a request in work is not answered any more. */
void http_client_free(HttpClient *client);
Socket *http_client_socket(const HttpClient *client); /* NULL when there is no connection (any more). */
/* The server closed a kept connection in order, between two requests. */
bool http_client_ended(const HttpClient *client);

/* DNS */
typedef enum { DNS_NOERROR = 0, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_REFUSED = 5 } DnsRcode;
enum { DNS_TYPE_A = 1, DNS_TYPE_CNAME = 5, DNS_TYPE_PTR = 12, DNS_TYPE_AAAA = 28, DNS_TYPE_SRV = 33 };

typedef struct {
    IpAddr addrs[16];
    uint32_t n_addrs;
    uint32_t ttl;
    DnsRcode rcode;
    const char *target; /* PTR, SRV, CNAME: the name, borrowed until the lookup's caller is done; else NULL. */
    uint16_t port;      /* SRV. */
    const char *zone;   /* For the SOA of a negative answer; NULL: "cluster.local". */
} DnsAnswer;

/* Zone lookup of a server: fills the answer for (name without trailing dot, lower case; type). */
typedef void (*DnsLookup)(void *user, const char *name, uint16_t type, DnsAnswer *ret_answer);
App *dns_server_new(Host *host, IpAddr addr, uint16_t port, DnsLookup lookup, void *user,
                    SocketError *ret_error); /* UDP and TCP. */

typedef struct {
    IpAddr servers[3];
    uint32_t n_servers;
    const char *search[6]; /* Borrowed; live as long as the resolver is used. */
    uint32_t n_search;
    uint32_t ndots;    /* Default 1; 5 in pods. */
    SimTime timeout;   /* Default 5 s. */
    uint32_t attempts; /* Default 2. */
    bool single_request, single_request_reopen;
    bool want_aaaa; /* Ask A and AAAA in parallel from one socket, as glibc does. */
} ResolvConf;

typedef struct {
    DnsRcode rcode;
    bool timed_out;
    IpAddr addrs[16];
    uint32_t n_addrs;
    uint32_t n_queries; /* Sent, retries included. */
    SimTime started, ended;
    const char *name; /* The name that answered (after search-list expansion); borrowed. */
    SocketError error;
} DnsResult;
typedef void (*DnsDone)(const DnsResult *result, void *user);
/* getaddrinfo(): search list by ndots, then answer through 'done', once, from the event loop.  Copies 'conf'. */
void dns_resolve(Host *host, const ResolvConf *conf, const char *name, uint64_t flow, DnsDone done, void *user);

/* UDP and TCP echo, and SCTP: answers what it gets, with 'prefix' (the pod's name) in front if not NULL. */
App *echo_server_new(Host *host, uint8_t proto, IpAddr addr, uint16_t port, const char *prefix,
                     void (*seen)(void *user, IpAddr from, uint16_t port, uint64_t flow), void *user,
                     SocketError *ret_error);

#endif
