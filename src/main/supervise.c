/* SPDX-License-Identifier: Apache-2.0 */
/* The child process `glint worker`: started by glint serve, restarted when it ends, ended with it. */
#include "main/main.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_DELAY   (CLOCK_SECOND / 2)
#define LONGEST_DELAY (30 * CLOCK_SECOND)
#define STEADY        (60 * CLOCK_SECOND) /* one that ran so long is restarted without more delay */
#define STOP_WAIT     (5 * CLOCK_SECOND)

/* Between fork and exec: this process may have threads, so only what is safe in a signal handler. Signals
 * stay blocked, as the worker wants them: one that comes before it listens waits for it. */
static void become_worker(char **argv, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it ended before the line above took hold */
        _exit(EXIT_OK);
    execv("/proc/self/exe", argv);
    _exit(127);
}

void supervised_start(struct supervised *s)
{
    pid_t parent = getpid(), pid;

    s->started_us = clock_mono_us();
    s->restart_us = 0;
    pid = fork();
    if (pid == 0)
        become_worker(s->argv, parent);
    if (pid < 0) {
        log_error("glint worker could not be started: %s", strerror(errno));
        s->restart_us = s->started_us + LONGEST_DELAY;
        return;
    }
    s->pid = pid;
    log_debug("glint worker runs as process %d", (int)pid);
}

/* Status 0 is the answer to a signal: systemd and a terminal send one to server and worker at once, and the
 * worker may be the first to end. */
static void log_end(const struct supervised *s, int status)
{
    if (WIFSIGNALED(status))
        log_error("glint worker (process %d) was ended by signal %d, %s%s", (int)s->pid, WTERMSIG(status),
                  strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "");
    else if (WEXITSTATUS(status) != 0)
        log_error("glint worker (process %d) ended with status %d", (int)s->pid, WEXITSTATUS(status));
    else
        log_info("glint worker (process %d) has ended", (int)s->pid);
}

void supervised_reap(struct supervised *s)
{
    int64_t now = clock_mono_us();
    int status;

    if (s->pid == 0 || waitpid(s->pid, &status, WNOHANG) != s->pid)
        return;
    if (now - s->started_us > STEADY || s->delay_us == 0)
        s->delay_us = FIRST_DELAY;
    else
        s->delay_us = s->delay_us * 2 > LONGEST_DELAY ? LONGEST_DELAY : s->delay_us * 2;
    log_end(s, status);
    s->pid = 0;
    s->restart_us = s->stopping ? 0 : now + s->delay_us;
}

int64_t supervised_tick(struct supervised *s)
{
    int64_t now = clock_mono_us();

    if (s->restart_us == 0)
        return -1;
    if (now < s->restart_us)
        return s->restart_us - now;
    log_info("glint worker is started again, %.1f s after its end",
             (double)s->delay_us / (double)CLOCK_SECOND);
    supervised_start(s);
    return s->restart_us ? s->restart_us - now : -1;
}

void supervised_end(struct supervised *s)
{
    s->stopping = true;
    s->restart_us = 0;
}

void supervised_signal(const struct supervised *s, int sig)
{
    if (s->pid > 0)
        kill(s->pid, sig);
}

/* The worker ends between two clean-ups; one that does not is interrupted, which harms nothing. */
void supervised_stop(struct supervised *s)
{
    int64_t until = clock_mono_us() + STOP_WAIT;
    struct timespec most = { 0, 0 };
    sigset_t child;

    supervised_end(s);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    supervised_signal(s, SIGTERM);
    while (s->pid > 0 && waitpid(s->pid, NULL, WNOHANG) == 0) {
        int64_t left = until - clock_mono_us();

        if (left <= 0) {
            supervised_signal(s, SIGKILL);
            waitpid(s->pid, NULL, 0);
            break;
        }
        most.tv_sec = (time_t)(left / CLOCK_SECOND);
        most.tv_nsec = (long)(left % CLOCK_SECOND) * 1000;
        sigtimedwait(&child, NULL, &most);
    }
    s->pid = 0;
}
