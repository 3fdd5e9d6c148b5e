/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "embed/httpd/mount.h"

static const struct {
    const char *mount, *raw, *rest; /* rest NULL: it leads elsewhere */
} paths[] = {
    { "", "/v2/images", "/v2/images" },
    { "", "/", "/" },
    { "", "", "" },
    { "/image", "/image", "" },
    { "/image", "/image/", "/" },
    { "/image", "/image/v2/images/a%2Fb", "/v2/images/a%2Fb" },
    { "/image", "//image//v2", "//v2" },
    { "/image", "/im%61ge/v2", "/v2" },
    { "/image", "/%69mage/v2", "/v2" },
    { "/image", "/images/v2", NULL },
    { "/image", "/imag", NULL },
    { "/image", "/Image/v2", NULL },
    { "/image", "/image%2Fv2", NULL },
    { "/image", "/x/../image/v2", NULL },
    { "/image", "/%", NULL },
    { "/image", "/imag%6", NULL },
    { "/a/b", "/a/b/c", "/c" },
    { "/a/b", "/a///b/c", "/c" },
    { "/a/b", "/a%2Fb/c", NULL },
    { "/a b", "/a%20b/c", "/c" },
    { "/\xC3\xA4", "/%c3%A4/c", "/c" },
};

static void test_the_rest_of_a_raw_path(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(paths); i++) {
        const char *rest = mount_rest(paths[i].mount, paths[i].raw);

        CHECK_CASE(paths[i].raw, str_eq(rest, paths[i].rest));
    }
}

static void test_a_mount_ends_at_a_slash(void **state UNUSED)
{
    assert_true(mount_holds("", "/"));
    assert_true(mount_holds("", "/v2"));
    assert_true(mount_holds("/image", "/image"));
    assert_true(mount_holds("/image", "/image/v2"));
    assert_false(mount_holds("/image", "/images"));
    assert_false(mount_holds("/image", "/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_rest_of_a_raw_path),
        cmocka_unit_test(test_a_mount_ends_at_a_slash),
    };

    return cmocka_run_group_tests_name("embed/httpd/mount", tests, NULL, NULL);
}
