/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config_values.h"

static void shown_text(struct fixture *f, const char *text, bool all, struct str *out)
{
    struct config *c = NULL;
    struct error e;

    if (read_text(f, text, &c, &e) < 0)
        fail_msg("%s", e.message);
    str_clear(out);
    config_show(c, all, out);
    config_free(c);
}

static const struct {
    const char *name, *text, *line;
} shown[] = {
    { "a value", "name = a\n", "name = a\n" },
    { "a section", "[database]\nhost = x\n", "[database]\n# " },
    { "a secret", "[database]\npassword = hunter2\n", "password = ****\n" },
    { "a password in a URL",
      "[database]\nconnection = mysql+pymysql://glance:hunter2@db:3306/glance?charset=utf8\n",
      "connection = mysql+pymysql://glance:****@db:3306/glance?charset=utf8\n" },
    { "a password with an at sign", "[database]\nconnection = x://u:hun@ter2@db/g\n",
      "connection = x://u:****@db/g\n" },
    { "a user without password", "[database]\nconnection = x://u@db/g\n", "connection = x://u@db/g\n" },
    { "what may be a password", "name = http://h/a:b@c\n", "name = http://h/a:****@c\n" },
    { "a password with slashes and a question mark", "[database]\nconnection = x://u:/hun?/ter2@db/g\n",
      "connection = x://u:****@db/g\n" },
    { "several hosts", "name = x://u:hunter2@h:1,u:hunter2@i:2,u:hunter2@j:3//\n",
      "name = x://u:****@j:3//\n" },
    { "a token of http", "name = https://hunter2@h/\n", "name = https://****@h/\n" },
    { "a password in a query", "name = x://h/d?user=u&password=hunter2&a=b\n",
      "name = x://h/d?user=u&password=****&a=b\n" },
    { "a password of words", "name = host=h ssl_key_password=hunter2 hunter2\n",
      "name = host=h ssl_key_password=****\n" },
    { "a password without a scheme", "name = u:hunter2@h\n", "name = u:****@h\n" },
    { "no password", "name = http://h:9292/v2?marker=x\n", "name = http://h:9292/v2?marker=x\n" },
    { "several URLs", "name = x://a:hunter2@h,y://b:hunter2@i\n", "name = x://a:****@h,y://b:****@i\n" },
    { "what was substituted", "name = <$host>\n", "name = <localhost>\n" },
    { "a dollar sign", "name = a$$b\n", "name = a$$b\n" },
    { "a backslash before a dollar sign", "name = a\\\\$b\n", "name = a\\\\$b\n" },
    { "outer blanks", "name = ' a '\n", "name = \" a \"\n" },
    { "several lines", "name = a\n b\n", "name = a\n    b\n" },
    { "several lines in quotes", "name = ' a '\n b\"\n", "name = \" a \"\n    b\"\n" },
    { "several values", "many = a\nmany = b\n", "many = a\nmany = b\n" },
    { "a backend", "[fast]\ndatadir = /x\n", "[fast]\n# " },
    { "an accepted one that is set", "idle = 5\n", "idle = 5\n" },
};

static void config_shows(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    for (size_t i = 0; i < COUNT(shown); i++) {
        shown_text(*state, shown[i].text, false, &out);
        if (!strstr(str_text(&out), shown[i].line))
            fail_msg("%s: '%s'", shown[i].name, str_text(&out));
        CHECK_CASE(shown[i].name, !strstr(str_text(&out), "ter2"));
    }
}

static void config_shows_origins(void **state)
{
    struct fixture *f = *state;
    const char *files[] = { f->file, NULL };
    const char *environment[] = { "OS_DEFAULT__HOST=e", NULL }, *overrides[] = { "DEFAULT.port=1", NULL };
    struct config_input in = {
        .options = options, .files = files, .overrides = overrides, .environment = (char **)environment
    };
    CLEANUP(str_done) struct str out = STR_INIT, expected = STR_INIT;
    struct config *c = NULL;
    struct error e;

    write_file(f->file, "\nname = a\n");
    assert_int_equal(config_read(&in, &c, &e), 0);
    config_show(c, false, &out);
    str_addf(&expected,
             "[DEFAULT]\n# %s:2\nname = a\n# command line\nport = 1\n"
             "# environment variable OS_DEFAULT__HOST\nhost = e\n",
             f->file);
    assert_string_equal(str_text(&out), str_text(&expected));
    str_clear(&out);
    config_show(c, true, &out);
    assert_non_null(strstr(str_text(&out), "# default\nlevel = 7\n"));
    assert_non_null(strstr(str_text(&out), "# not set\n#pairs =\n"));
    assert_null(strstr(str_text(&out), "idle"));
    assert_null(strstr(str_text(&out), "[*]"));
    config_free(c);
}

/* What is shown means the same when it is read again. */
static void config_reads_what_it_shows(void **state)
{
    CLEANUP(str_done) struct str once = STR_INIT, twice = STR_INIT;
    struct fixture *f = *state;
    struct config *c = NULL;
    struct error e;

    shown_text(f,
               "name = ' a$$b '\nmany = 1\nmany = x\n y\npairs = a:1, b:2\nbounded = ['a,b']\nquota = 5GB\n"
               "[database]\nhost = \"'q'\"\n[fast]\nweight = 4\n",
               false, &once);
    shown_text(f, str_text(&once), false, &twice);
    assert_int_equal(read_text(f, str_text(&once), &c, &e), 0);
    assert_string_equal(config_str(c, "DEFAULT", "name"), " a$b ");
    assert_string_equal(config_str(c, "database", "host"), "'q'");
    assert_int_equal(config_int(c, "DEFAULT", "quota"), INT64_C(5) << 30);
    assert_int_equal(config_int(c, "fast", "weight"), 4);
    config_free(c);
}

static void the_sample_reads_back_as_the_defaults(void **state)
{
    CLEANUP(str_done) struct str sample = STR_INIT, bare = STR_INIT;
    struct fixture *f = *state;
    struct config *c = NULL;
    struct error e;

    config_sample(options, &sample);
    assert_non_null(
        strstr(str_text(&sample), "[DEFAULT]\n\n# Log more.\n# True or false.\n#debug = false\n"));
    assert_non_null(strstr(str_text(&sample), "# An integer from 1 to 10.\n#level = 7\n"));
    assert_non_null(strstr(str_text(&sample), "A change needs a restart.\n#port = 9292\n"));
    assert_null(strstr(str_text(&sample), "idle"));
    assert_int_equal(read_text(f, str_text(&sample), &c, &e), 0);
    config_free(c);
    /* With the comment signs of the assignments gone it still means the defaults. */
    for (const char *p = str_text(&sample); *p; p = strchrnul(p, '\n'), p += *p == '\n')
        if (*p != '#' || p[1] == ' ' || p[1] == '[')
            str_addf(&bare, "%.*s\n", (int)strcspn(p, "\n"), p);
        else if (p[strcspn(p, "\n") - 1] != '=')
            str_addf(&bare, "%.*s\n", (int)strcspn(p + 1, "\n"), p + 1);
    if (read_text(f, str_text(&bare), &c, &e) < 0)
        fail_msg("%s", e.message);
    assert_int_equal(config_int(c, "DEFAULT", "level"), 7);
    assert_string_equal(config_str(c, "DEFAULT", "url"), "http://localhost:9292/");
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(config_shows, setup, teardown),
        cmocka_unit_test_setup_teardown(config_shows_origins, setup, teardown),
        cmocka_unit_test_setup_teardown(config_reads_what_it_shows, setup, teardown),
        cmocka_unit_test_setup_teardown(the_sample_reads_back_as_the_defaults, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
