/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { ARMED_MAX = 1024 };

static void act(const char *action)
{
    if (str_eq(action, "group"))
        kill(0, SIGKILL);
    raise(str_eq(action, "stop") ? SIGSTOP : SIGKILL);
}

/* Whether the file's first line armed this point and this was the passing to act at; fills action. */
static bool count_down(int fd, const char *name, char action[16])
{
    char armed[ARMED_MAX], text[ARMED_MAX + 64], wanted[128];
    ssize_t n = pread(fd, armed, sizeof armed - 1, 0);
    const char *more;
    long count;
    int len;

    if (n <= 0)
        return false;
    armed[n] = '\0';
    if (sscanf(armed, "%127s %ld %15s", wanted, &count, action) != 3 || !str_eq(wanted, name))
        return false;
    more = strchr(armed, '\n');
    more = more ? more + 1 : "";
    if (count <= 1)
        len = snprintf(text, sizeof text, "%s", more);
    else
        len = snprintf(text, sizeof text, "%s %ld %s\n%s", wanted, count - 1, action, more);
    if (pwrite(fd, text, (size_t)len, 0) != len || ftruncate(fd, len) < 0)
        return false;
    return count <= 1;
}

static void note(const char *control, const char *name)
{
    char path[4096], line[160];
    int len = snprintf(line, sizeof line, "%s\n", name), fd;

    snprintf(path, sizeof path, "%s.hits", control);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)len) != len)
        log_warning("point %s is not noted: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* One thread at a time: none of a process that is stopped holds the lock that others wait for. */
static void look(const char *control, const char *name)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int fd = open(control, O_RDWR | O_CLOEXEC);
    char action[16];
    bool now;
    WITH_MUTEX(&lock);

    now = fd >= 0 && flock(fd, LOCK_EX) == 0 && count_down(fd, name, action);
    if (fd >= 0)
        close(fd);
    if (now)
        act(action);
}

void point_pass(const char *name)
{
    const char *control = getenv("GLINT_POINTS");
    int was = errno;

    if (!control)
        return;
    note(control, name);
    look(control, name);
    errno = was;
}
