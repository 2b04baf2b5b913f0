/* Objects as trees, and the dispatch over kinds */

#include <string.h>

#include "model/api/api_encode.h"
#include "model/api/api_read.h"
#include "sim/packet/packet.h"

static DocNode *encode_meta(DocArena *arena, const ApiObject *object);

ApiObject *
api_decode(Diags *diags, Strings *strings, ApiKind kind, const DocNode *root)
{
    ApiReader r = {diags, strings};
    ApiObject *object = api_new(kind, "", "");
    bool ok = read_meta(&r, root, object);
    switch (kind) {
    case KIND_NAMESPACE:
        break;
    case KIND_NODE:
        ok &= node_decode(&r, root, (KubeNode *)object);
        break;
    case KIND_POD:
        ok &= pod_decode(&r, root, (Pod *)object);
        break;
    case KIND_DEPLOYMENT:
    case KIND_REPLICASET:
    case KIND_STATEFULSET:
    case KIND_DAEMONSET:
        ok &= workload_decode(&r, root, (Workload *)object);
        break;
    case KIND_SERVICE:
        ok &= service_decode(&r, root, (Service *)object);
        break;
    case KIND_ENDPOINTSLICE:
        ok &= endpointslice_decode(&r, root, (EndpointSlice *)object);
        break;
    case KIND_BUDGET:
        ok &= budget_decode(&r, root, (Budget *)object);
        break;
    case KIND_ENDPOINTS:
    case API_N_KINDS:
        g_assert_not_reached();
    }
    if (ok)
        return object;
    api_unref(object);
    return NULL;
}

DocNode *
api_encode(DocArena *arena, const ApiObject *object)
{
    DocOut out = {.arena = arena};
    DocNode *spec = NULL, *status = NULL;
    const ApiKindInfo *info = api_kind_info(object->kind);
    put_text(&out, "apiVersion", info->api_version);
    put_text(&out, "kind", info->name);
    put_node(&out, "metadata", encode_meta(arena, object));
    switch (object->kind) {
    case KIND_NODE:
        spec = node_encode(arena, (const KubeNode *)object, &status);
        break;
    case KIND_POD:
        spec = pod_encode(arena, (const Pod *)object, &status);
        break;
    case KIND_DEPLOYMENT:
    case KIND_REPLICASET:
    case KIND_STATEFULSET:
    case KIND_DAEMONSET:
        spec = workload_encode(arena, (const Workload *)object);
        break;
    case KIND_SERVICE:
        spec = service_encode(arena, (const Service *)object, &status);
        break;
    case KIND_ENDPOINTSLICE:
        endpointslice_encode(&out, (const EndpointSlice *)object);
        break;
    case KIND_BUDGET:
        spec = budget_encode(arena, (const Budget *)object);
        break;
    case KIND_NAMESPACE:
    case KIND_ENDPOINTS:
    case API_N_KINDS:
        break;
    }
    if (spec)
        put_node(&out, "spec", spec);
    if (status)
        put_node(&out, "status", status);
    return out_map(&out);
}

DocNode *
out_text(DocArena *arena, const char *text)
{
    return doc_scalar(arena, (Mark){0}, text, strlen(text), true);
}

DocNode *
out_number(DocArena *arena, int64_t value)
{
    char buf[24];
    int n = g_snprintf(buf, sizeof buf, "%" G_GINT64_FORMAT, value);
    return doc_scalar(arena, (Mark){0}, buf, (size_t)n, false);
}

DocNode *
out_map(DocOut *out)
{
    DocNode *none = NULL;
    DocNode *node =
        doc_container(out->arena, (Mark){0}, out->keys.data ? out->keys.data : &none, out->items.data, out->items.len);
    vec_clear(&out->keys);
    vec_clear(&out->items);
    return node;
}

DocNode *
out_seq(DocOut *out)
{
    DocNode *node = doc_container(out->arena, (Mark){0}, NULL, out->items.data, out->items.len);
    vec_clear(&out->items);
    return node;
}

void
put_node(DocOut *out, const char *key, DocNode *node)
{
    vec_push(&out->keys, out_text(out->arena, key));
    vec_push(&out->items, node);
}

void
put_text(DocOut *out, const char *key, const char *text)
{
    if (text)
        put_node(out, key, out_text(out->arena, text));
}

void
put_int(DocOut *out, const char *key, int64_t value)
{
    put_node(out, key, out_number(out->arena, value));
}

void
put_bool(DocOut *out, const char *key, bool value)
{
    const char *text = value ? "true" : "false";
    put_node(out, key, doc_scalar(out->arena, (Mark){0}, text, strlen(text), false));
}

void
put_labels(DocOut *out, const char *key, const Labels *labels)
{
    DocOut map = {.arena = out->arena};
    for (uint32_t i = 0; i < labels->n; i++)
        put_text(&map, labels->items[i].key, labels->items[i].value);
    if (labels->n)
        put_node(out, key, out_map(&map));
}

void
put_texts(DocOut *out, const char *key, const char *const *texts, uint32_t n)
{
    DocOut seq = {.arena = out->arena};
    for (uint32_t i = 0; i < n; i++)
        put_item(&seq, out_text(out->arena, texts[i]));
    if (n)
        put_node(out, key, out_seq(&seq));
}

void
put_item(DocOut *out, DocNode *node)
{
    vec_push(&out->items, node);
}

const char *
proto_text(uint8_t proto)
{
    return proto == IPPROTO_UDP_ ? "UDP" : proto == IPPROTO_SCTP_ ? "SCTP" : "TCP";
}

static DocNode *
encode_meta(DocArena *arena, const ApiObject *object)
{
    DocOut meta = {.arena = arena};
    put_text(&meta, "name", object->name);
    if (*object->ns)
        put_text(&meta, "namespace", object->ns);
    put_labels(&meta, "labels", &object->labels);
    put_labels(&meta, "annotations", &object->annotations);
    if (object->owner) {
        DocOut owner = {.arena = arena}, owners = {.arena = arena};
        put_text(&owner, "apiVersion", api_kind_info(object->owner_kind)->api_version);
        put_text(&owner, "kind", api_kind_info(object->owner_kind)->name);
        put_text(&owner, "name", object->owner);
        put_bool(&owner, "controller", true);
        put_item(&owners, out_map(&owner));
        put_node(&meta, "ownerReferences", out_seq(&owners));
    }
    return out_map(&meta);
}
