/* Load: connections at a rate, or requests at a rate over connections that stay open. */

#include "model/scenario/run_private.h"

#define DEFAULT_RATE 10.0

struct Load {
    ScenarioRun *run;
    const Step *step;
    Who from;
    Where to;
    SimTime ends;
    uint64_t n;    /* Dials so far. */
    uint32_t used; /* Keep-alive connections that have done their requests and wait to be replaced. */
    SimEntity entity;
    Timer timer;
    uint32_t open; /* Keep-alive connections that live. */
};

static SimTime
gap(const Load *load)
{
    double rate = load->step->rate > 0 ? load->step->rate : DEFAULT_RATE;

    return MAX(1, (SimTime)((double)SIMTIME_SEC / rate));
}

static SimTime
keep_alive_interval(const Load *load)
{
    return gap(load) * MAX(load->step->connections, 1);
}

static void dial(Load *load);

/* A client pool replaces a connection that broke, or that the server closed, at once, and one that has done as many
 * requests as it may when the next is due.  Without such a limit a connection lives as long as the load: its last
 * request is the load's. */
static void
on_ended(Flow *flow, void *user)
{
    Load *load = user;
    Sim *sim = cluster_sim(load->run->cluster);

    load->open--;
    if (!load->step->keep_alive || sim->now >= load->ends)
        return;
    if (flow->outcome != FLOW_CONNECTED || g_strcmp0(flow->reason, TRAFFIC_REPLACED) == 0) {
        dial(load);
    } else if (load->step->requests > 0 && sim->now + keep_alive_interval(load) < load->ends) {
        load->used++;
        if (!timer_armed(sim, load->timer))
            timer_arm(sim, load->timer, sim->now + keep_alive_interval(load));
    }
}

static void
dial(Load *load)
{
    const Step *step = load->step;
    Sim *sim = cluster_sim(load->run->cluster);
    g_autofree char *name = g_strdup_printf("%s#%" G_GUINT64_FORMAT, step->name, ++load->n);
    DialParams params = {.name = name,
                         .group = step->name,
                         .from = &load->from,
                         .to = &load->to,
                         .path = step->path,
                         .method = step->method,
                         .payload = step->payload,
                         .request_bytes = step->request_bytes,
                         .timeout = step->timeout,
                         .ended = on_ended,
                         .user = load};

    if (step->keep_alive) {
        SimTime left = MAX(load->ends - sim->now, 1);
        params.pooled = true;
        params.interval = keep_alive_interval(load);
        params.requests = step->requests ? step->requests : (uint32_t)MAX(1, left / params.interval);
    }
    load->open++;
    traffic_dial(load->run->traffic, &params);
}

static void
on_tick(Sim *sim, void *owner)
{
    Load *load = owner;
    const Step *step = load->step;

    if (step->keep_alive) {
        uint32_t due = load->n == 0 ? MAX(step->connections, 1) : load->used;
        load->used = 0;
        for (uint32_t i = 0; i < due; i++)
            dial(load);
        return;
    }
    dial(load);
    if (sim->now + gap(load) < load->ends)
        timer_arm(sim, load->timer, sim->now + gap(load));
}

Load *
load_start(ScenarioRun *run, const Step *step, const Who *from, const Where *to)
{
    Load *load = g_new0(Load, 1);
    Sim *sim = cluster_sim(run->cluster);
    g_autofree char *name = g_strdup_printf("load/%s/%u", step->name, run->loads->len);

    load->run = run;
    load->step = step;
    load->from = *from;
    load->from.text = g_strdup(from->text);
    load->to = *to;
    load->to.text = g_strdup(to->text);
    load->to.dns_name = g_strdup(to->dns_name);
    load->ends = sim->now + (step->duration > 0 ? step->duration : SIMTIME_SEC);
    load->entity = sim_entity(sim, name);
    load->timer = timer_new(sim, "load.tick", &load->entity, on_tick, load);
    g_ptr_array_add(run->loads, load);
    on_tick(sim, load);
    return load;
}

void
load_free(gpointer data)
{
    Load *load = data;
    Sim *sim = cluster_sim(load->run->cluster);

    timer_free(sim, &load->timer);
    sim_entity_free(sim, load->entity);
    who_clear(&load->from);
    where_clear(&load->to);
    g_free(load);
}

bool
load_over(const Load *load)
{
    return cluster_sim(load->run->cluster)->now >= load->ends;
}

const Step *
load_step(const Load *load)
{
    return load->step;
}
