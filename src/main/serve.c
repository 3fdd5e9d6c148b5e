/* SPDX-License-Identifier: Apache-2.0 */
/* glint serve: everything opened in order, then one thread that waits for signals, then everything closed.
 *
 * Signals are blocked in all threads and read here. SIGTERM or SIGINT: requests may finish for
 * shutdown_timeout; a second one ends the process at once, which crash safety makes harmless. */
#include "main/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int handled[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD };

static int signals_open(struct error *e)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    for (size_t i = 0; i < COUNT(handled); i++)
        sigaddset(&set, handled[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : error_errno(e, ERROR_INTERNAL, errno, "signals cannot be read");
}

/* The next signal, or 0 when none came within timeout_us (< 0: no limit). */
static int signals_wait(int fd, int other, int64_t timeout_us)
{
    struct pollfd fds[2] = { { .fd = fd, .events = POLLIN }, { .fd = other, .events = POLLIN } };
    struct signalfd_siginfo info;
    int64_t ms = timeout_us < 0 ? -1 : timeout_us / 1000 + 1;

    if (poll(fds, 2, ms > INT32_MAX ? INT32_MAX : (int)ms) <= 0)
        return 0;
    return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

/* ---- opening ---- */

static void collect(void *arg, const char *text)
{
    str_add(arg, text);
    str_addc(arg, '\n');
}

static void say_lines(const char *lines)
{
    while (*lines) {
        size_t n = strcspn(lines, "\n");

        log_warning("%.*s", (int)n, lines);
        lines += n + 1;
    }
}

void serve_warn(struct server *s)
{
    const struct pipeline *p = s->pipeline;

    start_warnings(s->config);
    say_lines(str_text(&s->unsupported));
    if (pipeline_has(p, FILTER_CONTEXT))
        log_warning(
            "%s: '%s' takes identities from X-User-Id, X-Project-Id and X-Roles of any client: only a "
            "trusted proxy may reach this service",
            p->source, p->name);
    if (pipeline_has(p, FILTER_GZIP))
        log_warning("%s: the filter gzip is accepted, answers are not compressed", p->source);
}

int serve_load(struct server *s, struct config **ret, struct pipeline **ret_pipeline, struct error *e)
{
    struct config *c = NULL;

    str_clear(&s->unsupported);
    if (start_config(s->cl, &c, e) < 0)
        return -1;
    if (conf_check(c, collect, &s->unsupported, e) < 0 || pipeline_load(c, ret_pipeline, e) < 0) {
        config_free(c);
        return -1;
    }
    *ret = c;
    return 0;
}

static const char *sync_command(struct server *s)
{
    char **argv = command_line_again(s->cl, "db");
    CLEANUP(str_done) struct str out = STR_INIT;

    str_add(&out, "glint db sync");
    for (char **p = argv + 2; *p; p++)
        str_addf(&out, " %s", *p);
    return arena_str(s->cl->arena, str_text(&out));
}

static int check_schema(struct server *s, struct db_conn *c, struct error *e)
{
    struct schema_info info;
    const char *where = db_describe(s->db);

    if (schema_check(c, &info, e) < 0)
        return -1;
    if (conf_is_standalone(s->config) || (info.state == SCHEMA_CURRENT && !info.own_tables))
        return schema_sync(c, e);
    if (info.state == SCHEMA_ABSENT)
        return error_set(e, ERROR_INVALID, "the database %s has no tables yet: run %s", where,
                         sync_command(s));
    if (info.state == SCHEMA_OLDER)
        return error_set(
            e, ERROR_INVALID,
            "the database %s is of an older Glance (%s): upgrade it with glance-manage of Glance "
            "2024.1 or later, then run %s",
            where, info.versions, sync_command(s));
    if (info.state == SCHEMA_NEWER_OR_UNKNOWN)
        return error_set(e, ERROR_INVALID,
                         "the database %s has a schema that this version does not know (%s)", where,
                         info.versions);
    return 0;
}

static int open_db(struct server *s, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    if (start_db(s->config, conf_is_standalone(s->config), &s->db, e) < 0) {
        if (!conf_is_standalone(s->config) && e->kind != ERROR_INVALID)
            error_detail(e, "a new database is made by %s", sync_command(s));
        return -1;
    }
    if (db_acquire(s->db, DB_WAIT, &c, e) < 0)
        return -1;
    return check_schema(s, c, e);
}

void serve_front_options(struct server *s, const struct config *c, struct http1_options *ret)
{
    int64_t workers = config_int(c, "DEFAULT", "workers");

    *ret = (struct http1_options){
        .name = "api",
        .service = api_service(s->api),
        .loops = (unsigned)workers,
        .workers_max = (unsigned)config_int(c, "glint", "workers_max"),
        .transfers_max = (unsigned)config_int(c, "glint", "transfers_max"),
        .connections_max = (unsigned)config_int(c, "glint", "connections_max"),
        .head_timeout_us = seconds_us(c, "head_timeout"),
        .idle_timeout_us = seconds_us(c, "idle_timeout"),
        .body_timeout_us = seconds_us(c, "body_timeout"),
        .body_min_rate = (unsigned)config_int(c, "glint", "body_min_rate"),
        .linger_us = seconds_us(c, "linger_timeout"),
        .tls_cert_file = config_str(c, "DEFAULT", "cert_file"),
        .tls_key_file = config_str(c, "DEFAULT", "key_file"),
        .tls_ca_file = config_str(c, "DEFAULT", "ca_file"),
        .access_log = config_bool(c, "glint", "access_log"),
    };
}

static int listen_inherited(struct server *s, bool *ret_any, struct error *e)
{
    *ret_any = false;
    for (size_t i = 0; i < s->n_inherited; i++) {
        if (str_eq(s->inherited[i].name, "metrics"))
            continue;
        if (http1_listen_fd(s->front, s->inherited[i].fd, e) < 0)
            return -1;
        *ret_any = true;
    }
    return 0;
}

static int open_front(struct server *s, struct error *e)
{
    const struct config *c = s->config;
    int backlog = (int)config_int(c, "DEFAULT", "backlog");
    const char *path = config_str(c, "glint", "bind_unix");
    struct http1_options o;
    bool inherited;

    serve_front_options(s, c, &o);
    if (http1_start(&o, &s->front, e) < 0 || listen_inherited(s, &inherited, e) < 0)
        return -1;
    if (!inherited && http1_listen_tcp(s->front, config_str(c, "DEFAULT", "bind_host"),
                                       (uint16_t)config_int(c, "DEFAULT", "bind_port"), backlog, e) < 0)
        return -1;
    if (path && *path &&
        http1_listen_unix(s->front, path, (unsigned)config_int(c, "glint", "bind_unix_mode"), backlog, e) < 0)
        return -1;
    return 0;
}

/* A port that is in use stops the start only where somebody chose it. */
static int listen_metrics(struct server *s, struct error *e)
{
    uint16_t port = (uint16_t)config_int(s->config, "glint", "metrics_port");

    for (size_t i = 0; i < s->n_inherited; i++)
        if (str_eq(s->inherited[i].name, "metrics"))
            return http1_listen_fd(s->metrics, s->inherited[i].fd, e);
    if (http1_listen_tcp(s->metrics, config_str(s->config, "glint", "metrics_host"), port, 16, e) == 0)
        return 0;
    if (config_is_set(s->config, "glint", "metrics_port"))
        return -1;
    start_say("no metrics are served: ", e);
    http1_stop(TAKE(s->metrics), 0);
    return 0;
}

static bool metrics_wanted(const struct server *s)
{
    for (size_t i = 0; i < s->n_inherited; i++)
        if (str_eq(s->inherited[i].name, "metrics"))
            return true;
    return config_int(s->config, "glint", "metrics_port") > 0;
}

static int open_metrics(struct server *s, struct error *e)
{
    struct http1_options o;

    if (!metrics_wanted(s))
        return 0;
    serve_front_options(s, s->config, &o);
    o.name = "metrics";
    o.service = api_metrics_service(s->api);
    o.loops = 1;
    o.workers_max = 2;
    o.transfers_max = 1;
    o.connections_max = 64;
    o.tls_cert_file = o.tls_key_file = o.tls_ca_file = NULL;
    o.access_log = false;
    if (http1_start(&o, &s->metrics, e) < 0)
        return -1;
    return listen_metrics(s, e);
}

/* Before there are connections: until the child has become the worker it holds copies of what is open. */
static void open_worker(struct server *s)
{
    s->supervise = config_bool(s->config, "glint", "supervise_worker");
    s->worker.argv = command_line_again(s->cl, "worker");
    if (s->supervise)
        supervised_start(&s->worker);
}

static int open_all(struct server *s, struct error *e)
{
    if (open_db(s, e) < 0)
        return -1;
    open_worker(s);
    if (stores_open(s->config, &s->stores, e) < 0)
        return -1;
    if (api_open(s->config, s->pipeline, s->db, s->stores, &s->api, e) < 0)
        return -1;
    if (open_front(s, e) < 0)
        return -1;
    return open_metrics(s, e);
}

static void close_all(struct server *s)
{
    if (s->front)
        http1_stop(s->front, 0);
    if (s->metrics)
        http1_stop(s->metrics, 0);
    api_close(s->api);
    stores_close(s->stores);
    db_close(s->db);
    pipeline_free(s->pipeline);
    config_free(s->config);
    config_free(s->first_config);
    str_done(&s->unsupported);
    if (s->signals >= 0)
        close(s->signals);
}

/* ---- running ---- */

static void reopen_log(struct server *s)
{
    struct error e;

    if (start_log(s->config, &e) < 0)
        start_say("the log stays where it is: ", &e);
    else
        log_info("the log is open again");
}

/* The wait until the next thing that is due by itself. */
static int64_t next_due(struct server *s)
{
    int64_t watchdog = systemd_watchdog_us(), worker = s->supervise ? supervised_tick(&s->worker) : -1;

    if (watchdog <= 0)
        return worker;
    systemd_notify("WATCHDOG=1");
    return worker >= 0 && worker < watchdog ? worker : watchdog;
}

static void run(struct server *s)
{
    for (;;) {
        switch (signals_wait(s->signals, -1, next_due(s))) {
        case SIGTERM:
        case SIGINT:
            return;
        case SIGHUP:
            serve_reload(s);
            supervised_signal(&s->worker, SIGHUP);
            break;
        case SIGUSR1:
            reopen_log(s);
            supervised_signal(&s->worker, SIGUSR1);
            break;
        case SIGCHLD:
            supervised_reap(&s->worker);
            break;
        default:
            break;
        }
    }
}

/* ---- stopping ---- */

static void *stop_front(void *arg)
{
    struct server *s = arg;
    uint64_t one = 1;

    s->broken_off = http1_stop(TAKE(s->front), s->grace_us);
    while (write(s->stopped, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

/* A shell and the make it runs both pass one signal on: what comes at once is the same wish. */
enum { SECOND_SIGNAL_US = 500 * 1000 };

/* http1_stop() waits for requests, so it has a thread of its own while this one listens for the second
 * signal. */
static void stop(struct server *s)
{
    pthread_t thread;
    struct pollfd done = { .events = POLLIN };
    int64_t asked_us = clock_mono_us();

    systemd_notify("STOPPING=1");
    s->grace_us = seconds_us(s->config, "shutdown_timeout");
    log_info("stopping: requests may finish for %.0f s", (double)s->grace_us / (double)CLOCK_SECOND);
    s->stopped = done.fd = eventfd(0, EFD_CLOEXEC);
    if (done.fd < 0 || thread_start(&thread, "stop", THREAD_STACK, stop_front, s) != 0)
        return;
    while (poll(&done, 1, 0) == 0) {
        int sig = signals_wait(s->signals, done.fd, next_due(s));

        if ((sig == SIGTERM || sig == SIGINT) && clock_mono_us() - asked_us > SECOND_SIGNAL_US) {
            log_warning("ended at once by a second signal");
            supervised_signal(&s->worker, SIGKILL);
            _exit(EXIT_FAILED);
        }
        if (sig == SIGCHLD)
            supervised_reap(&s->worker);
    }
    pthread_join(thread, NULL);
    close(done.fd);
    if (s->broken_off > 0)
        log_warning("%u requests were broken off", s->broken_off);
}

int serve_main(const struct command_line *cl)
{
    struct server s = { .cl = cl, .signals = -1 };
    struct error e;
    int status = EXIT_FAILED;

    start_process();
    s.n_inherited = systemd_start(s.inherited);
    if (serve_load(&s, &s.config, &s.pipeline, &e) < 0 || (s.signals = signals_open(&e)) < 0 ||
        start_log(s.config, &e) < 0) {
        fprintf(stderr, "glint: %s\n", e.message);
        goto out;
    }
    s.first_config = config_ref(s.config);
    serve_warn(&s);
    if (open_all(&s, &e) < 0) {
        start_say("glint cannot start: ", &e);
        if (config_str(s.config, "DEFAULT", "log_file"))
            fprintf(stderr, "glint: %s\n", e.message);
        goto out;
    }
    serve_greet(&s);
    systemd_notify("READY=1\nSTATUS=Serving the Images API\nMAINPID=%d", (int)getpid());
    run(&s);
    stop(&s);
    status = EXIT_OK;
out:
    supervised_stop(&s.worker);
    close_all(&s);
    if (status == EXIT_OK)
        log_info("stopped");
    return status;
}
