/* SPDX-License-Identifier: Apache-2.0 */
/* Loaded into qemu-img by LD_PRELOAD: one qemu-img that is loaded once and then run for many images, and
 * that tells what it opens.
 *
 * Reads requests from OPENS_IN: a command line, its words separated and ended by NUL, after its length in 4
 * bytes. Each is run by a child that begins where the program would have. Writes to OPENS_OUT, for each name
 * that the child gave to open() or its like and each connect(): its length in 4 bytes and the name; then
 * OPENS_END and the wait status in 4 bytes. A child that takes longer than OPENS_SECONDS is killed. */
#undef _FILE_OFFSET_BITS /* else open() is another name of open64() */

#include "qemu/opens.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Names of the C library's own functions: what is declared here is what the program finds first. */
#define SHOWN __attribute__((visibility("default")))

enum { WORDS_MAX = 32, REQUEST_MAX = 4096 };

static bool telling; /* only in a child */

static void *next_function(const char *name)
{
    void *fn = dlsym(RTLD_NEXT, name);

    if (!fn)
        abort();
    return fn;
}

static void give(const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t now = write(OPENS_OUT, (const char *)bytes + done, n - done);

        if (now <= 0)
            _exit(3);
        done += (size_t)now;
    }
}

static void tell(const char *name)
{
    uint32_t n = (uint32_t)strlen(name);

    if (!telling)
        return;
    give(&n, sizeof n);
    give(name, n);
}

/* ---- what is told ---- */

#define MODE_OF(flags)                                                                                       \
    ({                                                                                                       \
        va_list list;                                                                                        \
        mode_t given = 0;                                                                                    \
                                                                                                             \
        va_start(list, flags);                                                                               \
        if ((flags) & (O_CREAT | __O_TMPFILE))                                                               \
            given = va_arg(list, mode_t);                                                                    \
        va_end(list);                                                                                        \
        given;                                                                                               \
    })

#define OPEN_LIKE(fn)                                                                                        \
    SHOWN int fn(const char *name, int flags, ...)                                                           \
    {                                                                                                        \
        int (*next)(const char *, int, ...) = next_function(#fn);                                            \
        mode_t mode = MODE_OF(flags);                                                                        \
        tell(name);                                                                                          \
        return next(name, flags, mode);                                                                      \
    }

#define OPENAT_LIKE(fn)                                                                                      \
    SHOWN int fn(int dir, const char *name, int flags, ...)                                                  \
    {                                                                                                        \
        int (*next)(int, const char *, int, ...) = next_function(#fn);                                       \
        mode_t mode = MODE_OF(flags);                                                                        \
        tell(name);                                                                                          \
        return next(dir, name, flags, mode);                                                                 \
    }

#define FOPEN_LIKE(fn)                                                                                       \
    SHOWN FILE *fn(const char *name, const char *how)                                                        \
    {                                                                                                        \
        FILE *(*next)(const char *, const char *) = next_function(#fn);                                      \
        tell(name);                                                                                          \
        return next(name, how);                                                                              \
    }

OPEN_LIKE(open)
OPEN_LIKE(open64)
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)
FOPEN_LIKE(fopen)
FOPEN_LIKE(fopen64)

SHOWN int connect(int fd, const struct sockaddr *to, socklen_t n)
{
    int (*next)(int, const struct sockaddr *, socklen_t) = next_function("connect");

    tell("connect()");
    return next(fd, to, n);
}

SHOWN int getaddrinfo(const char *host, const char *service, const struct addrinfo *how,
                      struct addrinfo **ret)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        next_function("getaddrinfo");

    tell("getaddrinfo()");
    return next(host, service, how, ret);
}

/* ---- one program, many runs ---- */

typedef int main_fn(int, char **, char **);
typedef int start_fn(main_fn *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

static bool take(void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t now = read(OPENS_IN, (char *)bytes + done, n - done);

        if (now <= 0)
            return false;
        done += (size_t)now;
    }
    return true;
}

static int words_of(char *line, size_t n, char **words)
{
    int count = 0;

    for (char *at = line; at < line + n && count < WORDS_MAX; at += strlen(at) + 1)
        words[count++] = at;
    words[count] = NULL;
    return count;
}

/* Returns in a child alone, with the command line to run. */
static int serve(char **words)
{
    static char line[REQUEST_MAX];
    uint32_t n, end[2] = { OPENS_END, 0 };
    int status;
    pid_t pid;

    while (take(&n, sizeof n) && n > 0 && n < sizeof line && take(line, n)) {
        line[n] = 0;
        pid = fork();
        if (pid < 0)
            _exit(3);
        if (pid == 0) {
            alarm(OPENS_SECONDS);
            telling = true;
            return words_of(line, n, words);
        }
        if (waitpid(pid, &status, 0) != pid)
            _exit(3);
        end[1] = (uint32_t)status;
        give(end, sizeof end);
    }
    _exit(0);
}

/* The C library declares it nowhere; the ELF start code calls it with these. */
SHOWN int __libc_start_main(main_fn *main_at, int argc, char **argv, void (*init)(void), void (*fini)(void),
                            void (*unload)(void), void *stack);

int __libc_start_main(main_fn *main_at, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*unload)(void), void *stack)
{
    static char *words[WORDS_MAX + 1];
    start_fn *next = (start_fn *)next_function("__libc_start_main");

    if (getenv("QEMU_OPENS")) {
        argc = serve(words);
        argv = words;
    }
    return next(main_at, argc, argv, init, fini, unload, stack);
}
