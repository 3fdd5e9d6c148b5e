/* SPDX-License-Identifier: Apache-2.0 */
/* The two small protocols of sd_listen_fds(3) and sd_notify(3). */
#include "main/main.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

static char notify_path[sizeof((struct sockaddr_un *)0)->sun_path];
static int64_t watchdog_us;
static bool is_parent;
static char fd_names[1024];

static int64_t number(const char *variable, int64_t max)
{
    const char *text = getenv(variable);
    int64_t n;

    return text && str_to_i64(text, 0, max, &n) ? n : 0;
}

/* "web:metrics:…", cut apart in place. */
static const char *next_name(char **at)
{
    const char *name = *at;
    char *colon = strchr(*at, ':');

    if (colon)
        *colon++ = '\0';
    *at = colon ? colon : *at + strlen(*at);
    return name;
}

static size_t take_sockets(struct systemd_socket ret[SYSTEMD_SOCKETS_MAX])
{
    const char *names = getenv("LISTEN_FDNAMES");
    int64_t n = number("LISTEN_FDS", SYSTEMD_SOCKETS_MAX);
    char *at = fd_names;

    if (number("LISTEN_PID", INT64_MAX) != getpid())
        return 0;
    str_copy(fd_names, sizeof fd_names, names ? names : "");
    for (int i = 0; i < (int)n; i++) {
        ret[i] = (struct systemd_socket){ FIRST_FD + i, next_name(&at) };
        fcntl(FIRST_FD + i, F_SETFD, FD_CLOEXEC);
    }
    return (size_t)n;
}

size_t systemd_start(struct systemd_socket ret[SYSTEMD_SOCKETS_MAX])
{
    static const char *const ours[] = { "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES",
                                        "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID" };
    const char *path = getenv("NOTIFY_SOCKET");
    int64_t watched = number("WATCHDOG_PID", INT64_MAX);
    size_t n = take_sockets(ret);

    is_parent = n > 0 || path || number("SYSTEMD_EXEC_PID", INT64_MAX) == getpid();
    str_copy(notify_path, sizeof notify_path, path ? path : "");
    if (watched == 0 || watched == getpid())
        watchdog_us = number("WATCHDOG_USEC", INT64_MAX) / 2;
    for (size_t i = 0; i < COUNT(ours); i++)
        unsetenv(ours[i]);
    return n;
}

bool systemd_is_parent(void)
{
    return is_parent;
}

int64_t systemd_watchdog_us(void)
{
    return watchdog_us;
}

void systemd_notify(const char *format, ...)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    char text[512];
    va_list ap;
    int fd, n;

    if (!notify_path[0])
        return;
    va_start(ap, format);
    n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof text)
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    str_copy(to.sun_path, sizeof to.sun_path, notify_path);
    if (to.sun_path[0] == '@') /* an abstract name begins with a zero byte */
        to.sun_path[0] = '\0';
    if (sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&to,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(notify_path))) < 0)
        log_debug("systemd was not told \"%s\": %s", text, strerror(errno));
    close(fd);
}

void systemd_reloading(void)
{
    systemd_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_us());
}
