/* SPDX-License-Identifier: Apache-2.0 */
#include "main/main.h"

#include <malloc.h>
#include <signal.h>
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

void start_say(const char *what, const struct error *e)
{
    log_error("%s%s%s%s%s", what, e->message, e->detail[0] ? " (" : "", e->detail, e->detail[0] ? ")" : "");
}
