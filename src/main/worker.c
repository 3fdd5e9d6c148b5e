/* SPDX-License-Identifier: Apache-2.0 */
/* glint worker: jobs as they come, and on a thread of its own one round of cleaning up at once, then one
 * every reap_interval: neither waits for the other. */
#include "host/host.h"
#include "imports/imports.h"
#include "jobs/jobs.h"
#include "main/main.h"
#include "upkeep/upkeep.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct worker {
    struct host *host;
    struct jobs *jobs;
    struct arena *arena; /* of imports */
    struct import_settings imports;
    bool jobs_wait; /* looking for them failed, which was said */
    int signals;
    struct worker_row row;
    char settings[HOST_SETTINGS_MAX];
    int64_t beat_us;     /* when to renew the row, monotonic */
    int server;          /* pidfd of the web server that a detached worker ends with; -1: none */
    int64_t watchdog_us; /* how often to say so, and when next, monotonic */
    int64_t sign_us;

    pthread_t cleaner;
    bool cleaning;
    int64_t interval_us;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stop; /* under the lock */
};

/* ---- cleaning up ---- */

static void clean(struct worker *w)
{
    struct upkeep_counts n = { 0 };
    struct error e;

    if (upkeep_round(host_db(w->host), host_stores(w->host), &n, &e) < 0)
        start_say("cleaning up: ", &e);
    if (n.uploads + n.objects + n.files + n.tasks > 0)
        log_info("cleaned up: %zu interrupted uploads, %zu objects, %zu temporary files, %zu expired tasks",
                 n.uploads, n.objects, n.files, n.tasks);
}

/* Returns false when it is time to end. */
static bool pause_cleaning(struct worker *w)
{
    int64_t until = clock_mono_us() + w->interval_us;
    struct timespec at = { (time_t)(until / CLOCK_SECOND), (long)(until % CLOCK_SECOND) * 1000 };
    WITH_MUTEX(&w->lock);

    while (!w->stop && pthread_cond_clockwait(&w->stopped, &w->lock, CLOCK_MONOTONIC, &at) == 0)
        continue;
    return !w->stop;
}

static void *clean_thread(void *arg)
{
    do
        clean(arg);
    while (pause_cleaning(arg));
    return NULL;
}

static int cleaner_start(struct worker *w, struct error *e)
{
    int failed;

    w->interval_us = config_int(host_first_config(w->host), "glint", "reap_interval") * CLOCK_SECOND;
    failed = thread_start(&w->cleaner, "cleaner", THREAD_STACK, clean_thread, w);
    if (failed)
        return error_errno(e, ERROR_UNAVAILABLE, failed, "the thread that cleans up cannot be started");
    w->cleaning = true;
    return 0;
}

static void cleaner_stop(struct worker *w)
{
    if (!w->cleaning)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->stopped);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->cleaner, NULL);
}

/* ---- the row that says that this worker is at work ---- */

/* Returns ERROR_CONFLICT where another worker of this machine makes a detached one needless: any one before
 * it has its own row, later only one that is a unit of its own. */
static int give_way(const struct worker *w, struct db_conn *c, struct arena *a, struct error *e)
{
    struct worker_row *list;
    size_t n;

    if (worker_list(c, a, &list, &n, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (!str_eq(list[i].holder, lease_holder()) && lease_holder_here(list[i].holder) &&
            (!w->row.seen_us || !list[i].detached))
            return error_set(e, ERROR_CONFLICT, "another worker is at work on this machine");
    return 0;
}

struct beating {
    struct worker *worker;
    struct arena *arena;
    struct worker_row row;
};

/* Two that come at the same moment must see each other. */
static int write_row(struct db_conn *c, void *arg, struct error *e)
{
    struct beating *b = arg;

    if (b->row.detached && (db_lock(c, "workers", e) < 0 || give_way(b->worker, c, b->arena, e) < 0))
        return -1;
    return worker_beat(c, &b->row, e);
}

static int beat(struct worker *w, struct error *e)
{
    static const struct db_unit unit = { "worker.beat", write_row, db_unit_idempotent };
    CLEANUP(arena_end) struct arena *a = arena_make(2048);
    struct beating b = { w, a, w->row };

    w->beat_us = clock_mono_us() + WORKER_BEAT_SECONDS * CLOCK_SECOND;
    b.row.seen_us = clock_now_us();
    if (db_write(host_db(w->host), &unit, &b, e) < 0)
        return -1;
    w->row.seen_us = b.row.seen_us;
    return 0;
}

/* Returns false when this worker is needless. */
static bool beat_when_due(struct worker *w)
{
    struct error e;

    if (clock_mono_us() < w->beat_us || beat(w, &e) == 0)
        return true;
    if (e.kind != ERROR_CONFLICT) {
        log_debug("the worker's row is not renewed: %s %s", e.message, e.detail);
        return true;
    }
    log_info("glint worker ends: %s", e.message);
    return false;
}

static void leave(const struct worker *w)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct arena *a = arena_make(2048);
    struct error e;

    if (w->row.seen_us &&
        (db_acquire(host_db(w->host), DB_WAIT, &c, &e) < 0 || worker_leave(c, a, w->row.holder, &e) < 0))
        log_debug("the worker's row stays: %s %s", e.message, e.detail);
    arena_free(a);
}

/* ---- detached: started by a service inside a web server ---- */

/* --detached PID: the web server's process, with which this one ends. The process that the web server started
 * and waits for ends here; the worker goes on in a child of nobody's. */
static int detach(struct worker *w, const struct command_line *cl, struct error *e)
{
    const char *text = command_line_asked(cl, "detached");
    uint64_t pid;
    pid_t child;

    if (!text)
        return 0;
    if (!str_to_u64(text, INT32_MAX, &pid) || pid == 0)
        return error_set(e, ERROR_INVALID, "--detached: %s is no process", text);
    w->server = pidfd_open((pid_t)pid, 0);
    if (w->server < 0)
        return error_errno(e, ERROR_UNAVAILABLE, errno, "the web server (process %s) cannot be watched",
                           text);
    child = fork();
    if (child < 0)
        return error_errno(e, ERROR_UNAVAILABLE, errno, "no process for the worker");
    if (child > 0)
        _exit(EXIT_OK);
    w->row.detached = true;
    return 0;
}

/* ---- jobs and signals ---- */

static void look_for_jobs(struct worker *w)
{
    struct error e;
    bool failed = jobs_poll(w->jobs, &e) < 0;

    if (failed && !w->jobs_wait)
        start_say("looking for jobs: ", &e);
    w->jobs_wait = failed;
}

/* Jobs go by what the configuration was at the start. */
static void reload(struct worker *w, const struct command_line *cl)
{
    const struct conf_request rq = start_source(cl);
    struct host *next = NULL;
    struct error e;

    if (host_load_worker(&rq, &next, &e) < 0 || host_open_log(host_config(next), &e) < 0) {
        start_say("the worker's configuration stays as it was: ", &e);
        host_free(next);
        return;
    }
    host_adopt(w->host, next);
}

/* Returns false when it is time to end. */
static bool take_signals(struct worker *w, const struct command_line *cl)
{
    struct signalfd_siginfo info;
    struct error e;

    while (read(w->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGHUP:
            reload(w, cl);
            break;
        case SIGUSR1:
            if (host_open_log(host_config(w->host), &e) < 0)
                start_say("the log stays where it is: ", &e);
            break;
        default:
            return false;
        }
    }
    return true;
}

static void run(struct worker *w, const struct command_line *cl)
{
    struct pollfd fds[] = { { .fd = w->signals, .events = POLLIN }, { .fd = w->server, .events = POLLIN } };

    while (take_signals(w, cl) && beat_when_due(w)) {
        if (fds[1].revents) {
            log_info("glint worker ends: the web server that started it has ended");
            break;
        }
        look_for_jobs(w);
        if (w->watchdog_us > 0 && clock_mono_us() >= w->sign_us) {
            systemd_notify("WATCHDOG=1");
            w->sign_us = clock_mono_us() + w->watchdog_us;
        }
        jobs_wait(w->jobs, fds, COUNT(fds));
    }
}

/* ---- */

static int signals_open(struct error *e)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : error_errno(e, ERROR_INTERNAL, errno, "signals cannot be read");
}

/* Its row comes before the stores: a worker that is needless ends without a word about them. */
static int open_host(struct worker *w, const struct command_line *cl, struct error *e)
{
    const struct conf_request rq = start_source(cl);

    if (host_load_worker(&rq, &w->host, e) < 0 || host_open_log(host_config(w->host), e) < 0 ||
        host_open_database(w->host, e) < 0)
        return -1;
    host_settings_mark(host_config(w->host), w->settings);
    w->row.holder = lease_holder();
    w->row.settings = w->settings;
    w->row.started_us = clock_now_us();
    return beat(w, e) < 0 ? -1 : host_open(w->host, e);
}

static int start_jobs(struct worker *w, struct error *e)
{
    const struct config *c = host_first_config(w->host);

    w->arena = arena_make(4096);
    import_settings_read(c, w->arena, &w->imports);
    if (import_plugins_read(c, w->arena, &w->imports, e) < 0)
        return -1;
    w->imports.staging_dir = stores_staging_dir(host_stores(w->host));
    w->jobs = jobs_start(&(struct jobs_options){
        .db = host_db(w->host),
        .stores = host_stores(w->host),
        .kinds = import_job_kinds,
        .settings = &w->imports,
        .place = w->imports.hosts.name,
        .task_hours = w->imports.task_hours,
        .retries = config_int(c, "DEFAULT", "http_retries"),
        .at_once = config_int(c, "glint", "jobs_at_once"),
        .slow_max = config_int(c, "glint", "jobs_slow_max"),
        .share = config_int(c, "glint", "jobs_share"),
        .per_store = config_int(c, "glint", "jobs_per_store"),
    });
    return 0;
}

static int open_worker(struct worker *w, const struct command_line *cl, struct error *e)
{
    if ((w->signals = signals_open(e)) < 0 || open_host(w, cl, e) < 0 || start_jobs(w, e) < 0)
        return -1;
    w->watchdog_us = systemd_watchdog_us();
    return cleaner_start(w, e);
}

int worker_main(const struct command_line *cl)
{
    struct systemd_socket none[SYSTEMD_SOCKETS_MAX];
    struct worker w = {
        .signals = -1, .server = -1, .lock = PTHREAD_MUTEX_INITIALIZER, .stopped = PTHREAD_COND_INITIALIZER
    };
    int status = EXIT_OK;
    struct error e;

    start_process();
    prctl(PR_SET_NAME, "glint-worker");
    systemd_start(none);
    if (detach(&w, cl, &e) < 0 || open_worker(&w, cl, &e) < 0) {
        if (w.row.detached && e.kind == ERROR_CONFLICT)
            log_debug("glint worker ends: %s", e.message);
        else
            start_say("glint worker cannot start: ", &e);
        status = EXIT_FAILED;
    } else {
        systemd_notify("READY=1\nSTATUS=Working on jobs");
        run(&w, cl);
        systemd_notify("STOPPING=1");
    }
    jobs_stop(w.jobs);
    cleaner_stop(&w);
    leave(&w);
    host_free(w.host);
    if (w.arena)
        arena_free(w.arena);
    fd_close(&w.signals);
    fd_close(&w.server);
    return status;
}
