/* SPDX-License-Identifier: Apache-2.0 */
#include "main/main.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

int start_config(const struct command_line *cl, struct config **ret, struct error *e)
{
    extern char **environ;
    struct conf_request rq = { cl->files, cl->dirs, cl->overrides, environ, cl->manage ? "manage" : NULL };

    return conf_load(&rq, ret, e);
}

/* log_file below log_dir; oslo.log's rules. NULL: standard error. */
static const char *log_path(const struct config *c, struct str *out)
{
    const char *file = config_str(c, "DEFAULT", "log_file"), *dir = config_str(c, "DEFAULT", "log_dir");

    if ((!file || !*file) && (!dir || !*dir))
        return NULL;
    if (dir && *dir && (!file || *file != '/'))
        str_addf(out, "%s/", dir);
    str_add(out, file && *file ? file : "glance-api.log");
    return str_text(out);
}

int start_log(const struct config *c, struct error *e)
{
    CLEANUP(str_done) struct str path = STR_INIT;
    const char *where = log_path(c, &path);

    if (log_open(where, config_bool(c, "DEFAULT", "debug") ? LOG_DEBUG : LOG_INFO) < 0)
        return error_set(e, ERROR_INVALID, "the log file %s cannot be written: %s", where, strerror(errno));
    return 0;
}

void start_warnings(const struct config *c)
{
    for (const char *const *w = config_warnings(c); *w; w++) {
        if (str_ends(*w, "no effect here"))
            log_info("%s", *w);
        else
            log_warning("%s", *w);
    }
}

void start_say(const char *what, const struct error *e)
{
    log_error("%s%s%s%s%s", what, e->message, e->detail[0] ? " (" : "", e->detail, e->detail[0] ? ")" : "");
}

static int make_data_dir(const char *path, struct error *e)
{
    CLEANUP(str_done) struct str part = STR_INIT;

    for (const char *p = path; *p; p++) {
        if (*p == '/' && part.len > 0 && mkdir(str_text(&part), 0755) < 0 && errno != EEXIST)
            break;
        str_addc(&part, *p);
    }
    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return error_set(e, ERROR_UNAVAILABLE,
                         "the data directory %s cannot be made: %s; GLINT_DATA_DIR names another", path,
                         strerror(errno));
    return 0;
}

int start_db(const struct config *c, bool create, struct db **ret, struct error *e)
{
    const char *url = config_str(c, "database", "connection");

    if (!url || !*url)
        return error_set(e, ERROR_INVALID,
                         "[database] connection is not set; for example sqlite:////var/lib/glance/"
                         "glance.sqlite");
    if (create && conf_is_standalone(c) && make_data_dir(config_str(c, "glint", "data_dir"), e) < 0)
        return -1;
    /* A connection that is closed takes its prepared statements with it, so there is room for one a thread:
     * what max_pool_size saves a database server, SQLite has none of. */
    return db_open(url, create, (unsigned)config_int(c, "glint", "workers_max") + 16, ret, e);
}
