/* SPDX-License-Identifier: Apache-2.0 */
#include "host/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "host/host.h"
#include "model/model.h"

#define FIRST_LOOK_US CLOCK_SECOND /* after the opening: a worker of its own unit starts at the same time */
#define LOOK_US       (WORKER_BEAT_SECONDS * CLOCK_SECOND)
#define LONGEST_REST  (300 * CLOCK_SECOND) /* between two starts that were in vain, and two warnings */
#define MISSING_LOOKS 2 /* so many looks in a row find no worker before that is worth a warning */

struct keeper {
    const struct conf_request *source;
    const char *program; /* the configuration's */
    struct config *config;
    bool start;
    struct db *db;
    int64_t loaded_us; /* wall clock */
    char settings[HOST_SETTINGS_MAX];
    _Atomic int64_t next_us; /* monotonic; no look before. Whoever moves it on looks */

    /* Only the one that looks. */
    unsigned missing; /* looks in a row that found none */
    int64_t rest_us;  /* until the next start or warning */
    int64_t again_us; /* monotonic */
};

struct keeper *keeper_make(const struct conf_request *source, const struct config *c, bool start)
{
    struct keeper *k = mem_new(sizeof *k);

    k->source = source;
    k->config = config_ref((struct config *)(uintptr_t)c);
    k->start = start;
    k->program = config_str(c, "glint", "worker_program");
    k->loaded_us = clock_now_us();
    host_settings_mark(c, k->settings);
    return k;
}

void keeper_attach(struct keeper *k, struct db *db)
{
    k->db = db;
    atomic_store(&k->next_us, clock_mono_us() + FIRST_LOOK_US);
}

void keeper_free(struct keeper *k)
{
    if (!k)
        return;
    config_free(k->config);
    mem_free(k);
}

/* ---- starting a worker ---- */

static bool read_comm(pid_t pid, char *ret, size_t size)
{
    char path[48];
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, ret, size - 1);
    fd_close(&fd);
    ret[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The process whose end is the server's end: web servers replace the processes that serve, so their parent
 * where it runs the same program in the same session, as masters do. */
static pid_t server_process(void)
{
    char own[64], parents[64];
    pid_t parent = getppid();

    if (read_comm(getpid(), own, sizeof own) && read_comm(parent, parents, sizeof parents) &&
        strcmp(own, parents) == 0 && getsid(parent) == getsid(0))
        return parent;
    return getpid();
}

static void push(char **argv, size_t *n, const char *option, const char *const *values)
{
    for (const char *const *v = values; v && *v; v++) {
        argv[(*n)++] = (char *)(uintptr_t)option;
        argv[(*n)++] = (char *)(uintptr_t)*v;
    }
}

static size_t count(const char *const *values)
{
    size_t n = 0;

    while (values && values[n])
        n++;
    return n;
}

static char **command(const struct keeper *k, struct arena *a)
{
    const struct conf_request *rq = k->source;
    char **argv = arena_array(a, char *, 5 + 2 * (count(rq->files) + count(rq->dirs) + count(rq->overrides)));
    size_t n = 0;

    argv[n++] = (char *)(uintptr_t)k->program;
    argv[n++] = arena_str(a, "worker");
    argv[n++] = arena_str(a, "--detached");
    argv[n++] = arena_printf(a, "%d", (int)server_process());
    push(argv, &n, "--config-file", rq->files);
    push(argv, &n, "--config-dir", rq->dirs);
    push(argv, &n, "--set", rq->overrides);
    argv[n] = NULL;
    return argv;
}

/* Nothing of the web server's goes along but standard error, which is its error log: no socket that it
 * listens on, no signal that it ignores or blocks. Returns an error number. */
static int spawn(const struct keeper *k, char **argv, pid_t *ret)
{
    posix_spawn_file_actions_t files;
    int failed;

    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    failed = process_spawn(k->program, &files, argv,
                           k->source->environment ? k->source->environment : environ, true, ret);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

/* The child forks once more and ends at once, so that the worker is no child of the web server. A server that
 * ignores SIGCHLD, or reaps every child, leaves nothing to wait for. */
static void start(struct keeper *k, struct arena *a)
{
    pid_t pid;
    int failed = spawn(k, command(k, a), &pid);

    if (failed) {
        log_error("no worker is at work on this machine, and %s cannot be started: %s; imports wait. [glint] "
                  "worker_program names another program",
                  k->program, strerror(failed));
        return;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    log_info("no worker is at work on this machine: %s worker is started", k->program);
}

/* ---- looking ---- */

static void warn(const struct keeper *k)
{
    if (k->missing >= MISSING_LOOKS)
        log_warning(
            "no worker is at work: imports and other jobs wait, and nothing is cleaned up, until "
            "glint worker runs with this configuration%s",
            config_bool(k->config, "glint", "supervise_worker") ? "" : "; [glint] supervise_worker is off");
}

/* After the first start in vain the pauses grow: what is wrong stands in the worker's log. */
static void none_is_here(struct keeper *k, struct arena *a, bool elsewhere)
{
    int64_t now = clock_mono_us();

    k->missing++;
    if (now < k->again_us || (!k->start && (elsewhere || k->missing < MISSING_LOOKS)))
        return;
    if (k->start)
        start(k, a);
    if (!elsewhere)
        warn(k);
    k->rest_us = k->rest_us == 0 ? LOOK_US / 2 : k->rest_us * 2;
    if (k->rest_us > LONGEST_REST)
        k->rest_us = LONGEST_REST;
    k->again_us = now + k->rest_us;
}

static void one_is_here(struct keeper *k)
{
    if (k->missing >= MISSING_LOOKS)
        log_info("a worker is at work again");
    k->missing = 0;
    k->rest_us = k->again_us = 0;
}

/* A detached worker goes by the configuration of the server that started it. A server that was started since
 * then, with changed files, replaces it; not the other way round, so that two servers with different files do
 * not end each other's workers in turns. */
static bool is_outdated(const struct keeper *k, const struct worker_row *w)
{
    return k->start && w->detached && w->started_us < k->loaded_us && !str_eq(w->settings, k->settings);
}

/* Returns the pause until the next look. */
static int64_t judge(struct keeper *k, struct arena *a, const struct worker_row *list, size_t n)
{
    int64_t pause = LOOK_US;
    size_t here = 0;

    for (size_t i = 0; i < n; i++) {
        pid_t pid = is_outdated(k, &list[i]) ? lease_holder_process(list[i].holder) : 0;

        here += lease_holder_here(list[i].holder);
        if (pid > 0 && kill(pid, SIGTERM) == 0) {
            log_info("the worker (process %d) has another configuration: it ends, and a new one starts",
                     (int)pid);
            pause = FIRST_LOOK_US;
        }
    }
    if (here == 0)
        none_is_here(k, a, n > 0);
    else
        one_is_here(k);
    return pause;
}

static int find(const struct keeper *k, struct arena *a, struct worker_row **ret, size_t *ret_n,
                struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    return db_acquire(k->db, DB_WAIT, &c, e) < 0 ? -1 : worker_list(c, a, ret, ret_n, e);
}

void keeper_look(void *arg)
{
    struct keeper *k = arg;
    int64_t now = clock_mono_us(), next = atomic_load(&k->next_us), pause = LOOK_US;
    struct worker_row *list;
    struct arena *a;
    struct error e;
    size_t n;

    /* INT64_MAX: no other thread looks until this look has ended. */
    if (now < next || !atomic_compare_exchange_strong(&k->next_us, &next, INT64_MAX))
        return;
    a = arena_make(2048);
    if (find(k, a, &list, &n, &e) < 0)
        log_debug("looking for workers: %s %s", e.message, e.detail);
    else
        pause = judge(k, a, list, n);
    arena_free(a);
    atomic_store(&k->next_us, clock_mono_us() + pause);
}
