/* SPDX-License-Identifier: Apache-2.0 */
/* glint serve: everything opened in order, then one thread that waits for signals, then everything closed.
 *
 * Signals are blocked in all threads and read here. SIGTERM or SIGINT: requests may finish for
 * shutdown_timeout; a second one ends the process at once, which crash safety makes harmless. */
#include "main/serve.h"
#include "model/model.h"

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

int serve_load(const struct server *s, struct host **ret, struct error *e)
{
    struct conf_request rq = start_source(s->cl);

    /* A configuration that is gone at a reload leaves no service that trusts everybody. */
    if (s->host)
        rq.standalone = conf_is_standalone(host_first_config(s->host));
    return host_load(&rq, ret, e);
}

void serve_front_options(struct server *s, const struct config *c, struct http1_options *ret)
{
    int64_t workers = config_int(c, "DEFAULT", "workers");

    *ret = (struct http1_options){
        .name = "api",
        .service = host_service(s->host),
        .loops = (unsigned)workers,
        .workers_max = (unsigned)config_int(c, "glint", "workers_max"),
        .transfers_max = (unsigned)config_int(c, "glint", "transfers_max"),
        .connections_max = (unsigned)config_int(c, "glint", "connections_max"),
        .head_timeout_us = seconds_us(c, "head_timeout"),
        .idle_timeout_us = seconds_us(c, "idle_timeout"),
        .body_timeout_us = seconds_us(c, "body_timeout"),
        .transfer_timeout_us = seconds_us(c, "transfer_timeout"),
        .queue_timeout_us = seconds_us(c, "queue_timeout"),
        .workers_share = (unsigned)config_int(c, "glint", "workers_share"),
        .transfers_share = (unsigned)config_int(c, "glint", "transfers_share"),
        .connections_share = (unsigned)config_int(c, "glint", "connections_share"),
        .body_min_rate = (unsigned)config_int(c, "glint", "body_min_rate"),
        .linger_us = seconds_us(c, "linger_timeout"),
        .drain_us = seconds_us(c, "drain_timeout"),
        .tls_cert_file = config_str(c, "DEFAULT", "cert_file"),
        .tls_key_file = config_str(c, "DEFAULT", "key_file"),
        .tls_ca_file = config_str(c, "DEFAULT", "ca_file"),
        .access_log = config_bool(c, "glint", "access_log"),
    };
}

static int open_front(struct server *s, struct error *e)
{
    const struct config *c = host_config(s->host);
    struct http1_options o;

    serve_front_options(s, c, &o);
    return http1_start(&o, &s->front, e) < 0 ? -1 : serve_listen(s, e);
}

/* A port that is in use stops the start only where it was configured. */
static int listen_metrics(struct server *s, struct error *e)
{
    const struct config *c = host_config(s->host);
    uint16_t port = (uint16_t)config_int(c, "glint", "metrics_port");

    for (size_t i = 0; i < s->n_inherited; i++)
        if (str_eq(s->inherited[i].name, "metrics"))
            return http1_listen_fd(s->metrics, HTTP1_HTTP, s->inherited[i].fd, e);
    if (http1_listen_tcp(s->metrics, HTTP1_HTTP, config_str(c, "glint", "metrics_host"), port, 16, e) == 0)
        return 0;
    if (config_is_set(c, "glint", "metrics_port"))
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
    return config_int(host_config(s->host), "glint", "metrics_port") > 0;
}

static int open_metrics(struct server *s, struct error *e)
{
    struct http1_options o;

    if (!metrics_wanted(s))
        return 0;
    serve_front_options(s, host_config(s->host), &o);
    o.name = "metrics";
    o.service = host_metrics_service(s->host);
    o.loops = 1;
    o.workers_max = 2;
    o.transfers_max = 1;
    o.connections_max = 64;
    o.workers_share = o.transfers_share = o.connections_share = 100;
    o.tls_cert_file = o.tls_key_file = o.tls_ca_file = NULL;
    o.access_log = false;
    if (http1_start(&o, &s->metrics, e) < 0)
        return -1;
    return listen_metrics(s, e);
}

/* Before there are connections: until the child has become the worker it holds copies of what is open. */
static void open_worker(struct server *s)
{
    s->supervise = config_bool(host_config(s->host), "glint", "supervise_worker");
    s->worker.argv = command_line_again(s->cl, "worker", conf_is_standalone(host_config(s->host)));
    if (s->supervise)
        supervised_start(&s->worker);
}

static int open_all(struct server *s, struct error *e)
{
    if (host_open(s->host, e) < 0)
        return -1;
    open_worker(s);
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
    host_free(s->host);
    fd_close(&s->signals);
}

/* ---- running ---- */

static void reopen_log(struct server *s)
{
    struct error e;

    if (host_open_log(host_config(s->host), &e) < 0)
        start_say("the log stays where it is: ", &e);
    else
        log_info("the log is open again");
}

static int64_t sooner(int64_t a_us, int64_t b_us)
{
    return b_us >= 0 && (a_us < 0 || b_us < a_us) ? b_us : a_us;
}

/* Does what is due by itself. Returns the wait until the next such thing, or -1. */
static int64_t next_due(struct server *s)
{
    int64_t watchdog = systemd_watchdog_us(), wait = s->supervise ? supervised_tick(&s->worker) : -1;

    if (watchdog > 0) {
        systemd_notify("WATCHDOG=1");
        wait = sooner(wait, watchdog);
    }
    if (!s->worker.stopping) {
        host_look_for_worker(s->host);
        wait = sooner(wait, WORKER_BEAT_SECONDS * CLOCK_SECOND);
    }
    return wait;
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
    supervised_end(&s->worker);
    s->grace_us = seconds_us(host_config(s->host), "shutdown_timeout");
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
    if (serve_load(&s, &s.host, &e) < 0 || (s.signals = signals_open(&e)) < 0 ||
        host_open_log(host_config(s.host), &e) < 0) {
        fprintf(stderr, "glint: %s\n", e.message);
        goto out;
    }
    host_warn(s.host);
    host_keep_worker(s.host, false);
    if (open_all(&s, &e) < 0) {
        start_say("glint cannot start: ", &e);
        if (config_str(host_config(s.host), "DEFAULT", "log_file"))
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
