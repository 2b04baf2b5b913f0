/* The host `lb` accepts every port of the Services whose ingress addresses it has (ipMode Proxy): TCP answers HTTP, UDP
 * and SCTP echo.  It balances nothing: it shows that a connection reached the load balancer. */

#include "model/network/cluster_private.h"

static const char lb_name[] = "lb";

static void
on_request(App *app, HttpExchange *exchange, const HttpRequest *request, void *user)
{
    static const char body[] = "{\"loadBalancer\":\"lb\"}\n";

    (void)app;
    (void)request;
    (void)user;
    http_respond(exchange, 200, "application/json", NULL, body, sizeof body - 1);
}

static void
listen_on(Host *lb, IpAddr addr, const ServicePort *port)
{
    static const HttpServerOptions options = {.request = on_request};
    SocketError error;

    /* A port that another Service of the same address has is open already. */
    if (port->proto == IPPROTO_TCP_)
        http_server_new(lb, addr, port->port, &options, NULL, &error);
    else
        echo_server_new(lb, port->proto, addr, port->port, lb_name, NULL, NULL, &error);
}

void
outside_start_apps(Cluster *c)
{
    Host *lb = NULL;
    size_t n;
    const ApiObject *const *objects = store_list(c->input->store, KIND_SERVICE, &n);

    for (guint i = 0; i < c->outside->len; i++)
        if (strcmp(host_name(c->outside->pdata[i]), lb_name) == 0)
            lb = c->outside->pdata[i];
    for (size_t i = 0; lb && i < n; i++) {
        const Service *s = (const Service *)objects[i];
        for (uint32_t j = 0; j < s->n_ingress; j++) {
            IpAddr addr;
            if (s->ingress[j].ip_mode != IPMODE_PROXY || !s->ingress[j].ip ||
                !ipaddr_parse_sloppy(s->ingress[j].ip, &addr) || !fib_is_local(host_fib(lb), addr, NULL))
                continue;
            for (uint32_t k = 0; k < s->n_ports; k++)
                listen_on(lb, addr, &s->ports[k]);
        }
    }
}
