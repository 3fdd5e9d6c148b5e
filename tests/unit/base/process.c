/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "test.h"

static void is_the_process(void **state UNUSED)
{
    assert_int_equal(process_id(), getpid());
    assert_int_equal(process_id(), getpid());
}

static void a_child_has_its_own(void **state UNUSED)
{
    pid_t parent = process_id(), child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(process_id() == getpid() && process_id() != parent ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(process_id(), parent);
}

static bool finds(const char *pattern)
{
    char *const argv[] = { (char *)(uintptr_t) "grep", (char *)(uintptr_t) "-q", (char *)(uintptr_t)pattern,
                           (char *)(uintptr_t) "/proc/self/status", NULL };
    char *const nothing[] = { NULL };
    pid_t child;
    int status;

    assert_int_equal(process_spawn("/bin/grep", NULL, argv, nothing, true, &child), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 0;
}

static void a_program_has_all_signals(void **state UNUSED)
{
    char *const none[] = { NULL };
    sigset_t usr1;
    pid_t child;

    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    signal(SIGPIPE, SIG_IGN);
    assert_true(finds("^SigBlk:[[:space:]]*0*$"));
    assert_true(finds("^SigIgn:[[:space:]]*0*\\(180000000\\)*$")); /* 32 and 33 are glibc's own */
    assert_true(process_spawn("/nowhere", NULL, none, none, false, &child) != 0);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_process),
        cmocka_unit_test(a_child_has_its_own),
        cmocka_unit_test(a_program_has_all_signals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
