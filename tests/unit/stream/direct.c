/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#include "stream/stream.h"

enum { PAGE = 4096 };

static const struct {
    const char *name;
    size_t pieces[4]; /* bytes of each write */
    bool stays;
} cases[] = {
    { "whole pages", { PAGE, 2 * PAGE, PAGE }, true },
    { "an odd end", { 2 * PAGE, 777 }, false },
    { "an odd piece in between", { PAGE, 1, PAGE, 4 * PAGE }, false },
    { "an odd start", { 5, PAGE }, false },
};

/* Whatever the file system: where it cannot be written past the cache, it is off from the start. */
static void pieces_of_any_size_arrive(void **state UNUSED)
{
    unsigned char *buf = aligned_alloc(PAGE, 4 * PAGE), *all = malloc(16 * PAGE), *got = malloc(16 * PAGE);

    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[] = "/var/tmp/glint-direct-XXXXXX";
        int fd = mkstemp(path);
        bool direct, could;
        size_t len = 0;

        assert_true(fd >= 0);
        unlink(path);
        could = direct = stream_direct_on(fd);
        for (size_t k = 0; k < COUNT(cases[i].pieces) && cases[i].pieces[k] > 0; k++) {
            size_t n = cases[i].pieces[k];

            memset(buf, (int)(k + 1), n);
            memcpy(all + len, buf, n);
            for (size_t done = 0; done < n;) {
                ssize_t wrote = stream_direct_write(fd, &direct, buf + done, n - done, len + done);

                CHECK_CASE(cases[i].name, wrote > 0);
                done += (size_t)wrote;
            }
            len += n;
        }
        CHECK_CASE(cases[i].name, direct == (could && cases[i].stays));
        stream_direct_off(fd, &direct);
        CHECK_CASE(cases[i].name, !direct && (fcntl(fd, F_GETFL) & O_DIRECT) == 0);
        CHECK_CASE(cases[i].name, pread(fd, got, 16 * PAGE, 0) == (ssize_t)len && memcmp(got, all, len) == 0);
        close(fd);
    }
    free(buf);
    free(all);
    free(got);
}

static void failures_are_told(void **state UNUSED)
{
    bool direct = false;

    assert_int_equal(stream_direct_write(-1, &direct, "x", 1, 0), -1);
    assert_false(stream_direct_on(-1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size_arrive),
        cmocka_unit_test(failures_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
