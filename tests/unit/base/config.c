/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config_values.h"

/* The value of an option as text that a table can hold. */
static void describe(const struct config *c, const char *group, const char *name, struct str *out)
{
    const char *text = config_str(c, group, name);
    const char *const *items;
    size_t n = config_list(c, group, name, &items);

    if (n > 0) {
        for (size_t i = 0; i < n; i++)
            str_addf(out, "<%s>", items[i]);
    } else {
        str_add(out, text ? text : "unset");
    }
}

static const struct {
    const char *name, *text, *group, *option, *value;
} syntax[] = {
    { "equals sign", "name = a\n", "DEFAULT", "name", "a" },
    { "colon", "name: a\n", "DEFAULT", "name", "a" },
    { "the first separator splits", "name: a=b:c\n", "DEFAULT", "name", "a=b:c" },
    { "an equals sign before a colon", "name=a:b\n", "DEFAULT", "name", "a:b" },
    { "a section", "[database]\nhost = h\n", "database", "host", "h" },
    { "sections ignore case", "[DataBase]\nhost = h\n", "database", "host", "h" },
    { "DEFAULT does not", "[default]\nname = h\n", "DEFAULT", "name", "unset" },
    { "no final newline", "name = a", "DEFAULT", "name", "a" },
    { "CR before LF", "name = a\r\n", "DEFAULT", "name", "a" },
    { "a byte order mark", "\xEF\xBB\xBFname = a\n", "DEFAULT", "name", "a" },
    { "comments", "# x\n; y\nname = a\n#name = b\n", "DEFAULT", "name", "a" },
    { "no inline comment", "name = a # b ; c\n", "DEFAULT", "name", "a # b ; c" },
    { "double quotes go", "name = \" a \"\n", "DEFAULT", "name", " a " },
    { "single quotes go", "name = 'a'\n", "DEFAULT", "name", "a" },
    { "one pair only", "name = ''a''\n", "DEFAULT", "name", "'a'" },
    { "different quotes stay", "name = 'a\"\n", "DEFAULT", "name", "'a\"" },
    { "a lone quote is empty", "name = \"\n", "DEFAULT", "name", "" },
    { "continuation", "name = a\n  b\n\tc\n", "DEFAULT", "name", "a\nb\nc" },
    { "an empty line ends a value", "name = a\n\nhost = h\n", "DEFAULT", "name", "a" },
    { "a comment ends a value", "name = a\n# x\nhost = h\n", "DEFAULT", "name", "a" },
    { "dashes are underscores", "at-least = 8\n", "DEFAULT", "at_least", "8" },
    { "the last line wins", "name = a\nname = b\n", "DEFAULT", "name", "b" },
    { "a section may come twice", "[database]\n[DEFAULT]\nname=x\n[database]\nhost=h\n", "database", "host",
      "h" },
    { "multi-valued lines add up", "many = a\nmany = b\n", "DEFAULT", "many", "<a><b>" },
    { "an empty string is a value", "name =\n", "DEFAULT", "name", "" },
    { "a backend's section", "[fast]\ndatadir = /f\n", "fast", "datadir", "/f" },
    { "another backend keeps the default", "[fast]\ndatadir = /f\n", "slow", "datadir", "/var" },
    { "the single store's section", "[glance_store]\ndatadir = /g\n", "glance_store", "datadir", "/g" },
    { "not everybody is a backend", "[database]\ndatadir = /d\n", "database", "datadir", "/var" },
    { "an old name", "sql_connection = x\n", "database", "connection", "x" },
    { "another old name", "[sql]\nconnection = x\n", "database", "connection", "x" },
    { "the current name wins in one file", "[database]\nconnection = new\n[DEFAULT]\nsql_connection = old\n",
      "database", "connection", "new" },
    { "a dotted section", "[a.b]\nc = x\n", "a.b", "c", "x" },
};

static void config_reads_syntax(void **state)
{
    struct error e;

    for (size_t i = 0; i < COUNT(syntax); i++) {
        CLEANUP(str_done) struct str value = STR_INIT;
        struct config *c = NULL;

        if (read_text(*state, syntax[i].text, &c, &e) < 0)
            fail_msg("%s: %s", syntax[i].name, e.message);
        describe(c, syntax[i].group, syntax[i].option, &value);
        if (!str_eq(str_text(&value), syntax[i].value))
            fail_msg("%s: '%s'", syntax[i].name, str_text(&value));
        config_free(c);
    }
}

static const struct {
    const char *name, *text, *message;
} malformed[] = {
    { "no separator", "debug = 1\nnonsense\n", ":2: no '=' or ':' after the name" },
    { "no name", "= x\n", ":1: no name before '=' or ':'" },
    { "an open section", "\n[data\n", ":2: a section must end with ']': '[data'" },
    { "a comment behind a section", "[a] # b\n", ":1: a section must end with ']': '[a] # b'" },
    { "a nameless section", "[]\n", ":1: a section needs a name: '[]'" },
    { "a continuation of nothing", "  x = 1\n",
      ":1: an indented line continues a value, and there is none before it" },
    { "a continuation after an empty line", "name = a\n\n  b\n",
      ":3: an indented line continues a value, and there is none before it" },
    { "bool", "debug = maybe\n", ":1: [DEFAULT] debug: 'maybe' is not valid: expected true or false" },
    { "the last line is judged", "debug = maybe\ndebug = perhaps\n",
      ":2: [DEFAULT] debug: 'perhaps' is not valid: expected true or false" },
    { "int", "level = 5x\n", ":1: [DEFAULT] level: '5x' is not valid: expected an integer from 1 to 10" },
    { "int too small", "level = 0\n",
      ":1: [DEFAULT] level: '0' is not valid: expected an integer from 1 to 10" },
    { "int too large", "level = 11\n",
      ":1: [DEFAULT] level: '11' is not valid: expected an integer from 1 to 10" },
    { "int at least", "at_least = -1\n",
      ":1: [DEFAULT] at_least: '-1' is not valid: expected an integer of at least 0" },
    { "int over 64 bits", "offset = 9223372036854775808\n",
      ":1: [DEFAULT] offset: '9223372036854775808' is not valid: expected an integer" },
    { "float", "ratio = 0,5\n", ":1: [DEFAULT] ratio: '0,5' is not valid: expected a number from 0 to 1" },
    { "float range", "ratio = 1.5\n",
      ":1: [DEFAULT] ratio: '1.5' is not valid: expected a number from 0 to 1" },
    { "port", "port = 65536\n",
      ":1: [DEFAULT] port: '65536' is not valid: expected a port number from 0 to 65535" },
    { "choice", "colour = blue\n", ":1: [DEFAULT] colour: 'blue' is not valid: expected one of red, green" },
    { "choice in a list", "picked = a,d\n",
      ":1: [DEFAULT] picked: 'a,d' is not valid: expected a list like a,b, each one of a, b, c" },
    { "brackets", "bounded = a,b\n",
      ":1: [DEFAULT] bounded: 'a,b' is not valid: expected a list in brackets, like [a,b]" },
    { "half a bracket", "bounded = [a,b\n",
      ":1: [DEFAULT] bounded: '[a,b' is not valid: expected a list in brackets, like [a,b]" },
    { "an open quote in a list", "bounded = ['a,b]\n",
      ":1: [DEFAULT] bounded: '['a,b]' is not valid: expected a list in brackets, like [a,b]" },
    { "dict", "pairs = a:1,b\n",
      ":1: [DEFAULT] pairs: 'a:1,b' is not valid: expected pairs like name:value,name:value" },
    { "dict without a key", "pairs = :1\n",
      ":1: [DEFAULT] pairs: ':1' is not valid: expected pairs like name:value,name:value" },
    { "quota", "quota = 5PB\n",
      ":1: [DEFAULT] quota: '5PB' is not valid: expected a number of bytes, or a number followed by KB, MB, "
      "GB or TB" },
    { "octal", "mode = 0689\n",
      ":1: [DEFAULT] mode: '0689' is not valid: expected an octal file mode like 0640" },
    { "circle", "name = $host\nhost = $name\n", ": the reference $name leads back to itself" },
    { "itself", "name = x$name\n", ":1: [DEFAULT] name: the reference $name leads back to itself" },
};

static void config_refuses_with_file_and_line(void **state)
{
    struct fixture *f = *state;
    struct error e;

    for (size_t i = 0; i < COUNT(malformed); i++) {
        struct config *c = NULL;

        CHECK_CASE(malformed[i].name, read_text(f, malformed[i].text, &c, &e) == -1);
        CHECK_CASE(malformed[i].name, c == NULL && e.kind == ERROR_INVALID);
        if (!str_starts(e.message, f->file) || !str_ends(e.message, malformed[i].message))
            fail_msg("%s: '%s'", malformed[i].name, e.message);
    }
}

static void config_hides_a_bad_secret(void **state)
{
    struct option secret[] = { { "DEFAULT", "pin", OPTION_INT, NULL, .flags = OPTION_SECRET },
                               { .name = NULL } };
    const char *pairs[] = { "DEFAULT.pin=hunter2", NULL };
    struct config_input in = { .options = secret, .overrides = pairs };
    struct config *c = NULL;
    struct error e;

    (void)state;
    assert_int_equal(config_read(&in, &c, &e), -1);
    assert_string_equal(e.message, "command line: [DEFAULT] pin: '****' is not valid: expected an integer");
}

static const struct {
    const char *name, *text, *option;
    const char *value;
} references[] = {
    { "a default may refer", "host = h\n", "url", "http://h:9292/" },
    { "bare", "name = <$host>\n", "name", "<localhost>" },
    { "braces", "name = ${host}s\n", "name", "localhosts" },
    { "another section", "name = $database.host-\n", "name", "db-" },
    { "another section in braces", "name = ${database.host}x\n", "name", "dbx" },
    { "a dotted section", "name = ${a.b.c}\n", "name", "dotted" },
    { "two dollars", "name = $$host\n", "name", "$host" },
    { "a backslash", "name = \\$host\n", "name", "$host" },
    { "another backslash stays", "name = a\\b$\n", "name", "a\\b$" },
    { "unknown stays", "name = $nobody and ${nobody}\n", "name", "$nobody and ${nobody}" },
    { "an open brace stays", "name = ${host\n", "name", "${host" },
    { "a number is no name", "name = pa$5word\n", "name", "pa$5word" },
    { "unset is empty", "host = <$name>\n", "host", "<>" },
    { "chains", "name = $host\nhost = $colour\n", "name", "red" },
    { "into a number", "level = $at_least\n", "level", "5" },
};

static void config_substitutes(void **state)
{
    struct error e;

    for (size_t i = 0; i < COUNT(references); i++) {
        struct config *c = NULL;

        if (read_text(*state, references[i].text, &c, &e) < 0)
            fail_msg("%s: %s", references[i].name, e.message);
        if (!str_eq(config_str(c, "DEFAULT", references[i].option), references[i].value))
            fail_msg("%s: '%s'", references[i].name, config_str(c, "DEFAULT", references[i].option));
        config_free(c);
    }
}

static void config_substitutes_from_the_own_section_first(void **state)
{
    struct config *c = NULL;
    struct error e;

    assert_int_equal(
        read_text(*state, "[database]\nconnection = $host $colour\n[fast]\ndatadir = /x/$weight\n", &c, &e),
        0);
    assert_string_equal(config_str(c, "database", "connection"), "db red");
    config_free(c);
}

static void config_lets_stronger_sources_win(void **state)
{
    struct fixture *f = *state;
    char second[96], dir[96], in_dir[128];
    const char *files[] = { f->file, second, NULL }, *dirs[] = { "/nonexistent", dir, NULL };
    const char *profile[] = { "DEFAULT.name=profile", "DEFAULT.level=2", "DEFAULT.many=p", "fast.weight=9",
                              NULL };
    const char *overrides[] = { "DEFAULT.port=1", "a.b.c=x=y", NULL };
    const char *environment[] = { "OS_DEFAULT__HOST=env",  "OS_DEFAULT__PORT=2",
                                  "OS_FAST__DATADIR=/env", "OS_AUTH_URL=x",
                                  "OS_DEFAULT__MANY=e",    "PATH=/bin",
                                  "OS_A_B__C=w",           NULL };
    struct config_input in = { options, files, dirs, overrides, profile, (char **)environment };
    struct config_origin at;
    const char *const *items;
    struct config *c = NULL;
    struct error e;

    snprintf(second, sizeof second, "%s/b.conf", f->dir);
    snprintf(dir, sizeof dir, "%s/d", f->dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    write_file(f->file, "name = first\ndebug = true\nat_least = 1\nmany = 1\n");
    write_file(second, "name = second\nat_least = 2\nmany = 2\nport = 3\n");
    snprintf(in_dir, sizeof in_dir, "%s/2.conf", dir);
    write_file(in_dir, "at_least = 4\n");
    snprintf(in_dir, sizeof in_dir, "%s/1.conf", dir);
    write_file(in_dir, "at_least = 3\n");
    snprintf(in_dir, sizeof in_dir, "%s/3.ini", dir);
    write_file(in_dir, "at_least = 5\n");
    if (config_read(&in, &c, &e) < 0)
        fail_msg("%s", e.message);
    assert_string_equal(config_str(c, "DEFAULT", "name"), "second");
    assert_true(config_bool(c, "DEFAULT", "debug"));
    assert_int_equal(config_int(c, "DEFAULT", "level"), 2);
    assert_int_equal(config_int(c, "DEFAULT", "at_least"), 4);
    assert_int_equal(config_int(c, "DEFAULT", "port"), 1);
    assert_string_equal(config_str(c, "DEFAULT", "host"), "env");
    assert_string_equal(config_str(c, "a.b", "c"), "x=y");
    assert_string_equal(config_str(c, "fast", "datadir"), "/env");
    assert_int_equal(config_int(c, "fast", "weight"), 9);
    assert_int_equal(config_list(c, "DEFAULT", "many", &items), 1);
    assert_string_equal(items[0], "e");
    assert_string_equal(config_origin(c, "DEFAULT", "host", &at), "environment variable OS_DEFAULT__HOST");
    assert_int_equal(at.kind, ORIGIN_ENVIRONMENT);
    config_origin(c, "DEFAULT", "at_least", &at);
    assert_int_equal(at.kind, ORIGIN_FILE);
    assert_true(str_ends(at.file, "/d/2.conf") && at.line == 1);
    config_origin(c, "DEFAULT", "level", &at);
    assert_int_equal(at.kind, ORIGIN_PROFILE);
    config_origin(c, "DEFAULT", "colour", &at);
    assert_int_equal(at.kind, ORIGIN_DEFAULT);
    assert_true(config_is_set(c, "DEFAULT", "port"));
    assert_false(config_is_set(c, "DEFAULT", "colour"));
    config_free(c);
}

static void config_adds_up_over_files(void **state)
{
    struct fixture *f = *state;
    char second[96];
    const char *files[] = { f->file, second, NULL }, *const * items;
    struct config_input in = { .options = options, .files = files };
    struct config *c = NULL;
    struct error e;

    snprintf(second, sizeof second, "%s/b.conf", f->dir);
    write_file(f->file, "many = a\nmany = $host\n");
    write_file(second, "many = c\n");
    assert_int_equal(config_read(&in, &c, &e), 0);
    assert_int_equal(config_list(c, "DEFAULT", "many", &items), 3);
    assert_string_equal(items[1], "localhost");
    assert_string_equal(items[2], "c");
    config_free(c);
}

static const struct {
    const char *name, *text, *warning;
} warned[] = {
    { "nearest name", "debgu = 1\n", ":1: [DEFAULT] debgu: unknown option, ignored; did you mean debug?" },
    { "other section", "connection = x\n",
      ":1: [DEFAULT] connection: unknown option, ignored; it belongs in [database]" },
    { "other section and name", "[database]\ncolor = x\n",
      ":2: [database] color: unknown option, ignored; did you mean colour of [DEFAULT]?" },
    { "a backend's", "[fast]\ndatadirs = x\n",
      ":2: [fast] datadirs: unknown option, ignored; did you mean datadir of a backend's section?" },
    { "nothing near", "entirely_unrelated = 1\n",
      ":1: [DEFAULT] entirely_unrelated: unknown option, ignored" },
    { "no effect", "idle = 1\n", ":1: [DEFAULT] idle is accepted and has no effect here" },
    { "old name", "sql_connection = x\n",
      ":1: [DEFAULT] sql_connection is an old name: write connection in section [database]" },
};

static void config_warns_by_name(void **state)
{
    struct error e;

    for (size_t i = 0; i < COUNT(warned); i++) {
        struct config *c = NULL;
        const char *const *w;

        CHECK_CASE(warned[i].name, read_text(*state, warned[i].text, &c, &e) == 0);
        w = config_warnings(c);
        CHECK_CASE(warned[i].name, w[0] != NULL && w[1] == NULL);
        if (!str_ends(w[0], warned[i].warning))
            fail_msg("%s: '%s'", warned[i].name, w[0]);
        config_free(c);
    }
}

static void config_names_files_it_cannot_read(void **state)
{
    const char *files[] = { "/nonexistent/x.conf", NULL }, *dir[] = { "/tmp", NULL };
    struct config_input in = { .options = options, .files = files };
    struct config *c = NULL;
    struct error e;

    (void)state;
    assert_int_equal(config_read(&in, &c, &e), -1);
    assert_string_equal(e.message, "/nonexistent/x.conf: cannot be read: No such file or directory");
    in.files = dir;
    assert_int_equal(config_read(&in, &c, &e), -1);
    assert_string_equal(e.message, "/tmp: cannot be read: Is a directory");
}

static void config_wants_whole_pairs(void **state)
{
    const char *overrides[] = { "debug", NULL };
    struct config_input in = { .options = options, .overrides = overrides };
    struct config *c = NULL;
    struct error e;

    (void)state;
    assert_int_equal(config_read(&in, &c, &e), -1);
    assert_string_equal(e.message, "'debug' is not of the form group.name=value");
}

static void config_is_shared_by_counting(void **state)
{
    struct config_input in = { .options = options };
    struct config *c = NULL;
    struct error e;

    (void)state;
    assert_int_equal(config_read(&in, &c, &e), 0);
    assert_ptr_equal(config_ref(c), c);
    config_free(c);
    assert_string_equal(config_str(c, "DEFAULT", "colour"), "red");
    config_free(c);
    config_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(config_reads_syntax, setup, teardown),
        cmocka_unit_test_setup_teardown(config_refuses_with_file_and_line, setup, teardown),
        cmocka_unit_test(config_hides_a_bad_secret),
        cmocka_unit_test_setup_teardown(config_substitutes, setup, teardown),
        cmocka_unit_test_setup_teardown(config_substitutes_from_the_own_section_first, setup, teardown),
        cmocka_unit_test_setup_teardown(config_lets_stronger_sources_win, setup, teardown),
        cmocka_unit_test_setup_teardown(config_adds_up_over_files, setup, teardown),
        cmocka_unit_test_setup_teardown(config_warns_by_name, setup, teardown),
        cmocka_unit_test(config_names_files_it_cannot_read),
        cmocka_unit_test(config_wants_whole_pairs),
        cmocka_unit_test(config_is_shared_by_counting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
