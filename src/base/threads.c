/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <signal.h>

int thread_start(pthread_t *ret, const char *name, size_t stack, void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int err;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, stack);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(ret, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (err == 0)
        pthread_setname_np(*ret, name);
    return err;
}
