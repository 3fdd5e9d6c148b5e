/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/auth.h"
#include "test.h"

static const struct identity admin = {
    .project = "p0", .roles = { "admin" }, .n_roles = 1, .is_admin = true
};
static const struct identity member = { .project = "p1", .roles = { "member", "reader" }, .n_roles = 2 };
static const struct identity reader = { .project = "p1", .roles = { "reader" }, .n_roles = 1 };
static const struct identity other = { .project = "p2", .roles = { "member", "reader" }, .n_roles = 2 };
static const struct identity norole = { .project = "p1" };

enum { NONE, PRIVATE_P1, SHARED_P1, PUBLIC_P1, NOBODYS };
static const struct image images[] = {
    [PRIVATE_P1] = { .owner = "p1", .visibility = IMAGE_PRIVATE },
    [SHARED_P1] = { .owner = "p1", .visibility = IMAGE_SHARED },
    [PUBLIC_P1] = { .owner = "p1", .visibility = IMAGE_PUBLIC },
    [NOBODYS] = { .owner = NULL, .visibility = IMAGE_PRIVATE },
};

static const struct {
    const char *name;
    const struct identity *who;
    const char *rule;
    int image;
    bool let;
} rows[] = {
    { "an administrator deletes anything", &admin, "delete_image", PRIVATE_P1, true },
    { "a member deletes its own", &member, "delete_image", PRIVATE_P1, true },
    { "a reader does not", &reader, "delete_image", PRIVATE_P1, false },
    { "another project does not", &other, "delete_image", PUBLIC_P1, false },
    { "a reader sees its own", &reader, "get_image", PRIVATE_P1, true },
    { "another project does not see a private one", &other, "get_image", PRIVATE_P1, false },
    { "everybody with a role sees a public one", &other, "get_image", PUBLIC_P1, true },
    { "without a role nothing is seen", &norole, "get_image", PUBLIC_P1, false },
    { "a reader does not download", &reader, "download_image", PRIVATE_P1, false },
    { "a member of another project downloads a public one", &other, "download_image", PUBLIC_P1, true },
    { "only an administrator publishes", &member, "publicize_image", PRIVATE_P1, false },
    { "a member makes it a community image", &member, "communitize_image", PRIVATE_P1, true },
    { "an image of nobody is not everybody's", &member, "modify_image", NOBODYS, false },
};

static void default_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct policy_target t;

        policy_target_image(&images[rows[i].image], rows[i].who, &t);
        CHECK_CASE(rows[i].name, policy_allows(rows[i].who, rows[i].rule, &t) == rows[i].let);
    }
}

static void creating_for_somebody_else(void **state)
{
    struct policy_target own = { .project = "p1", .owner = "p1", .visibility = -1 };
    struct policy_target foreign = { .project = "p1", .owner = "p2", .visibility = -1 };

    (void)state;
    assert_true(policy_allows(&member, "add_image", &own));
    assert_false(policy_allows(&member, "add_image", &foreign));
    assert_true(policy_allows(&admin, "add_image", &foreign));
    assert_false(policy_allows(&reader, "add_image", &own));
}

static void the_caller_is_a_member_only_of_what_others_share(void **state)
{
    struct policy_target t;

    (void)state;
    policy_target_image(&images[SHARED_P1], &other, &t);
    assert_string_equal(t.member, "p2");
    policy_target_image(&images[SHARED_P1], &member, &t);
    assert_null(t.member);
    policy_target_image(&images[PRIVATE_P1], &other, &t);
    assert_null(t.member);
}

static void without_authentication(void **state)
{
    struct identity strict, open;
    struct policy_target t = { .visibility = -1 };

    (void)state;
    identity_unauthenticated(true, &strict);
    identity_unauthenticated(false, &open);
    assert_true(strict.is_admin && open.is_admin);
    assert_false(policy_allows(&strict, "get_images", &t));
    assert_true(policy_allows(&open, "get_images", &t));
    assert_true(policy_allows(&open, "publicize_image", &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_rules),
        cmocka_unit_test(creating_for_somebody_else),
        cmocka_unit_test(the_caller_is_a_member_only_of_what_others_share),
        cmocka_unit_test(without_authentication),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
