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

static struct policy_rules *rules_of(bool enforce_new_defaults)
{
    const struct policy_options o = { .default_rule = "default",
                                      .enforce_new_defaults = enforce_new_defaults };
    struct policy *p;
    struct policy_rules *r;
    struct error e;

    if (policy_open(&o, &p, &e) < 0)
        fail_msg("%s", e.message);
    r = policy_hold(p);
    policy_close(p);
    return r;
}

static void default_rules(void **state)
{
    struct policy_rules *r = rules_of(true);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct policy_target t;

        policy_target_image(&images[rows[i].image], rows[i].who, &t);
        CHECK_CASE(rows[i].name, policy_allows(r, rows[i].who, rows[i].rule, &t) == rows[i].let);
    }
    policy_release(r);
}

static void new_images_have_an_owner(void **state)
{
    struct policy_rules *r = rules_of(true);
    struct policy_target own, foreign;

    (void)state;
    policy_target_proposed("p1", "private", &own);
    policy_target_proposed("p2", "private", &foreign);
    assert_true(policy_allows(r, &member, "add_image", &own));
    assert_false(policy_allows(r, &member, "add_image", &foreign));
    assert_true(policy_allows(r, &admin, "add_image", &foreign));
    assert_false(policy_allows(r, &reader, "add_image", &own));
    policy_release(r);
}

static void shared_with_the_caller(void **state)
{
    struct policy_rules *r = rules_of(true);
    struct policy_target t;

    (void)state;
    policy_target_image(&images[SHARED_P1], &other, &t);
    assert_true(policy_allows(r, &other, "modify_member", &t));
    policy_target_image(&images[SHARED_P1], &member, &t);
    assert_false(policy_allows(r, &member, "modify_member", &t));
    policy_target_image(&images[PRIVATE_P1], &other, &t);
    assert_false(policy_allows(r, &other, "modify_member", &t));
    policy_release(r);
}

static const struct {
    const char *rule;
    bool strict, widened; /* for an administrator without roles, by enforce_new_defaults */
} without_authentication[] = {
    { "get_images", false, true },
    { "add_image", false, true },
    { "delete_image_location", false, true },
    { "publicize_image", false, false },
    { "copy_image", false, false },
    { "download_from_store", false, false },
    { "get_task", true, true },
    { "cache_list", false, false },
    { "get_metadef_namespaces", false, true },
    { "default", true, true },
    { "metadef_admin", false, false },
};

static void older_defaults_widen(void **state)
{
    struct policy_rules *strict = rules_of(true), *widened = rules_of(false);
    struct policy_target t;
    struct identity id;

    (void)state;
    identity_unauthenticated(&id);
    assert_true(id.is_admin);
    policy_target_proposed(NULL, "private", &t);
    for (size_t i = 0; i < COUNT(without_authentication); i++) {
        const char *rule = without_authentication[i].rule;

        /* no project and no owner are equal, but that is no role */
        CHECK_CASE(rule, policy_allows(strict, &id, rule, &t) == without_authentication[i].strict);
        CHECK_CASE(rule, policy_allows(widened, &id, rule, &t) == without_authentication[i].widened);
    }
    policy_release(strict);
    policy_release(widened);
}

static void rules_are_for_projects(void **state)
{
    struct policy_rules *r = rules_of(true);
    struct identity system = admin, domain = admin, empty = admin;
    struct policy_target t;

    (void)state;
    system.system_scope = "all";
    domain.domain = "d1";
    empty.system_scope = empty.domain = "";
    policy_target_image(&images[PUBLIC_P1], &admin, &t);
    assert_false(policy_allows(r, &system, "get_image", &t));
    assert_false(policy_allows(r, &domain, "get_image", &t));
    assert_true(policy_allows(r, &empty, "get_image", &t));
    assert_true(policy_allows(r, &system, "context_is_admin", &t));
    policy_release(r);
}

static void there_are_67_defaults(void **state)
{
    struct policy_rules *r = rules_of(true);
    struct policy_rule_info info;
    size_t n = 0;

    (void)state;
    while (policy_rule_at(r, n, &info))
        n++;
    assert_int_equal(n, 67);
    policy_release(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_rules),          cmocka_unit_test(new_images_have_an_owner),
        cmocka_unit_test(shared_with_the_caller), cmocka_unit_test(older_defaults_widen),
        cmocka_unit_test(rules_are_for_projects), cmocka_unit_test(there_are_67_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
