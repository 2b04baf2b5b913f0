#include "model/proxy/origin.h"

#include <glib.h>
#include <string.h>

#include "sim/engine/vec.h"

typedef struct {
    uint32_t first;
    const ServiceEntry *entry; /* Referenced. */
    /* Made on demand: of each port, its own, then those of its endpoints.  NULL: nobody has asked. */
    const char **words;
} Owner;

typedef struct {
    const char *file;
    int line;
    const char *words;
} Site;

struct Origins {
    Arena arena;
    VEC(Owner) owners; /* By 'first', ascending. */
    uint32_t next;
    Site sites[ORIGIN_N_SITES];
};

static const char *const FIELDS[ORIGIN_N_SITES] = {
#define ORIGIN_FIELD(id, field) [SITE_##id] = field,
    ORIGIN_SITES(ORIGIN_FIELD)
#undef ORIGIN_FIELD
};

Origins *
origins_new(void)
{
    Origins *origins = g_new0(Origins, 1);

    origins->next = ORIGIN_N_SITES;
    origins->arena.block_size = 256 * 1024;
    return origins;
}

void
origins_free(Origins *origins)
{
    if (!origins)
        return;
    for (size_t i = 0; i < origins->owners.len; i++)
        service_entry_unref(origins->owners.data[i].entry);
    vec_clear(&origins->owners);
    arena_clear(&origins->arena);
    g_free(origins);
}

uint32_t
origins_add_service(Origins *origins, const ServiceEntry *entry)
{
    const ProxyServicePort *ports = service_entry_ports(entry);
    uint32_t first = origins->next;

    vec_push_tight(&origins->owners, (Owner){.first = first, .entry = service_entry_ref(entry)});
    for (uint32_t i = 0; i < service_entry_n_ports(entry); i++)
        origins->next += origin_numbers(&ports[i]);
    return first;
}

uint32_t
origin_at(Origins *origins, uint32_t first, int64_t endpoint, OriginSite site, const char *file, int line)
{
    origins->sites[site].file = file;
    origins->sites[site].line = line;
    return first + (uint32_t)(endpoint + 1) * ORIGIN_N_SITES + site;
}

static Owner *
owner_of(Origins *origins, uint32_t origin)
{
    size_t low = 0, high = origins->owners.len;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (origins->owners.data[mid].first <= origin)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? &origins->owners.data[low - 1] : NULL;
}

static const char *
keep(Origins *origins, char *text)
{
    const char *kept = arena_strdup(&origins->arena, text);

    g_free(text);
    return kept;
}

static const char *
port_words(Origins *origins, const ProxyServicePort *port)
{
    return keep(origins, port->port_name[0]
                             ? g_strdup_printf("Service %s/%s port %s", port->ns, port->name, port->port_name)
                             : g_strdup_printf("Service %s/%s", port->ns, port->name));
}

static const char *
endpoint_words(Origins *origins, const ProxyEndpoint *endpoint)
{
    const Endpoint *ep = endpoint->from;
    char name[ENDPOINT_TEXT_SIZE];
    GString *text = g_string_new("endpoint ");

    g_string_append(text, endpoint_text(endpoint, name));
    if (ep->target)
        g_string_append_printf(text, " (pod %s", ep->target);
    if (ep->target && ep->node_name)
        g_string_append_printf(text, " on %s", ep->node_name);
    if (ep->target)
        g_string_append_c(text, ')');
    else if (ep->node_name)
        g_string_append_printf(text, " (on %s)", ep->node_name);
    return keep(origins, g_string_free(text, FALSE));
}

/* Words of the number that lies 'offset' behind the owner's first. */
static void
owner_words(Origins *origins, Owner *owner, uint32_t offset, OriginWords *ret_words)
{
    const ProxyServicePort *port = service_entry_ports(owner->entry);
    uint32_t n_ports = service_entry_n_ports(owner->entry), n = n_ports;
    const char **words;

    for (uint32_t i = 0; i < n_ports; i++)
        n += port[i].n_endpoints;
    if (!owner->words)
        owner->words = arena_alloc(&origins->arena, n * sizeof *owner->words);
    words = owner->words;
    while (offset >= origin_numbers(port)) {
        offset -= origin_numbers(port);
        words += 1 + port->n_endpoints;
        port++;
    }
    if (!words[0])
        words[0] = port_words(origins, port);
    ret_words->object = words[0];
    n = offset / ORIGIN_N_SITES;
    if (n > 0 && !words[n])
        words[n] = endpoint_words(origins, &port->endpoints[n - 1]);
    ret_words->detail = n > 0 ? words[n] : NULL;
}

static const char *
site_words(Origins *origins, Site *site)
{
    const char *slash;

    if (!site->file)
        return NULL;
    slash = strrchr(site->file, '/');
    if (!site->words)
        site->words = keep(origins, g_strdup_printf("%s:%d", slash ? slash + 1 : site->file, site->line));
    return site->words;
}

bool
origins_resolve(Origins *origins, uint32_t origin, OriginWords *ret_words)
{
    Owner *owner = owner_of(origins, origin);
    uint32_t offset = origin - (owner ? owner->first : 0);
    OriginSite site = offset % ORIGIN_N_SITES;

    if (origin == 0 || origin >= origins->next || site == SITE_NONE)
        return false;
    *ret_words = (OriginWords){.object = "kube-proxy"};
    if (owner)
        owner_words(origins, owner, offset, ret_words);
    ret_words->field = FIELDS[site];
    ret_words->source = site_words(origins, &origins->sites[site]);
    return true;
}
