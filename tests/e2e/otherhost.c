/* SPDX-License-Identifier: Apache-2.0 */
/* LD_PRELOAD: a process on another host than it is on, whose clock is wrong. OTHERHOST names the host;
 * OTHERHOST_CLOCK says by how many seconds its clock is ahead: a number, or the path of a file with one,
 * which may change. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int gethostname(char *name, size_t size)
{
    const char *other = getenv("OTHERHOST");

    snprintf(name, size, "%s", other ? other : "other");
    return 0;
}

static long ahead(void)
{
    const char *text = getenv("OTHERHOST_CLOCK");
    FILE *f = text && *text == '/' ? fopen(text, "re") : NULL;
    long seconds = text ? atol(text) : 0;

    if (f && fscanf(f, "%ld", &seconds) != 1)
        seconds = 0;
    if (f)
        fclose(f);
    return seconds;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    int result;

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    result = real(id, t);
    if (result == 0 && id == CLOCK_REALTIME)
        t->tv_sec += ahead();
    return result;
}
