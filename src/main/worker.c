/* SPDX-License-Identifier: Apache-2.0 */
/* glint worker: one round of cleaning up at once, then one every reap_interval; jobs as they come. */
#include "host/host.h"
#include "main/main.h"
#include "work/work.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

struct worker {
    struct config *config;
    struct db *db;
    struct stores *stores;
    struct jobs *jobs;
    bool jobs_wait; /* looking for them failed, which was said */
};

enum { JOBS_POLL_MS = 250 };

static void round_of_work(struct worker *w)
{
    struct reap_counts n = { 0 };
    struct error e;

    if (work_reap(w->db, w->stores, &n, &e) < 0)
        start_say("cleaning up: ", &e);
    if (n.uploads + n.objects + n.files > 0)
        log_info("cleaned up: %zu interrupted uploads, %zu objects, %zu temporary files", n.uploads,
                 n.objects, n.files);
}

static void look_for_jobs(struct worker *w)
{
    struct error e;
    bool failed = jobs_poll(w->jobs, &e) < 0;

    if (failed && !w->jobs_wait)
        start_say("looking for jobs: ", &e);
    w->jobs_wait = failed;
}

static void reload(struct worker *w, const struct command_line *cl)
{
    struct config *c = NULL;
    struct error e;

    if (start_config(cl, &c, &e) < 0 || host_open_log(c, &e) < 0) {
        start_say("the worker's configuration stays as it was: ", &e);
        config_free(c);
        return;
    }
    config_free(w->config);
    w->config = c;
}

/* Returns false when it is time to end. */
static bool wait_for_next(struct worker *w, const struct command_line *cl, const sigset_t *set)
{
    int64_t until = clock_mono_us() + config_int(w->config, "glint", "reap_interval") * CLOCK_SECOND;
    int64_t watchdog = systemd_watchdog_us(), next_sign = 0, left;
    struct error e;

    while ((left = until - clock_mono_us()) > 0) {
        int64_t nap = left < JOBS_POLL_MS * 1000 ? left : JOBS_POLL_MS * 1000;
        struct timespec most = { (time_t)(nap / CLOCK_SECOND), (long)(nap % CLOCK_SECOND) * 1000 };

        switch (sigtimedwait(set, NULL, &most)) {
        case SIGTERM:
        case SIGINT:
            return false;
        case SIGHUP:
            reload(w, cl);
            break;
        case SIGUSR1:
            if (host_open_log(w->config, &e) < 0)
                start_say("the log stays where it is: ", &e);
            break;
        default:
            break;
        }
        look_for_jobs(w);
        if (watchdog > 0 && clock_mono_us() >= next_sign) {
            systemd_notify("WATCHDOG=1");
            next_sign = clock_mono_us() + watchdog;
        }
    }
    return true;
}

static int open_worker(struct worker *w, const struct command_line *cl, struct error *e)
{
    if (start_config(cl, &w->config, e) < 0 || host_open_log(w->config, e) < 0)
        return -1;
    if (host_open_db(w->config, false, &w->db, e) < 0)
        return -1;
    if (stores_open(w->config, &w->stores, e) < 0)
        return -1;
    w->jobs = jobs_start(&(struct jobs_options){
        .db = w->db, .stores = w->stores, .retries = config_int(w->config, "DEFAULT", "http_retries") });
    return 0;
}

int worker_main(const struct command_line *cl)
{
    struct systemd_socket none[SYSTEMD_SOCKETS_MAX];
    struct worker w = { 0 };
    int status = EXIT_OK;
    struct error e;
    sigset_t set;

    start_process();
    prctl(PR_SET_NAME, "glint-worker");
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    systemd_start(none);
    if (open_worker(&w, cl, &e) < 0) {
        start_say("glint worker cannot start: ", &e);
        status = EXIT_FAILED;
    } else {
        systemd_notify("READY=1\nSTATUS=Cleaning up after interrupted uploads");
        do
            round_of_work(&w);
        while (wait_for_next(&w, cl, &set));
        systemd_notify("STOPPING=1");
    }
    jobs_stop(w.jobs);
    stores_close(w.stores);
    db_close(w.db);
    config_free(w.config);
    return status;
}
