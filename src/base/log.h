/* SPDX-License-Identifier: Apache-2.0 */
/* One line per event, to standard error or a file. Thread-safe; a line is written by one write(2).
 *
 * Libraries log at LOG_DEBUG only; api/, the rooms that move data, and main/ log the rest. Secrets are the
 * caller's to leave out. Line breaks and control characters of the arguments are escaped, so that a client
 * cannot forge a line. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_OFF };

/* path NULL means standard error. Reopening the same path is how a rotated file is let go.
 * Returns -1 and leaves the old sink when the file cannot be opened (errno is set). */
int log_open(const char *path, enum log_level level);
void log_level_set(enum log_level level);
bool log_wants(enum log_level level);
/* The sink of another program's log (a web server's, a test's); NULL returns to our own. */
void log_sink_set(void (*sink)(void *arg, enum log_level level, const char *line), void *arg);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_debug(...)                                                                                       \
    do {                                                                                                     \
        if (log_wants(LOG_DEBUG))                                                                            \
            log_write(LOG_DEBUG, __VA_ARGS__);                                                               \
    } while (0)
#define log_info(...)    log_write(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_write(LOG_ERROR, __VA_ARGS__)

#endif
