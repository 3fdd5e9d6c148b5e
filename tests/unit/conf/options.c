/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "files.h"

/* The table is data that people edit: what a slip could break. */
static void options_are_sound(void **state)
{
    (void)state;
    for (const struct option *o = conf_options; o->name; o++) {
        bool accepted = o->flags & OPTION_NO_EFFECT;

        CHECK_CASE(o->name, accepted || (o->help && str_ends(o->help, ".")));
        CHECK_CASE(o->name, str_eq(o->group, "*") ? (o->flags & OPTION_ANY_GROUP) != 0 : true);
        CHECK_CASE(o->name, !o->old || strchr(o->old, '/'));
        CHECK_CASE(o->name, o->min <= o->max);
        for (const char *p = o->name; *p; p++)
            CHECK_CASE(o->name, (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_');
        for (const struct option *other = conf_options; other < o; other++)
            CHECK_CASE(o->name, !(str_eq(other->group, o->group) && str_eq(other->name, o->name)));
    }
}

/* Marked by Glance and its libraries, or so named that anybody would take them for it. */
static const char *const secrets[] = {
    "DEFAULT/transport_url",
    "oslo_messaging_notifications/transport_url",
    "profiler/hmac_keys",
    "profiler/connection_string",
    "database/slave_connection",
    "database/asyncio_connection",
    "vault/root_token_id",
    "vault/approle_secret_id",
    "*/swift_store_key",
    "*/s3_store_access_key",
    "*/s3_store_secret_key",
    "*/vmware_server_password",
    "*/cinder_store_password",
    "keystone_authtoken/admin_token",
    "DEFAULT/metadata_encryption_key",
};

static bool is_named_secret(const char *name)
{
    return strstr(name, "password") || strstr(name, "secret") || strstr(name, "hmac") ||
           strstr(name, "passphrase") || str_ends(name, "_key") || str_eq(name, "token");
}

static void secrets_are_marked(void **state)
{
    size_t found = 0;

    (void)state;
    for (const struct option *o = conf_options; o->name; o++) {
        char path[128];

        snprintf(path, sizeof path, "%s/%s", o->group, o->name);
        if (is_named_secret(o->name))
            CHECK_CASE(path, (o->flags & OPTION_SECRET) != 0);
        for (size_t i = 0; i < COUNT(secrets); i++)
            if (str_eq(path, secrets[i])) {
                CHECK_CASE(path, (o->flags & OPTION_SECRET) != 0);
                found++;
            }
    }
    assert_int_equal(found, COUNT(secrets));
}

static void defaults_are_valid(void **state)
{
    struct config_input in = { .options = conf_options };
    struct config *c = NULL;
    struct error e;

    (void)state;
    if (config_read(&in, &c, &e) < 0)
        fail_msg("%s", e.message);
    assert_int_equal(config_int(c, "DEFAULT", "image_size_cap"), 1099511627776);
    assert_int_equal(config_int(c, "DEFAULT", "bind_port"), 9292);
    config_free(c);
}

static const struct {
    const char *name, *conf;
    size_t warnings;
} leftovers[] = {
    { "an option of the servers before uWSGI", "[DEFAULT]\nhttp_keepalive = false\n", 1 },
    { "Keystone's section", "[keystone_authtoken]\nauth_url = x\npassword = y\nmemcached_servers = z\n", 3 },
    { "a driver's options in a store's section", "[ceph]\nrbd_store_pool = images\nrbd_store_user = glance\n",
      2 },
    { "messaging", "[oslo_messaging_rabbit]\nrabbit_quorum_queue = true\n", 1 },
    { "nothing", "[DEFAULT]\ndebug = true\n", 0 },
};

static void leftovers_are_accepted_by_name(void **state)
{
    for (size_t i = 0; i < COUNT(leftovers); i++) {
        struct config *c = load_text(*state, leftovers[i].conf);
        size_t n = 0;

        for (const char *const *w = config_warnings(c); *w; w++, n++)
            CHECK_CASE(*w, str_ends(*w, " is accepted and has no effect here"));
        CHECK_CASE(leftovers[i].name, n == leftovers[i].warnings);
        config_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_sound),
        cmocka_unit_test(secrets_are_marked),
        cmocka_unit_test(defaults_are_valid),
        cmocka_unit_test_setup_teardown(leftovers_are_accepted_by_name, place_setup, place_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
