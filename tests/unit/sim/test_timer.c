#include "sim/engine/timer.h"

#include "sim/engine/vec.h"
#include "tests/unit/test.h"

#define N_TIMERS 12

/* A world in which timers and plain events arm and disarm timers at random and note what fires when.  The naive twin
 * queues an event per arming and knows an arming by its number. */
typedef struct World World;
typedef struct {
    World *world;
    uint32_t index;
    Timer timer;
    uint64_t arming; /* Twin: number of the valid arming, 0: none. */
} Cell;

typedef struct {
    SimTime at;
    uint32_t who;
} Firing;

struct World {
    bool soft;
    Sim *sim;
    Rng rng;
    SimEntity entities[3];
    Cell cells[N_TIMERS];
    uint64_t n_armings;
    VEC(Firing) log;
    uint32_t budget;
};

static World *naive_world; /* Events of the twin carry cell and arming in their argument. */

static void on_naive_timer(Sim *sim, uint64_t arg);
static void on_tick(Sim *sim, uint64_t arg);
static void on_soft_timer(Sim *sim, void *owner);
static const EventType naive_timer = {.name = "test.timer", .phase = PHASE_TIMER, .fire = on_naive_timer};
static const EventType tick = {.name = "test.tick", .phase = PHASE_DELIVER, .fire = on_tick};

static void
make_timer(World *world, Cell *cell)
{
    cell->timer = timer_new(world->sim, "test", &world->entities[cell->index % 3], on_soft_timer, cell);
}

static void
arm(World *world, Cell *cell, SimTime at)
{
    SimEntity *entity = &world->entities[cell->index % 3];

    if (world->soft) {
        timer_arm(world->sim, cell->timer, at);
        T_EQ_I64(timer_deadline(world->sim, cell->timer), at);
        return;
    }
    cell->arming = ++world->n_armings;
    sim_schedule(world->sim, at, entity, &naive_timer, (uint64_t)cell->index << 32 | cell->arming);
}

static void
disarm(World *world, Cell *cell)
{
    if (world->soft) {
        timer_disarm(world->sim, cell->timer);
        T_TRUE(!timer_armed(world->sim, cell->timer));
    }
    cell->arming = 0;
}

static void
meddle(World *world)
{
    for (uint32_t n = rng_below(&world->rng, 4); n > 0; n--) {
        Cell *cell = &world->cells[rng_below(&world->rng, N_TIMERS)];
        uint32_t what = rng_below(&world->rng, 20);
        if (what == 0) {
            disarm(world, cell);
        } else if (what == 1) {
            /* The timer dies and another one takes its place. */
            disarm(world, cell);
            if (world->soft) {
                timer_free(world->sim, &cell->timer);
                T_TRUE(!timer_armed(world->sim, cell->timer));
                make_timer(world, cell);
            }
        } else {
            /* Few distinct times, so that ties are common. */
            arm(world, cell, world->sim->now + rng_below(&world->rng, what < 10 ? 4 : 40));
        }
    }
}

static void
fired(World *world, Cell *cell)
{
    vec_push(&world->log, (Firing){world->sim->now, cell->index});
    meddle(world);
}

static void
on_soft_timer(Sim *sim, void *owner)
{
    Cell *cell = owner;

    T_TRUE(!timer_armed(sim, cell->timer));
    fired(cell->world, cell);
}

static void
on_naive_timer(Sim *sim, uint64_t arg)
{
    Cell *cell = &naive_world->cells[arg >> 32];

    (void)sim;
    if (cell->arming == 0 || (uint32_t)cell->arming != (uint32_t)arg)
        return;
    cell->arming = 0;
    fired(naive_world, cell);
}

static void
on_tick(Sim *sim, uint64_t arg)
{
    World *world = (World *)(uintptr_t)arg;

    vec_push(&world->log, (Firing){sim->now, 1000});
    meddle(world);
    if (world->budget-- > 0)
        sim_schedule(sim, sim->now + rng_below(&world->rng, 6), &world->entities[0], &tick, arg);
}

static void
run_world(World *world, uint64_t seed, bool soft)
{
    *world = (World){.soft = soft, .sim = sim_new(seed), .rng = rng_stream(seed, "test", "timers"), .budget = 400};
    for (uint32_t i = 0; i < 3; i++) {
        char name[16];
        g_snprintf(name, sizeof name, "entity %u", i);
        world->entities[i] = sim_entity(world->sim, name);
    }
    for (uint32_t i = 0; i < N_TIMERS; i++) {
        world->cells[i] = (Cell){.world = world, .index = i};
        if (soft)
            make_timer(world, &world->cells[i]);
    }
    naive_world = world;
    sim_schedule(world->sim, 0, &world->entities[0], &tick, (uint64_t)(uintptr_t)world);
    T_TRUE(sim_run_until(world->sim, 100000));
    T_EQ_I64(world->sim->now, 100000);
}

static void
test_twin(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        World soft, naive;
        run_world(&soft, seed, true);
        run_world(&naive, seed, false);
        T_TRUE(soft.log.len > 400);
        T_EQ_U64(soft.log.len, naive.log.len);
        for (size_t i = 0; i < MIN(soft.log.len, naive.log.len); i++) {
            Firing a = soft.log.data[i], b = naive.log.data[i];
            if (a.at != b.at || a.who != b.who) {
                test_check(false, __LINE__, __FILE__, __func__, "seed %" PRIu64 ", firing %zu differs", seed, i);
                break;
            }
        }
        vec_clear(&soft.log);
        vec_clear(&naive.log);
        for (uint32_t i = 0; i < N_TIMERS; i++)
            timer_free(soft.sim, &soft.cells[i].timer);
        T_EQ_U64(timer_pool_in_use(soft.sim->timers), 0);
        sim_free(soft.sim);
        sim_free(naive.sim);
    }
}

static void
count(Sim *sim, void *owner)
{
    (void)sim;
    ++*(int *)owner;
}

static void
test_rearm_is_cheap(void)
{
    Sim *sim = sim_new(1);
    SimEntity entity = sim_entity(sim, "host/a");
    int fires = 0;
    Timer timer = timer_new(sim, "rto", &entity, count, &fires);

    for (SimTime t = 0; t < 1000; t++) {
        T_TRUE(sim_run_until(sim, t));
        timer_arm(sim, timer, t + 200);
        T_EQ_U64(event_queue_len(sim->queue), 1);
    }
    T_TRUE(sim_run_until(sim, 1198));
    T_EQ_I64(fires, 0);
    T_TRUE(sim_run_until(sim, 1199));
    T_EQ_I64(fires, 1);
    T_TRUE(sim->n_events < 12);
    timer_free(sim, &timer);
    timer_free(sim, &timer);
    T_EQ_I64(timer_deadline(sim, timer), SIMTIME_NEVER);
    sim_free(sim);
}

static void
test_entities_and_limits(void)
{
    Sim *sim = sim_new(1);
    GHashTable *ids = g_hash_table_new(NULL, NULL);
    SimEntity entity = {0};
    int fires = 0;
    Timer timer;

    for (int i = 0; i < 100000; i++) {
        char name[32];
        g_snprintf(name, sizeof name, "link/node-%d/eth0", i);
        entity = sim_entity(sim, name);
        T_TRUE(entity.id < 1u << 30);
        T_TRUE(g_hash_table_add(ids, GUINT_TO_POINTER(entity.id)));
    }
    g_hash_table_destroy(ids);
    sim_entity_free(sim, entity);
    T_EQ_U64(sim_entity(sim, "link/node-99999/eth0").id, entity.id);
    T_EQ_U64(sim_reserve_order(&entity, PHASE_CONTROL), UINT64_C(2) << 62 | (uint64_t)entity.id << 32);
    T_EQ_U64(sim_reserve_order(&entity, PHASE_SAMPLE), UINT64_C(3) << 62 | (uint64_t)entity.id << 32 | 1);

    timer = timer_new(sim, "t", &entity, count, &fires);
    sim->event_limit = 2;
    for (int i = 0; i < 2; i++) {
        timer_arm(sim, timer, sim->now + 1);
        T_TRUE(sim_run_until(sim, sim->now + 5));
    }
    T_TRUE(!sim->stopped);
    timer_arm(sim, timer, sim->now + 1);
    T_TRUE(!sim_run_until(sim, sim->now + 5));
    T_TRUE(sim->stopped);
    T_EQ_I64(fires, 2);
    T_EQ_I64(sim->now, 10);
    timer_free(sim, &timer);
    sim_free(sim);
}

const TestSuite suite_timer = {"sim/timer",
                               {{"soft timers fire as one event per arming would", test_twin},
                                {"arming later costs no queue operation", test_rearm_is_cheap},
                                {"entity ids are unique; the event limit stops", test_entities_and_limits}}};
