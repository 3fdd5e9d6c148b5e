/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <pthread.h>
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
