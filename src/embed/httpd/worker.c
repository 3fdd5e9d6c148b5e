/* SPDX-License-Identifier: Apache-2.0 */
/* `glint worker` as a child of httpd's parent, as mod_cgid keeps its daemon: started with the configuration,
 * started again when it ends, told to end with the configuration. Of a graceful restart the old one finishes
 * what it does while the new one, with the new configuration and the new ErrorLog, is already there; leases
 * keep them apart. */
#include "embed/httpd/mod_glint.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <linux/close_range.h>

#include <ap_mpm.h>
#include <apr_thread_proc.h>
#include <http_connection.h>
#include <mpm_common.h>
#include <unixd.h>

#define STEADY                                                                                               \
    (5 * CLOCK_SECOND) /* one that ran so long is restarted at once, others with httpd's next round */

struct worker {
    struct service *service;
    const char *const *argv;
    apr_proc_t proc; /* pid 0: it does not run */
    int64_t started_us;
    bool due;
};

static apr_array_header_t *workers; /* struct worker */
static apr_pool_t *pool;
static server_rec *base_server;

/* ---- the child ---- */

/* Standard error is ErrorLog. Without exec() nothing of httpd's may run at this process's end. */
static void become_worker(const char *const *argv, pid_t parent)
{
    if (geteuid() == 0)
        (void)ap_run_drop_privileges(pool, base_server);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a change of user would have undone it */
    if (getppid() != parent)
        _Exit(0);
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _Exit(127);
}

/* ---- the parent ---- */

static void worker_start(struct worker *w);

static bool stopping(void)
{
    int state;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) != APR_SUCCESS || state == AP_MPMQ_STOPPING;
}

/* The MPM, which reaps, hands over a bare number, be it of an exit or of a signal; APR itself what waitpid()
 * said. The worker exits with 0, 1 or 2, and takes the signals of these numbers as orders. */
static bool by_signal(apr_wait_t status, int *ret_number)
{
    *ret_number = status > UINT8_MAX ? WEXITSTATUS(status) : status & 0x7f;
    return status > 2 && status <= UINT8_MAX;
}

static void worker_ended(struct worker *w, apr_wait_t status)
{
    pid_t pid = w->proc.pid;
    int number;
    const char *what = by_signal(status, &number) ? "signal" : "status";

    w->proc.pid = 0;
    apr_proc_other_child_unregister(w);
    if (stopping())
        return;
    ap_log_error(APLOG_MARK, status == 0 ? APLOG_INFO : APLOG_ERR, 0, w->service->server,
                 "%s: glint worker (process %d) ended with %s %d", w->service->where, (int)pid, what, number);
    if (clock_mono_us() - w->started_us >= STEADY)
        worker_start(w);
    else
        w->due = true;
}

static void maintain(int reason, void *data, apr_wait_t status)
{
    struct worker *w = data;

    switch (reason) {
    case APR_OC_REASON_DEATH:
    case APR_OC_REASON_LOST:
        worker_ended(w, status);
        break;
    case APR_OC_REASON_RESTART:
        apr_proc_other_child_unregister(w);
        break;
    case APR_OC_REASON_UNREGISTER:
        if (w->proc.pid > 0)
            kill(w->proc.pid, SIGTERM);
        break;
    default:
        break;
    }
}

static void worker_start(struct worker *w)
{
    pid_t parent = getpid();

    w->due = false;
    w->started_us = clock_mono_us();
    switch (apr_proc_fork(&w->proc, pool)) {
    case APR_INCHILD:
        become_worker(w->argv, parent);
        break;
    case APR_INPARENT:
        apr_proc_other_child_register(&w->proc, maintain, w, NULL, pool);
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, w->service->server, "%s: glint worker runs as process %d",
                     w->service->where, (int)w->proc.pid);
        break;
    default:
        ap_log_error(APLOG_MARK, APLOG_ERR, errno, w->service->server,
                     "%s: glint worker could not be started", w->service->where);
        w->proc.pid = 0;
        w->due = true;
    }
}

static void push_options(apr_array_header_t *argv, const char *option, const char *const *values)
{
    for (; *values; values++) {
        APR_ARRAY_PUSH(argv, const char *) = option;
        APR_ARRAY_PUSH(argv, const char *) = *values;
    }
}

static const char *const *command(const char *program, const struct service *s, apr_pool_t *p)
{
    apr_array_header_t *argv = apr_array_make(p, 8, sizeof(char *));

    APR_ARRAY_PUSH(argv, const char *) = program;
    APR_ARRAY_PUSH(argv, const char *) = "worker";
    push_options(argv, "--config-file", s->files);
    push_options(argv, "--config-dir", s->dirs);
    push_options(argv, "--set", s->sets);
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    return (const char *const *)argv->elts;
}

static int count_wanted(void)
{
    int n = 0;

    for (struct service *s = service_next(NULL); s; s = service_next(s))
        n += s->worker;
    return n;
}

void workers_start(const char *program, apr_pool_t *pconf, server_rec *main_server)
{
    pool = pconf;
    base_server = main_server;
    workers = apr_array_make(pconf, count_wanted() + 1,
                             sizeof(struct worker)); /* never grows: it is pointed into */
    for (struct service *s = service_next(NULL); s; s = service_next(s)) {
        struct worker *w;

        if (!s->worker)
            continue;
        w = &APR_ARRAY_PUSH(workers, struct worker);
        *w = (struct worker){ .service = s, .argv = command(program, s, pconf) };
        worker_start(w);
    }
}

void workers_tick(void)
{
    for (int i = 0; workers && i < workers->nelts; i++) {
        struct worker *w = &APR_ARRAY_IDX(workers, i, struct worker);

        if (w->due && !stopping())
            worker_start(w);
    }
}
