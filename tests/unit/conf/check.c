/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "files.h"

static void collect(void *arg, const char *text)
{
    str_add(arg, text);
    str_addc(arg, '\n');
}

static const struct {
    const char *name, *conf, *policy, *refusal, *warning;
} settings[] = {
    { "nothing to say", "[DEFAULT]\ndebug = true\n", NULL, NULL, "" },
    { "property protection", "[DEFAULT]\nproperty_protection_file = /x\n", NULL,
      ":2: [DEFAULT] property_protection_file is not supported yet: protected properties would be open to "
      "everybody",
      "" },
    { "encrypted locations", "[DEFAULT]\nmetadata_encryption_key = 0123456789abcdef\n", NULL,
      ":2: [DEFAULT] metadata_encryption_key is not supported yet: encrypted locations in the database could "
      "not be read",
      "" },
    { "several stores", "[DEFAULT]\nenabled_backends = a:file, b:file\n", NULL,
      ":2: [DEFAULT] enabled_backends is not supported yet: image data is kept in one store, [glance_store] "
      "default_store",
      "" },
    { "delayed delete", "[DEFAULT]\ndelayed_delete = true\n", NULL,
      ":2: [DEFAULT] delayed_delete is not supported yet: data of deleted images is removed at once", "" },
    { "delayed delete turned off", "[DEFAULT]\ndelayed_delete = False\n", NULL, NULL, "" },
    { "an empty file name", "[DEFAULT]\nproperty_protection_file =\n", NULL, NULL, "" },
    { "quotas of Keystone", "[DEFAULT]\nuse_keystone_limits = on\n", NULL,
      ":2: [DEFAULT] use_keystone_limits is not supported yet: no quota from Keystone would be enforced",
      "" },
    { "a cache directory", "[DEFAULT]\nimage_cache_dir = /c\n", NULL, NULL,
      ":2: [DEFAULT] image_cache_dir is not supported yet: there is no image cache: every download reads the "
      "store\n" },
    { "notifications that go nowhere", "[oslo_messaging_notifications]\ndriver = noop\n", NULL, NULL, "" },
    { "an empty policy file", "", "# all defaults\n---\n{}\n\n", NULL, "" },
    { "a policy with a rule", "", "# mine\n\"add_image\": \"role:admin\"\n",
      "/policy.yaml:2: policy files are not supported yet, and a rule that is not enforced would open what "
      "it closes: the "
      "built-in defaults apply without it",
      "" },
    { "a policy file elsewhere", "[oslo_policy]\npolicy_file = other.yaml\n", "add_image: x\n", NULL, "" },
};

static void check_names_what_it_cannot_do(void **state)
{
    struct place *p = *state;
    char policy[96];
    struct error e;

    snprintf(policy, sizeof policy, "%s/policy.yaml", p->dir);
    for (size_t i = 0; i < COUNT(settings); i++) {
        CLEANUP(str_done) struct str said = STR_INIT;
        struct config *c = load_text(p, settings[i].conf);
        int result;

        unlink(policy);
        if (settings[i].policy)
            put_file(policy, settings[i].policy);
        result = conf_check(c, collect, &said, &e);
        CHECK_CASE(settings[i].name, result == (settings[i].refusal ? -1 : 0));
        if (settings[i].refusal && !str_ends(e.message, settings[i].refusal))
            fail_msg("%s: '%s'", settings[i].name, e.message);
        if (!str_ends(str_text(&said), settings[i].warning))
            fail_msg("%s: '%s'", settings[i].name, str_text(&said));
        config_free(c);
    }
}

static void check_reads_policy_directories(void **state)
{
    struct place *p = *state;
    struct config *c = load_text(p, "");
    char dir[96], file[128];
    struct error e;

    snprintf(dir, sizeof dir, "%s/policy.d", p->dir);
    snprintf(file, sizeof file, "%s/a.yaml", dir);
    mkdir(dir, 0700);
    put_file(file, "#\n");
    assert_int_equal(conf_check(c, collect, NULL, &e), 0);
    put_file(file, "\"delete_image\": \"!\"\n");
    assert_int_equal(conf_check(c, collect, NULL, &e), -1);
    assert_true(str_starts(e.message, file));
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(check_names_what_it_cannot_do, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(check_reads_policy_directories, place_setup, place_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
