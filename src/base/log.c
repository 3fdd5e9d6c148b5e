/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"

/* Held for reading by who writes to the descriptor: the kernel keeps lines apart as long as they are short.
 */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
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
    pthread_rwlock_wrlock(&lock);
    old = sink_fd;
    sink_fd = fd;
    pthread_rwlock_unlock(&lock);
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
    pthread_rwlock_wrlock(&lock);
    sink_fn = sink;
    sink_arg = arg;
    pthread_rwlock_unlock(&lock);
}

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7F;
}

static void add_escaped(struct str *out, const char *text)
{
    for (;;) {
        size_t plain = 0;

        while (text[plain] && !is_control((unsigned char)text[plain]))
            plain++;
        str_addn(out, text, plain);
        text += plain;
        if (!*text)
            return;
        if (*text == '\n')
            str_add(out, "\\n");
        else
            str_addf(out, "\\x%02x", (unsigned char)*text);
        text++;
    }
}

/* False: another program's log takes it. */
static bool write_own(const struct str *line)
{
    ssize_t n UNUSED;
    bool own;

    if (line->len <= PIPE_BUF)
        pthread_rwlock_rdlock(&lock);
    else
        pthread_rwlock_wrlock(&lock);
    own = !sink_fn;
    if (own)
        n = write(sink_fd, line->data, line->len);
    pthread_rwlock_unlock(&lock);
    return own;
}

static void give_to_sink(enum log_level level, const char *text)
{
    pthread_rwlock_wrlock(&lock);
    if (sink_fn)
        sink_fn(sink_arg, level, text);
    pthread_rwlock_unlock(&lock);
}

void log_write(enum log_level level, const char *format, ...)
{
    CLEANUP(str_done) struct str text = STR_INIT, line = STR_INIT;
    char when[CLOCK_TEXT_MAX];
    size_t start;
    va_list ap;

    if (!log_wants(level))
        return;
    va_start(ap, format);
    str_addv(&text, format, ap);
    va_end(ap);
    str_addf(&line, "%s %d %s ", clock_sql(clock_now_us(), when), (int)process_id(), names[level]);
    start = line.len;
    add_escaped(&line, str_text(&text));
    str_addc(&line, '\n');
    if (write_own(&line))
        return;
    line.data[line.len - 1] = '\0';
    give_to_sink(level, line.data + start);
}
