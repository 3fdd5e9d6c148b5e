/* SPDX-License-Identifier: Apache-2.0 */
#include "imports/plugins/child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"

enum {
    OUTPUT_MAX = 1024 * 1024,
    COMPLAINT_MAX = 4096,
    ARGUMENTS_MAX = 32,
    LOOK_MS = 500, /* how often the import is asked whether it goes on */
    EXIT_HELPER = 126,
};

struct running {
    pid_t pid;           /* 0: it has ended */
    int ended, out, err; /* its pidfd, its standard output and error; -1: closed */
    int their_out, their_err, null;
    struct str printed, complaint;
    int64_t until_us; /* monotonic */
};

/* Whatever it does now, it ends. */
static void running_end(struct running *r)
{
    int *const fds[] = { &r->ended, &r->out, &r->err, &r->their_out, &r->their_err, &r->null };

    if (r->pid > 0) {
        kill(r->pid, SIGKILL);
        while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    r->pid = 0;
    for (size_t i = 0; i < COUNT(fds); i++)
        fd_close(fds[i]);
    str_done(&r->printed);
    str_done(&r->complaint);
}

/* ---- starting ---- */

static int pipe_open(int *ret_ours, int *ret_theirs)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    *ret_ours = ends[0];
    *ret_theirs = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static int pipes_open(struct running *r)
{
    r->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (r->null < 0 || pipe_open(&r->out, &r->their_out) < 0)
        return -1;
    return pipe_open(&r->err, &r->their_err);
}

static void arguments_make(struct import *im, const struct plugin_child *child, char *ret[ARGUMENTS_MAX])
{
    struct arena *a = im->run->arena;
    size_t n = 0;

    ret[n++] = arena_str(a, "glint");
    ret[n++] = arena_str(a, "helper");
    ret[n++] = arena_printf(a, "%d", (int)getpid());
    ret[n++] = arena_printf(a, "%" PRId64, child->cpu);
    ret[n++] = arena_printf(a, "%" PRIu64, im->settings->plugin.convert_memory);
    ret[n++] = arena_printf(a, "%" PRIu64, child->file_size);
    ret[n++] = arena_str(a, child->read);
    ret[n++] = arena_str(a, child->write ? child->write : "");
    for (size_t i = 0; child->argv[i] && n < ARGUMENTS_MAX - 1; i++)
        ret[n++] = arena_str(a, child->argv[i]);
    ret[n] = NULL;
}

static int spawn(struct running *r, const char *program, char **argv)
{
    static char *nothing[] = { NULL };
    posix_spawn_file_actions_t files;
    int failed;

    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, r->null, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, r->their_out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, r->their_err, STDERR_FILENO);
    failed = process_spawn(program, &files, argv, nothing, false, &r->pid);
    posix_spawn_file_actions_destroy(&files);
    if (failed)
        r->pid = 0;
    return failed;
}

static int start(struct import *im, const struct plugin_child *child, struct running *r, struct error *e)
{
    char *argv[ARGUMENTS_MAX];
    int failed;

    if (pipes_open(r) < 0)
        return error_errno(e, ERROR_UNAVAILABLE, errno, "A program cannot be started.");
    arguments_make(im, child, argv);
    failed = spawn(r, im->settings->plugin.program, argv);
    if (failed)
        return error_errno(e, ERROR_UNAVAILABLE, failed, "A program cannot be started.");
    fd_close(&r->their_out);
    fd_close(&r->their_err);
    fd_close(&r->null);
    r->ended = pidfd_open(r->pid, 0);
    if (r->ended < 0)
        return error_errno(e, ERROR_UNAVAILABLE, errno, "A program cannot be watched.");
    r->until_us = clock_mono_us() + child->timeout * CLOCK_SECOND;
    return 0;
}

/* ---- watching ---- */

/* What there is to read; beyond `most` it is thrown away. */
static void take(int *fd, struct str *to, size_t most)
{
    char buf[4096];
    ssize_t n;

    while (*fd >= 0 && (n = read(*fd, buf, sizeof buf)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            break;
        if (to->len < most)
            str_addn(to, buf, (size_t)n < most - to->len ? (size_t)n : most - to->len);
    }
    fd_close(fd);
}

static int watch(struct import *im, const struct plugin_child *child, struct running *r, struct error *e)
{
    for (;;) {
        struct pollfd fds[] = { { r->ended, POLLIN, 0 }, { r->out, POLLIN, 0 }, { r->err, POLLIN, 0 } };

        if (poll(fds, COUNT(fds), LOOK_MS) < 0 && errno != EINTR)
            return error_errno(e, ERROR_INTERNAL, errno, "A program cannot be watched.");
        take(&r->out, &r->printed, OUTPUT_MAX + 1);
        take(&r->err, &r->complaint, COMPLAINT_MAX);
        if (fds[0].revents)
            return 0;
        if (r->printed.len > OUTPUT_MAX)
            return error_set(e, ERROR_MEDIA, "qemu-img says too much about the image.");
        if (clock_mono_us() > r->until_us)
            return error_set(e, ERROR_TOO_LARGE, "The conversion takes more than %" PRId64 " seconds.",
                             child->timeout);
        if (import_progress(im, child->message, e) < 0)
            return -1;
    }
}

/* ---- how it ended ---- */

static int ended_by(int sig, const struct plugin_child *child, struct error *e)
{
    switch (sig) {
    case SIGXCPU:
        return error_set(e, ERROR_TOO_LARGE, "The conversion takes more than %" PRId64 " seconds of work.",
                         child->cpu);
    case SIGXFSZ:
        return error_set(e, ERROR_TOO_LARGE, "%s", child->larger);
    case SIGKILL:
        return error_set(e, ERROR_UNAVAILABLE, "qemu-img was killed.");
    default:
        return error_set(e, ERROR_MEDIA, "qemu-img cannot bear the image: signal %d.", sig);
    }
}

static int judge(int status, const struct plugin_child *child, struct running *r, struct error *e)
{
    const char *complaint = str_text(&r->complaint);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        ended_by(WTERMSIG(status), child, e);
    else if (WEXITSTATUS(status) >= EXIT_HELPER)
        error_set(e, ERROR_INTERNAL, "qemu-img cannot be run.");
    else if (strstr(complaint, "File too large")) /* its threads do not take the signal, and write() fails */
        error_set(e, ERROR_TOO_LARGE, "%s", child->larger);
    else if (strstr(complaint, "No space left on device") || strstr(complaint, "Disk quota exceeded"))
        error_set(e, ERROR_TOO_LARGE, "There is not enough room to convert the image.");
    else
        error_set(e, ERROR_MEDIA, "qemu-img cannot read the image.");
    return error_detail(e, "%.*s", (int)strcspn(complaint, "\n"), complaint);
}

int plugin_child_run(struct import *im, const struct plugin_child *child, struct str *out, struct error *e)
{
    CLEANUP(running_end)
    struct running r = { .ended = -1, .out = -1, .err = -1, .their_out = -1, .their_err = -1, .null = -1 };
    int status;

    if (start(im, child, &r, e) < 0 || watch(im, child, &r, e) < 0)
        return -1;
    while (waitpid(r.pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_errno(e, ERROR_INTERNAL, errno, "A program's end was missed.");
    r.pid = 0;
    if (judge(status, child, &r, e) < 0)
        return -1;
    str_add(out, str_text(&r.printed));
    return 0;
}
