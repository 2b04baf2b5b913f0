#include "model/api/tolerations.h"

#include <string.h>

bool
pod_is_daemon(const Pod *pod)
{
    return pod->meta.owner && pod->meta.owner_kind == KIND_DAEMONSET;
}

/* An empty key with Exists fits every key, an absent effect every effect. */
bool
toleration_bears(const Toleration *t, const Taint *taint)
{
    if (t->effect && strcmp(t->effect, taint->effect) != 0)
        return false;
    if (*t->key && strcmp(t->key, taint->key) != 0)
        return false;
    if (t->exists)
        return true;
    return *t->key && strcmp(t->value ? t->value : "", taint->value ? taint->value : "") == 0;
}

static bool
speaks_of(const Toleration *list, uint32_t n, const char *key)
{
    for (uint32_t i = 0; i < n; i++)
        if ((!*list[i].key || strcmp(list[i].key, key) == 0) &&
            (!list[i].effect || strcmp(list[i].effect, "NoExecute") == 0))
            return true;
    return false;
}

uint32_t
tolerations_of(const PodSpec *spec, bool daemon, Toleration *ret)
{
    static const char *const conditions[] = {"node.kubernetes.io/disk-pressure", "node.kubernetes.io/memory-pressure",
                                             "node.kubernetes.io/pid-pressure", TAINT_UNSCHEDULABLE};
    static const char *const states[] = {TAINT_NOT_READY, TAINT_UNREACHABLE};
    uint32_t n = spec->n_tolerations;

    if (n > 0)
        memcpy(ret, spec->tolerations, n * sizeof *ret);
    for (size_t i = 0; daemon && i < G_N_ELEMENTS(states); i++)
        ret[n++] =
            (Toleration){.key = states[i], .effect = "NoExecute", .exists = true, .seconds = TOLERATION_FOR_EVER};
    for (size_t i = 0; daemon && i < G_N_ELEMENTS(conditions); i++)
        ret[n++] =
            (Toleration){.key = conditions[i], .effect = "NoSchedule", .exists = true, .seconds = TOLERATION_FOR_EVER};
    if (daemon && spec->host_network)
        ret[n++] = (Toleration){.key = "node.kubernetes.io/network-unavailable",
                                .effect = "NoSchedule",
                                .exists = true,
                                .seconds = TOLERATION_FOR_EVER};
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
        if (!speaks_of(ret, n, states[i]))
            ret[n++] =
                (Toleration){.key = states[i], .effect = "NoExecute", .exists = true, .seconds = TOLERATION_DEFAULT};
    return n;
}

bool
pod_bears(const PodSpec *spec, bool daemon, const Taint *taint, int64_t *ret_seconds)
{
    g_autofree Toleration *all = g_new(Toleration, spec->n_tolerations + TOLERATIONS_ADDED);
    uint32_t n = tolerations_of(spec, daemon, all);

    for (uint32_t i = 0; i < n; i++)
        if (toleration_bears(&all[i], taint)) {
            *ret_seconds = all[i].seconds;
            return true;
        }
    return false;
}
