/* SPDX-License-Identifier: Apache-2.0 */
/* Scoped locks and small threads. */
#ifndef BASE_THREADS_H
#define BASE_THREADS_H

#include <pthread.h>
#include <stddef.h>

static inline pthread_mutex_t *mutex_hold(pthread_mutex_t *m)
{
    pthread_mutex_lock(m);
    return m;
}

static inline void mutex_release(pthread_mutex_t **m)
{
    if (*m)
        pthread_mutex_unlock(*m);
}

/* Holds m until the scope ends. */
#define WITH_MUTEX(m) CLEANUP(mutex_release) pthread_mutex_t *held_ UNUSED = mutex_hold(m)

/* A joinable thread with a small stack and every signal blocked: signals are main/'s business.
 * Returns 0 or an errno. */
int thread_start(pthread_t *ret, const char *name, size_t stack, void *(*fn)(void *), void *arg);

enum { THREAD_STACK = 256 * 1024 };

#endif
