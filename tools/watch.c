#include "tools/watch.h"

#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tools/cli.h"

#define TICK_USEC   200000
#define QUIET_TICKS (1000000 / TICK_USEC)
#define MEGA        1000000u

/* Read and written by the handler: it interrupts this thread or, in a command with several, any. */
static struct {
    const char *command;
    const char *volatile what;
    const Sim *volatile sim;
    SimTime until;
    void (*volatile stop)(void);
    uint64_t limit;
    bool on_terminal;
    volatile sig_atomic_t ticks, shown, over;
} watch;

/* A line put together without stdio, which a signal handler must not call. */
typedef struct {
    char text[256];
    size_t len;
} Line;

static void
line_add(Line *line, const char *text)
{
    while (*text && line->len < sizeof line->text)
        line->text[line->len++] = *text++;
}

static void
line_add_number(Line *line, uint64_t value)
{
    char digits[24];
    size_t at = sizeof digits - 1;

    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    line_add(line, digits + at);
}

/* "12.3". */
static void
line_add_tenths(Line *line, uint64_t tenths)
{
    line_add_number(line, tenths / 10);
    line_add(line, ".");
    line_add_number(line, tenths % 10);
}

static void
line_write(const Line *line)
{
    ssize_t written = write(STDERR_FILENO, line->text, line->len);

    (void)written;
}

/* Resident bytes; 0 where /proc does not tell. */
static uint64_t
memory_in_use(void)
{
    char text[128];
    const char *p = text;
    uint64_t pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    text[MAX(n, 0)] = '\0';
    while (*p && *p != ' ')
        p++;
    while (*p == ' ')
        p++;
    while (*p >= '0' && *p <= '9')
        pages = pages * 10 + (uint64_t)(*p++ - '0');
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
show(uint64_t memory)
{
    Line line = {.len = 0};
    const Sim *sim = watch.sim;

    line_add(&line, "\r");
    line_add(&line, watch.what);
    line_add(&line, ": ");
    if (sim) {
        line_add_tenths(&line, (uint64_t)(sim->now / (SIMTIME_SEC / 10)));
        if (watch.until != SIMTIME_NEVER) {
            line_add(&line, " of ");
            line_add_tenths(&line, (uint64_t)(watch.until / (SIMTIME_SEC / 10)));
        }
        line_add(&line, " s, ");
        line_add_tenths(&line, sim->n_events / (MEGA / 10));
        line_add(&line, " M events, ");
    }
    line_add_number(&line, memory / MEGA);
    line_add(&line, " MB, ");
    line_add_tenths(&line, (uint64_t)watch.ticks * TICK_USEC / (MEGA / 10));
    line_add(&line, " s so far\033[K");
    line_write(&line);
    watch.shown = 1;
}

static void
end_for_memory(void)
{
    Line line = {.len = 0};

    line_add(&line, watch.shown ? "\r\033[Ksvcsim " : "svcsim ");
    line_add(&line, watch.command);
    line_add(&line, ": more memory is needed for ");
    line_add(&line, watch.what ? watch.what : "this");
    line_add(&line, " than the ");
    line_add_number(&line, watch.limit / MEGA);
    line_add(&line, " MB of --memory-limit\n");
    line_write(&line);
    _exit(EXIT_OURS);
}

static void
check_limit(uint64_t memory)
{
    if (!watch.limit || memory <= watch.limit || watch.over)
        return;
    if (!watch.stop)
        end_for_memory();
    watch.over = 1;
    watch.stop();
}

static void
on_tick(int signal_number)
{
    uint64_t memory = memory_in_use();

    (void)signal_number;
    watch.ticks++;
    check_limit(memory);
    if (watch.on_terminal && watch.ticks >= QUIET_TICKS && watch.what)
        show(memory);
}

static void
on_interrupt(int signal_number)
{
    (void)signal_number;
    if (watch.stop)
        watch.stop();
}

static void
set_timer(long usec)
{
    struct itimerval every = {.it_interval.tv_usec = usec, .it_value.tv_usec = usec};

    setitimer(ITIMER_REAL, &every, NULL);
}

void
watch_start(const char *command, uint64_t memory_limit)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};

    watch.command = command;
    watch.limit = memory_limit;
    watch.on_terminal = isatty(STDERR_FILENO);
    if (!watch.limit && !watch.on_terminal)
        return;
    sigaction(SIGALRM, &action, NULL);
    watch_work("reading", NULL, SIMTIME_NEVER, NULL);
    set_timer(TICK_USEC);
}

void
watch_work(const char *what, const Sim *sim, SimTime until, void (*stop)(void))
{
    if (watch.what)
        check_limit(memory_in_use());
    /* In an order that lets the handler come between. */
    watch.stop = NULL;
    watch.sim = NULL;
    watch.until = until;
    watch.what = what;
    watch.sim = sim;
    watch.stop = stop;
    if (stop) {
        signal(SIGINT, on_interrupt);
        signal(SIGTERM, on_interrupt);
    }
}

void
watch_clear_line(void)
{
    if (!watch.shown)
        return;
    watch.shown = 0;
    line_write(&(Line){.text = "\r\033[K", .len = 4});
}

void
watch_end(void)
{
    set_timer(0);
    watch_work(NULL, NULL, SIMTIME_NEVER, NULL);
    watch_clear_line();
}

bool
watch_tell_limit(void)
{
    if (watch.over)
        fprintf(stderr,
                "svcsim %s: stopped with more memory in use than the %" G_GUINT64_FORMAT " MB of --memory-limit\n",
                watch.command, watch.limit / MEGA);
    return watch.over;
}

bool
watch_parse_size(const char *text, uint64_t *ret_bytes)
{
    static const struct {
        const char *suffix;
        uint64_t factor;
    } units[] = {{"", 1},         {"K", 1000},     {"M", MEGA},    {"G", UINT64_C(1000) * MEGA},
                 {"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}};
    char *end;
    guint64 number = g_ascii_strtoull(text, &end, 10);

    if (!g_ascii_isdigit(text[0]))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
        if (strcmp(end, units[i].suffix) == 0 && number > 0 && number < G_MAXUINT64 / units[i].factor) {
            *ret_bytes = number * units[i].factor;
            return true;
        }
    }
    return false;
}
