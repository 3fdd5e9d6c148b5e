/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "base/base.h"
#include "test.h"

static int open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void closing_leaves_none(void **state)
{
    int fd = open_null(), was = fd;

    (void)state;
    fd_close(&fd);
    assert_int_equal(fd, -1);
    assert_false(is_open(was));
    fd_close(&fd); /* nothing more to close */
    assert_int_equal(fd, -1);
}

static void a_taken_one_outlives_its_scope(void **state)
{
    int taken, lost;

    (void)state;
    {
        CLEANUP(fd_close) int kept = open_null();
        CLEANUP(fd_close) int left = open_null();

        lost = left;
        taken = fd_take(&kept);
    }
    assert_true(is_open(taken));
    assert_false(is_open(lost));
    fd_close(&taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closing_leaves_none),
        cmocka_unit_test(a_taken_one_outlives_its_scope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
