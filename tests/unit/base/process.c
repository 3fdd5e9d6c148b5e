/* SPDX-License-Identifier: Apache-2.0 */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_process),
        cmocka_unit_test(a_child_has_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
