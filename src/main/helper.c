/* SPDX-License-Identifier: Apache-2.0 */
/* glint helper PARENT CPU MEMORY FILE-SIZE READ WRITE PROGRAM ARGUMENT...
 *
 * Becomes PROGRAM, in a sandbox: imports/plugins/child.c starts it for image conversion, nobody else does. It
 * ends with its parent, gets CPU seconds, MEMORY bytes of address space and no file larger than FILE-SIZE,
 * reads READ and writes WRITE ("" for none), and has no other file, no network and no other process. A
 * process of its own, since what it takes from itself could not be taken between fork and exec of one with
 * threads. */
#include "main/main.h"
#include "main/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARG_PARENT, ARG_CPU, ARG_MEMORY, ARG_FILE_SIZE, ARG_READ, ARG_WRITE, ARG_PROGRAM };
enum { EXIT_SANDBOX = 126, LIKELY_VICTIM = 1000, NICE = 10 };

/* At once: too much was given away already to end in order. */
static __attribute__((noreturn)) void give_up(const char *what)
{
    fprintf(stderr, "glint helper: %s: %s\n", what, strerror(errno));
    _exit(EXIT_SANDBOX);
}

/* When memory runs out, this goes first. */
static void volunteer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (dprintf(fd, "%d\n", LIKELY_VICTIM) < 0)
        errno = 0;
    close(fd);
}

/* From the worker's ways. */
static int detach(void)
{
    (void)setsid();
    (void)nice(NICE);
    (void)umask(077);
    volunteer();
    return chdir("/");
}

/* Last: a change of credentials takes it back. */
static int die_with(int64_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -1;
    errno = ESRCH;
    return getppid() == (pid_t)parent ? 0 : -1; /* it ended before that took hold */
}

int helper_main(int argc, char **argv)
{
    static char path[] = "PATH=/usr/bin:/bin", locale[] = "LC_ALL=C";
    static char heaps[] = "MALLOC_ARENA_MAX=2"; /* each takes 64 MiB of the address space */
    char *environment[] = { path, locale, heaps, NULL };
    struct sandbox_limits limits;
    int64_t parent;

    if (argc <= ARG_PROGRAM || !str_to_i64(argv[ARG_PARENT], 1, INT32_MAX, &parent) ||
        !str_to_i64(argv[ARG_CPU], 1, INT32_MAX, &limits.cpu_seconds) ||
        !str_to_u64(argv[ARG_MEMORY], INT64_MAX, &limits.memory) ||
        !str_to_u64(argv[ARG_FILE_SIZE], INT64_MAX, &limits.file_size)) {
        fprintf(stderr, "glint helper is started by glint worker\n");
        return EXIT_USAGE;
    }
    if (detach() < 0 || close_range(STDERR_FILENO + 1, ~0u, 0) < 0 || sandbox_limits_set(&limits) < 0)
        give_up("limits");
    sandbox_leave();
    if (sandbox_weaken() < 0)
        give_up("privileges");
    if (die_with(parent) < 0)
        give_up("its parent is gone");
    if (sandbox_files(argv[ARG_PROGRAM], argv[ARG_READ], *argv[ARG_WRITE] ? argv[ARG_WRITE] : NULL) < 0)
        give_up("files");
    if (sandbox_calls(argv[ARG_PROGRAM]) < 0)
        give_up("system calls");
    execve(argv[ARG_PROGRAM], argv + ARG_PROGRAM, environment);
    give_up(argv[ARG_PROGRAM]);
}
