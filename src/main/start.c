/* SPDX-License-Identifier: Apache-2.0 */
#include "main/main.h"

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

    return (struct conf_request){ cl->files, cl->dirs, cl->overrides, environ, cl->manage ? "manage" : NULL };
}

int start_config(const struct command_line *cl, struct config **ret, struct error *e)
{
    struct conf_request rq = start_source(cl);

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

void start_say(const char *what, const struct error *e)
{
    log_error("%s%s%s%s%s", what, e->message, e->detail[0] ? " (" : "", e->detail, e->detail[0] ? ")" : "");
}
