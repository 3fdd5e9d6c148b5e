/* SPDX-License-Identifier: Apache-2.0 */
#include "main/main.h"
#include "model/model.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int64_t seconds_us(const struct config *c, const char *name)
{
    return (int64_t)(config_float(c, "glint", name) * (double)CLOCK_SECOND);
}

void start_process(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    /* glibc would keep eight heaps per core and what was freed in them; with fewer than one per loop, threads
     * wait for each other. Below 1 MiB of slack a listing gives its memory back and faults it in again. */
    mallopt(M_ARENA_MAX, cores > 6 ? 8 : (int)cores + 2);
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    signal(SIGPIPE, SIG_IGN);
}

struct conf_request start_source(const struct command_line *cl)
{
    extern char **environ;

    return (struct conf_request){
        .files = cl->files,
        .dirs = cl->dirs,
        .overrides = cl->overrides,
        .environment = environ,
        .tool = cl->manage ? "manage" : NULL,
        /* A worker works for its parent's service; a unit's worker without a configuration has no service. */
        .standalone = str_eq(cl->command, "worker") ? cl->standalone : !systemd_is_parent(),
    };
}

int start_config(const struct command_line *cl, struct config **ret, struct error *e)
{
    struct conf_request rq = start_source(cl);

    return conf_load(&rq, ret, e);
}

/* Named by --set or OS_DATABASE__CONNECTION it is no profile's. */
static bool database_is_named(const struct config *c)
{
    struct config_origin from;

    (void)config_origin(c, "database", "connection", &from);
    return from.kind != ORIGIN_PROFILE;
}

int start_config_of_database(const struct command_line *cl, bool make, struct config **ret, struct error *e)
{
    CLEANUP(str_done) struct str path = STR_INIT;

    if (start_config(cl, ret, e) < 0)
        return -1;
    if (!conf_is_standalone(*ret) || database_is_named(*ret))
        return 0;
    if (make)
        return error_set(e, ERROR_INVALID,
                         "no configuration was found, and so no database is named: --config-file or "
                         "OS_GLANCE_CONFIG_DIR name a configuration; glint serve without one makes its "
                         "database by itself");
    str_addf(&path, "%s/glance.sqlite", config_str(*ret, "glint", "data_dir"));
    if (access(str_text(&path), F_OK) < 0)
        return error_set(e, ERROR_INVALID,
                         "no configuration was found, and without one there is no database here: %s: %s; "
                         "--config-file or OS_GLANCE_CONFIG_DIR name a configuration",
                         str_text(&path), strerror(errno));
    fprintf(stderr, "glint: no configuration was found: this is about %s, of glint serve without one\n",
            str_text(&path));
    return 0;
}

void start_say(const char *what, const struct error *e)
{
    log_error("%s%s%s%s%s", what, e->message, e->detail[0] ? " (" : "", e->detail, e->detail[0] ? ")" : "");
}

void start_note_worker(struct db_conn *c)
{
    struct arena *a = arena_make(2048);
    struct worker_row *list;
    struct error e;
    size_t n;

    if (worker_list(c, a, &list, &n, &e) < 0)
        fprintf(stderr, "glint: workers are not counted: %s\n", e.message);
    else if (n == 0)
        fprintf(stderr, "glint: no worker is at work on this database: jobs wait, and nothing is cleaned up, "
                        "until glint worker runs\n");
    arena_free(a);
}
