/* SPDX-License-Identifier: Apache-2.0 */
#include "work/lease.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "work/work.h"

/* Unique within the process, which lease_holder() tells from every other. */
void holder_make(char out[HOLDER_TEXT_MAX])
{
    static _Atomic unsigned long count;

    snprintf(out, HOLDER_TEXT_MAX, "%s#%lx", lease_holder(), atomic_fetch_add(&count, 1));
}

bool holder_dead(const char *holder)
{
    char process[HOLDER_TEXT_MAX];

    str_copy(process, sizeof process, holder);
    process[strcspn(process, "#")] = '\0';
    return lease_holder_dead(process);
}

int64_t lease_expiry(void)
{
    return clock_now_us() + LEASE_SECONDS * CLOCK_SECOND;
}
