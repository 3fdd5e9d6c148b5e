/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "files.h"

static void collect(void *arg, const char *text)
{
    str_add(arg, text);
    str_addc(arg, '\n');
}

static const struct {
    const char *name, *conf, *refusal, *warning;
} settings[] = {
    { "nothing to say", "[DEFAULT]\ndebug = true\n", NULL, "" },
    { "encrypted locations", "[DEFAULT]\nmetadata_encryption_key = 0123456789abcdef\n",
      ":2: [DEFAULT] metadata_encryption_key is not supported yet: encrypted locations in the database could "
      "not be read",
      "" },
    { "delayed delete", "[DEFAULT]\ndelayed_delete = true\n",
      ":2: [DEFAULT] delayed_delete is not supported yet: data of deleted images is removed at once", "" },
    { "delayed delete turned off", "[DEFAULT]\ndelayed_delete = False\n", NULL, "" },
    { "an empty value", "[DEFAULT]\nmetadata_encryption_key =\n", NULL, "" },
    { "quotas of Keystone", "[DEFAULT]\nuse_keystone_limits = on\n",
      ":2: [DEFAULT] use_keystone_limits is not supported yet: no quota from Keystone would be enforced",
      "" },
    { "a cache directory", "[DEFAULT]\nimage_cache_dir = /c\n", NULL,
      ":2: [DEFAULT] image_cache_dir is not supported yet: there is no image cache: every download reads the "
      "store\n" },
    { "a policy file that is not there", "[oslo_policy]\npolicy_file = none.yaml\n", NULL,
      ":2: [oslo_policy] policy_file none.yaml is not there: the default rules apply\n" },
    { "a policy file that is", "[oslo_policy]\npolicy_file = /dev/null\n", NULL, "" },
    { "notifications that go nowhere", "[oslo_messaging_notifications]\ndriver = noop\n", NULL, "" },
};

static void check_names_what_it_cannot_do(void **state)
{
    struct place *p = *state;
    struct error e;

    for (size_t i = 0; i < COUNT(settings); i++) {
        CLEANUP(str_done) struct str said = STR_INIT;
        struct config *c = load_text(p, settings[i].conf);
        int result = conf_check(c, collect, &said, &e);

        CHECK_CASE(settings[i].name, result == (settings[i].refusal ? -1 : 0));
        if (settings[i].refusal && !str_ends(e.message, settings[i].refusal))
            fail_msg("%s: '%s'", settings[i].name, e.message);
        if (!str_ends(str_text(&said), settings[i].warning))
            fail_msg("%s: '%s'", settings[i].name, str_text(&said));
        config_free(c);
    }
}

static void check_tells_of_a_policy_file_that_is_not_read(void **state)
{
    struct place *p = *state;
    CLEANUP(str_done) struct str said = STR_INIT, set = STR_INIT;
    struct config *c = load_text(p, ""), *named = load_text(p, "[oslo_policy]\npolicy_file = policy.json\n");
    char path[96];
    struct error e;

    snprintf(path, sizeof path, "%s/policy.json", p->dir);
    put_file(path, "{}");
    assert_int_equal(conf_check(c, collect, &said, &e), 0);
    assert_true(str_starts(str_text(&said), path));
    assert_true(str_ends(str_text(&said), " is not read: [oslo_policy] policy_file is policy.yaml\n"));
    assert_int_equal(conf_check(named, collect, &set, &e), 0);
    assert_string_equal(str_text(&set), "");
    config_free(c);
    config_free(named);
}

static void search_follows_the_files(void **state)
{
    struct place *p = *state;
    struct arena *a = arena_make(256);
    struct config *c = load_text(p, "");
    const char *const *dirs = conf_search_dirs(c, a);
    size_t n = 0;

    assert_string_equal(dirs[0], p->dir);
    while (dirs[n])
        n++;
    assert_int_equal(n, 5);
    assert_string_equal(dirs[3], "/etc/glance");
    assert_string_equal(dirs[4], "/etc");
    config_free(c);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(check_names_what_it_cannot_do, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(check_tells_of_a_policy_file_that_is_not_read, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(search_follows_the_files, place_setup, place_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
