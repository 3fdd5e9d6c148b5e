/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static _Atomic pid_t own;

static void forget(void)
{
    own = 0;
}

static void forget_in_children(void)
{
    pthread_atfork(NULL, NULL, forget);
}

pid_t process_id(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pid_t id = own;

    if (id == 0) {
        pthread_once(&once, forget_in_children);
        id = getpid();
        own = id;
    }
    return id;
}

int process_spawn(const char *program, const posix_spawn_file_actions_t *files, char *const argv[],
                  char *const environment[], bool session, pid_t *ret)
{
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (session ? POSIX_SPAWN_SETSID : 0);
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int failed;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, (short)flags);
    failed = posix_spawn(ret, program, files, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    return failed;
}
