#ifndef MODEL_REPORT_HOST_TEXT_H
#define MODEL_REPORT_HOST_TEXT_H

/* A host's network as `ip addr`, `ip route` (iproute2) and `netstat` (net-tools) print it */

#include "sim/net/host.h"

/* 'dev' NULL: all interfaces. */
void host_text_addr(GString *out, const Host *host, const NetDev *dev);
/* `ip route` or `ip -6 route`; 'local': `ip route show table local`. */
void host_text_route(GString *out, Host *host, IpFamily family, bool local);

typedef struct {
    bool tcp, udp; /* -t, -u; neither: all protocols. */
    bool listening, all;
} NetstatOptions;
void host_text_netstat(GString *out, Host *host, const NetstatOptions *options);

#endif
