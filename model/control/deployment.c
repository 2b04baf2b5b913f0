/* Deployment controller: ReplicaSets that grow and shrink within maxSurge and maxUnavailable
 *
 * Source: k8s pkg/controller/deployment (rolling.go, recreate.go, util/deployment_util.go).  Each pass takes one step
 * and relies on the next change for the next. */

#include <stdlib.h>
#include <string.h>

#include "model/control/controllers_private.h"
#include "model/control/pod_make.h"
#include "model/control/pod_names.h"

#define REVISION "deployment.kubernetes.io/revision"

typedef struct {
    const Workload *rs;
    int32_t available;
} Generation;

typedef struct {
    Controllers *c;
    const Workload *deployment;
    Generation *olds; /* Oldest first. */
    guint n_olds;
    Generation current; /* rs NULL: none yet. */
    int32_t pods;       /* Sum of the ReplicaSets' replicas. */
    int32_t available;
} Rollout;

static void gather(Rollout *r);
static const Workload *make_replicaset(Rollout *r);
static void resize(Controllers *c, const Workload *rs, int32_t replicas);
static bool grow_current(Rollout *r, int32_t surge);
static void shrink_olds(Rollout *r, int32_t min_available);
static void recreate(Rollout *r);

/* Surge rounds up, unavailable down; both 0 would stand still. */
static void
resolve_limits(const Workload *d, int32_t *ret_surge, int32_t *ret_unavailable)
{
    *ret_surge = d->max_surge.percent ? (d->replicas * d->max_surge.value + 99) / 100 : d->max_surge.value;
    *ret_unavailable =
        d->max_unavailable.percent ? d->replicas * d->max_unavailable.value / 100 : d->max_unavailable.value;
    *ret_unavailable = MIN(*ret_unavailable, d->replicas);
    if (*ret_surge == 0 && *ret_unavailable == 0)
        *ret_unavailable = 1;
}

void
deployment_reconcile(Controllers *c, const Workload *deployment)
{
    Rollout r = {.c = c, .deployment = deployment};
    int32_t surge, unavailable;

    gather(&r);
    resolve_limits(deployment, &surge, &unavailable);
    if (deployment->recreate)
        recreate(&r);
    else if (!grow_current(&r, surge))
        shrink_olds(&r, deployment->replicas - unavailable);
    g_free(r.olds);
}

static int
compare_age(const void *a, const void *b)
{
    const Workload *x = ((const Generation *)a)->rs, *y = ((const Generation *)b)->rs;

    if (x->meta.created_ns != y->meta.created_ns)
        return x->meta.created_ns < y->meta.created_ns ? -1 : 1;
    return strcmp(x->meta.name, y->meta.name);
}

static int32_t
count_available(Rollout *r, const Workload *rs)
{
    Controllers *c = r->c;
    g_autoptr(GPtrArray) pods = pods_owned(c, rs->meta.ns, KIND_REPLICASET, rs->meta.name);
    int32_t n = 0;

    for (guint i = 0; i < pods->len; i++)
        n += pod_available(c, pods->pdata[i], r->deployment, WORK_DEPLOYMENT);
    return n;
}

static void
gather(Rollout *r)
{
    size_t n;
    const ApiObject *const *list = store_list(r->c->store, KIND_REPLICASET, &n);

    r->olds = g_new0(Generation, n + 1);
    for (size_t i = 0; i < n; i++) {
        const Workload *rs = (const Workload *)list[i];
        if (strcmp(rs->meta.ns, r->deployment->meta.ns) != 0 ||
            g_strcmp0(rs->meta.owner, r->deployment->meta.name) != 0)
            continue;
        Generation g = {rs, count_available(r, rs)};
        r->pods += rs->replicas;
        r->available += g.available;
        if (rs->template_hash == r->deployment->template_hash && !r->current.rs)
            r->current = g;
        else
            r->olds[r->n_olds++] = g;
    }
    qsort(r->olds, r->n_olds, sizeof *r->olds, compare_age);
}

static const Workload *
make_replicaset(Rollout *r)
{
    Controllers *c = r->c;
    const Workload *d = r->deployment;
    const char *hash = name_template_hash(c->strings, d->template_hash);
    const char *name = strings_printf(c->strings, "%s-%s", d->meta.name, hash);
    Workload *rs = replicaset_of(c->strings, d, name, hash, c->sim->now);
    int64_t revision = 0;

    for (guint i = 0; i < r->n_olds; i++) {
        const char *text = labels_get(&r->olds[i].rs->meta.annotations, REVISION);
        revision = MAX(revision, text ? g_ascii_strtoll(text, NULL, 10) : 1);
    }
    labels_set(&rs->meta.annotations, strings_add(c->strings, REVISION),
               strings_printf(c->strings, "%" G_GINT64_FORMAT, revision + 1));
    rs->replicas = 0;
    store_put(c->store, &rs->meta);
    return rs;
}

static void
resize(Controllers *c, const Workload *rs, int32_t replicas)
{
    if (rs->replicas == replicas)
        return;
    Workload *copy = (Workload *)api_copy(&rs->meta);
    cluster_story(c->cluster, "ReplicaSet %s/%s is scaled from %d to %d", rs->meta.ns, rs->meta.name, rs->replicas,
                  replicas);
    copy->replicas = replicas;
    store_put(c->store, &copy->meta);
}

/* True if it did something. */
static bool
grow_current(Rollout *r, int32_t surge)
{
    const Workload *d = r->deployment;
    const Workload *rs = r->current.rs ? r->current.rs : make_replicaset(r);
    int32_t room = d->replicas + surge - r->pods;

    if (rs->replicas > d->replicas) {
        resize(r->c, rs, d->replicas);
        return true;
    }
    if (rs->replicas == d->replicas || room <= 0)
        return false;
    resize(r->c, rs, rs->replicas + MIN(room, d->replicas - rs->replicas));
    return true;
}

/* First pods that serve nobody anyway, then as many as the available ones allow. */
static void
shrink_olds(Rollout *r, int32_t min_available)
{
    int32_t current_unavailable = r->current.rs ? r->current.rs->replicas - r->current.available : 0;
    int32_t most = r->pods - min_available - current_unavailable;
    int32_t allowed = r->available - min_available;
    g_autofree int32_t *target = g_new0(int32_t, r->n_olds + 1);

    for (guint i = 0; i < r->n_olds; i++) {
        int32_t idle = r->olds[i].rs->replicas - r->olds[i].available;
        int32_t n = MAX(0, MIN(idle, most));
        target[i] = r->olds[i].rs->replicas - n;
        most -= n;
    }
    for (guint i = 0; i < r->n_olds; i++) {
        int32_t n = MAX(0, MIN(MIN(target[i], most), allowed));
        target[i] -= n;
        most -= n;
        allowed -= n;
    }
    for (guint i = 0; i < r->n_olds; i++)
        resize(r->c, r->olds[i].rs, target[i]);
}

/* Recreate: nothing new before the last old pod is gone. */
static void
recreate(Rollout *r)
{
    Controllers *c = r->c;

    for (guint i = 0; i < r->n_olds; i++) {
        const Workload *rs = r->olds[i].rs;
        g_autoptr(GPtrArray) pods = pods_owned(c, rs->meta.ns, KIND_REPLICASET, rs->meta.name);
        if (rs->replicas == 0 && pods->len == 0)
            continue;
        for (guint k = i; k < r->n_olds; k++)
            resize(c, r->olds[k].rs, 0);
        return;
    }
    resize(c, r->current.rs ? r->current.rs : make_replicaset(r), r->deployment->replicas);
}
