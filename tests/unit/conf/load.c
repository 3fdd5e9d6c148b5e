/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "files.h"

static void without_files_it_is_standalone(void **state)
{
    struct place *p = *state;
    struct conf_request rq = { .standalone = true };
    struct config *c;
    char expected[256];

    unsetenv("OS_GLANCE_CONFIG_DIR");
    c = load_or_fail(&rq);

    assert_true(conf_is_standalone(c));
    assert_null(conf_files(c)[0]);
    assert_string_equal(config_str(c, "glint", "data_dir"), conf_data_dir());
    snprintf(expected, sizeof expected, "sqlite:///%s/glance.sqlite", conf_data_dir());
    assert_string_equal(config_str(c, "database", "connection"), expected);
    snprintf(expected, sizeof expected, "%s/images", conf_data_dir());
    assert_string_equal(config_str(c, "glance_store", "filesystem_store_datadir"), expected);
    assert_string_equal(config_str(c, "DEFAULT", "bind_host"), "127.0.0.1");
    assert_null(config_warnings(c)[0]);
    config_free(c);
    assert_non_null(p);
}

static void the_data_directory_moves_all_of_it(void **state)
{
    const char *overrides[] = { "glint.data_dir=/elsewhere", NULL };
    struct conf_request rq = { .overrides = overrides, .standalone = true };
    struct config *c;

    (void)state;
    unsetenv("OS_GLANCE_CONFIG_DIR");
    c = load_or_fail(&rq);
    assert_string_equal(config_str(c, "database", "connection"), "sqlite:////elsewhere/glance.sqlite");
    assert_string_equal(config_str(c, "glance_store", "filesystem_store_datadir"), "/elsewhere/images");
    config_free(c);
}

static void a_file_ends_standalone(void **state)
{
    struct place *p = *state;
    struct config *c = load_text(p, "[DEFAULT]\ndebug = true\n");

    assert_false(conf_is_standalone(c));
    assert_string_equal(conf_files(c)[0], p->conf);
    assert_null(conf_files(c)[1]);
    assert_null(config_str(c, "database", "connection"));
    assert_string_equal(config_str(c, "DEFAULT", "bind_host"), "0.0.0.0");
    assert_true(config_bool(c, "oslo_policy", "enforce_new_defaults"));
    config_free(c);
}

static void what_the_program_prefers_gives_way_to_every_file(void **state)
{
    struct place *p = *state;
    const char *defaults[] = { "glint.access_log=false", "DEFAULT.bind_port=1234", NULL };
    struct conf_request rq = { .defaults = defaults, .standalone = true };
    struct config *c;

    unsetenv("OS_GLANCE_CONFIG_DIR");
    c = load_or_fail(&rq);
    assert_true(conf_is_standalone(c));
    assert_false(config_bool(c, "glint", "access_log"));
    assert_string_equal(config_str(c, "DEFAULT", "bind_host"), "127.0.0.1");
    config_free(c);
    put_file(p->conf, "[glint]\naccess_log = true\n");
    rq.files = (const char *const[]){ p->conf, NULL };
    c = load_or_fail(&rq);
    assert_true(config_bool(c, "glint", "access_log"));
    assert_int_equal(config_int(c, "DEFAULT", "bind_port"), 1234);
    config_free(c);
}

static void put_in(const struct place *p, const char *name, const char *text)
{
    char path[160], *slash;

    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    slash = strrchr(path, '/');
    *slash = '\0';
    mkdir(path, 0700);
    *slash = '/';
    put_file(path, text);
}

/* Each source overrides the port of the ones before it, in Glance's order. */
static const struct {
    const char *name, *file;
    int64_t port;
} order[] = {
    { "image import options come first", "glance-image-import.conf", 1 },
    { "then the service's file", "glance-api.conf", 2 },
    { "then the common directory", "glance.conf.d/10.conf", 3 },
    { "sorted by name", "glance.conf.d/20.conf", 4 },
    { "then the service's directory", "glance-api.conf.d/00.conf", 5 },
};

static void files_come_in_glances_order(void **state)
{
    struct place *p = *state;
    struct conf_request rq = { .standalone = true };

    for (size_t i = 0; i < COUNT(order); i++) {
        char text[64];
        struct config *c;

        snprintf(text, sizeof text, "[DEFAULT]\nbind_port = %d\n", (int)order[i].port);
        put_in(p, order[i].file, text);
        c = load_or_fail(&rq);
        CHECK_CASE(order[i].name, config_int(c, "DEFAULT", "bind_port") == order[i].port);
        config_free(c);
    }
}

static void the_tool_reads_its_own_file_last(void **state)
{
    struct place *p = *state;
    struct conf_request rq = { .tool = "manage" };
    struct config *c;

    put_in(p, "glance-image-import.conf", "bind_port = 1\n");
    put_in(p, "glance-api.conf", "bind_port = 2\nworkers = 2\n");
    put_in(p, "glance-manage.conf", "bind_port = 3\n");
    c = load_or_fail(&rq);
    assert_int_equal(config_int(c, "DEFAULT", "bind_port"), 3);
    assert_int_equal(config_int(c, "DEFAULT", "workers"), 2);
    config_free(c);
    unsetenv("OS_GLANCE_CONFIG_DIR");
    put_in(p, ".glance/glance-manage.conf", "bind_port = 4\n");
    c = load_or_fail(&rq);
    assert_int_equal(config_int(c, "DEFAULT", "bind_port"), 4);
    config_free(c);
}

static void named_files_replace_the_search(void **state)
{
    struct place *p = *state;
    char mine[96], dir[96];
    const char *files[] = { mine, NULL }, *dirs[] = { dir, NULL }, *none[] = { "/nonexistent", NULL };
    const char *overrides[] = { "DEFAULT.workers=9", NULL };
    const char *environment[] = { "OS_DEFAULT__WORKERS=8", "OS_DEFAULT__BACKLOG=7", NULL };
    struct conf_request rq = { files, dirs, overrides, (char **)environment, NULL, NULL, false };
    struct config *c;
    struct error e;

    put_in(p, "glance-api.conf", "bind_port = 2\n");
    put_in(p, "mine.conf", "debug = true\nworkers = 3\nbacklog = 3\n");
    put_in(p, "d/a.conf", "debug = false\n");
    snprintf(mine, sizeof mine, "%s/mine.conf", p->dir);
    snprintf(dir, sizeof dir, "%s/d", p->dir);
    c = load_or_fail(&rq);
    assert_int_equal(config_int(c, "DEFAULT", "bind_port"), 9292);
    assert_false(config_bool(c, "DEFAULT", "debug"));
    assert_int_equal(config_int(c, "DEFAULT", "workers"), 9);
    assert_int_equal(config_int(c, "DEFAULT", "backlog"), 7);
    config_free(c);
    rq.dirs = none;
    assert_int_equal(conf_load(&rq, &c, &e), -1);
    assert_string_equal(e.message, "/nonexistent: no such directory (--config-dir)");
}

/* Where a configuration is meant and has no file; each with what the message says. */
static const struct {
    const char *name, *config_dir, *dir, *data_dir, *put, *message;
} absent[] = {
    { "a mistyped OS_GLANCE_CONFIG_DIR", "@/none", NULL, "@/data", NULL,
      "the directory @/none (OS_GLANCE_CONFIG_DIR) is not there" },
    { "a directory without files", "@", NULL, "@/data", NULL,
      "there is no glance-api.conf in @ (OS_GLANCE_CONFIG_DIR)" },
    { "an empty OS_GLANCE_CONFIG_DIR", "", NULL, "@/data", NULL, "(OS_GLANCE_CONFIG_DIR is empty)" },
    { "a --config-dir without files", NULL, "@", "@/data", NULL, "@ (--config-dir) has no .conf file" },
    { "files of other names", NULL, "@/d", "@/data", "d/glance-api.conf.rpmnew",
      "@/d (--config-dir) has no .conf file" },
    { "drop-in files alone", "@/none", NULL, "@/data", "glance-api.conf.d/debug.conf",
      "the directory @/none (OS_GLANCE_CONFIG_DIR) is not there" },
    { "a --config-dir that is a file", NULL, "@/x.conf", "@/data", "x.conf",
      "@/x.conf: is no directory (--config-dir)" },
};

/* The text with the place's directory for each @. */
static const char *in_place(const struct place *p, const char *text, char *out, size_t size)
{
    CLEANUP(str_done) struct str made = STR_INIT;

    if (!text)
        return NULL;
    for (; *text; text++)
        str_add(&made, *text == '@' ? p->dir : (char[]){ *text, '\0' });
    str_copy(out, size, str_text(&made));
    return out;
}

static void name_by_environment(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void what_is_meant_and_not_there_is_an_error(void **state)
{
    struct place *p = *state;
    char config_dir[128], dir[128], data_dir[128], message[256];

    for (size_t i = 0; i < COUNT(absent); i++) {
        const char *dirs[] = { in_place(p, absent[i].dir, dir, sizeof dir), NULL };
        struct conf_request rq = { .dirs = dirs, .standalone = true };
        struct config *c;
        struct error e;

        name_by_environment("OS_GLANCE_CONFIG_DIR",
                            in_place(p, absent[i].config_dir, config_dir, sizeof config_dir));
        name_by_environment("GLINT_DATA_DIR", in_place(p, absent[i].data_dir, data_dir, sizeof data_dir));
        if (absent[i].put)
            put_in(p, absent[i].put, "[DEFAULT]\ndebug = true\n");
        CHECK_CASE(absent[i].name, conf_load(&rq, &c, &e) < 0);
        in_place(p, absent[i].message, message, sizeof message);
        if (!strstr(e.message, message))
            fail_msg("%s: %s", absent[i].name, e.message);
    }
}

static void without_leave_there_is_no_standalone(void **state)
{
    struct conf_request rq = { 0 };
    struct config *c;
    struct error e;

    (void)state;
    unsetenv("OS_GLANCE_CONFIG_DIR");
    assert_int_equal(conf_load(&rq, &c, &e), -1);
    assert_non_null(
        strstr(e.message, "no configuration was found: there is no glance-api.conf in /etc/glance"));
}

static void only_this_machine_reaches_standalone(void **state)
{
    static const struct {
        const char *set;
        bool right;
    } cases[] = {
        { "DEFAULT.bind_host=127.0.0.1", true },
        { "DEFAULT.bind_host=127.1.2.3", true },
        { "DEFAULT.bind_host=::1", true },
        { "DEFAULT.bind_host=localhost", true },
        { "DEFAULT.bind_host=", true },
        { "DEFAULT.bind_host=0.0.0.0", false },
        { "DEFAULT.bind_host=*", false },
        { "DEFAULT.bind_host=::", false },
        { "DEFAULT.bind_host=10.0.0.1", false },
        { "DEFAULT.bind_host=127.0.0.1.example", false },
        { "glint.bind_uwsgi=127.0.0.1:3031", true },
        { "glint.bind_uwsgi=[::1]:3031", true },
        { "glint.bind_uwsgi=0.0.0.0:3031", false },
        { "glint.bind_uwsgi=[::]:3031", false },
    };

    (void)state;
    unsetenv("OS_GLANCE_CONFIG_DIR");
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *overrides[] = { cases[i].set, NULL };
        struct conf_request rq = { .overrides = overrides, .standalone = true };
        struct config *c = load_or_fail(&rq);
        struct error e;

        CHECK_CASE(cases[i].set, (conf_check_standalone(c, &e) == 0) == cases[i].right);
        config_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_files_it_is_standalone, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(the_data_directory_moves_all_of_it, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_file_ends_standalone, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(what_the_program_prefers_gives_way_to_every_file, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(files_come_in_glances_order, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(the_tool_reads_its_own_file_last, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(named_files_replace_the_search, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(only_this_machine_reaches_standalone, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(without_leave_there_is_no_standalone, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(what_is_meant_and_not_there_is_an_error, place_setup, place_teardown),
    };

    setenv("GLINT_DATA_DIR", "/tmp/glint $data", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
