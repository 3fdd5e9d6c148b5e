/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int level_now = LOG_INFO;
static int sink_fd = STDERR_FILENO;
static void (*sink_fn)(void *, enum log_level, const char *);
static void *sink_arg;

static const char *const names[] = { "DEBUG", "INFO", "WARNING", "ERROR" };

int log_open(const char *path, enum log_level level)
{
    int fd = STDERR_FILENO, old;

    if (path) {
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        if (fd < 0)
            return -1;
    }
    pthread_mutex_lock(&lock);
    old = sink_fd;
    sink_fd = fd;
    pthread_mutex_unlock(&lock);
    if (old != STDERR_FILENO)
        close(old);
    log_level_set(level);
    return 0;
}

void log_level_set(enum log_level level)
{
    level_now = level;
}

bool log_wants(enum log_level level)
{
    return (int)level >= level_now;
}

void log_sink_set(void (*sink)(void *, enum log_level, const char *), void *arg)
{
    pthread_mutex_lock(&lock);
    sink_fn = sink;
    sink_arg = arg;
    pthread_mutex_unlock(&lock);
}

static void add_escaped(struct str *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '\n')
            str_add(out, "\\n");
        else if (*p < 0x20 || *p == 0x7F)
            str_addf(out, "\\x%02x", *p);
        else
            str_addc(out, (char)*p);
    }
}

void log_write(enum log_level level, const char *format, ...)
{
    CLEANUP(str_done) struct str text = STR_INIT, line = STR_INIT;
    char when[CLOCK_TEXT_MAX];
    va_list ap;
    ssize_t n UNUSED;

    if (!log_wants(level))
        return;
    va_start(ap, format);
    str_addv(&text, format, ap);
    va_end(ap);
    pthread_mutex_lock(&lock);
    if (sink_fn) {
        add_escaped(&line, str_text(&text));
        sink_fn(sink_arg, level, str_text(&line));
    } else {
        str_addf(&line, "%s %d %s ", clock_sql(clock_now_us(), when), (int)getpid(), names[level]);
        add_escaped(&line, str_text(&text));
        str_addc(&line, '\n');
        n = write(sink_fd, line.data, line.len);
    }
    pthread_mutex_unlock(&lock);
}
