/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/config_private.h"

#include <string.h>

static const struct {
    const char *name;
    enum option_type type;
    const char *text;
    bool valid;
    const char *shown;
} values[] = {
    { "true", OPTION_BOOL, "True", true, "1" },
    { "one", OPTION_BOOL, "1", true, "1" },
    { "yes", OPTION_BOOL, "YES", true, "1" },
    { "on", OPTION_BOOL, "on", true, "1" },
    { "false", OPTION_BOOL, "FALSE", true, "0" },
    { "zero", OPTION_BOOL, "0", true, "0" },
    { "no", OPTION_BOOL, "no", true, "0" },
    { "off", OPTION_BOOL, "Off", true, "0" },
    { "an empty bool", OPTION_BOOL, "", false, "" },
    { "two is no bool", OPTION_BOOL, "2", false, "" },
    { "blanks around a bool", OPTION_BOOL, " true ", true, "1" },
    { "an int", OPTION_INT, "42", true, "42" },
    { "a negative int", OPTION_INT, "-42", true, "-42" },
    { "a plus sign", OPTION_INT, "+42", true, "42" },
    { "two signs", OPTION_INT, "+-42", false, "" },
    { "hexadecimal", OPTION_INT, "0x10", false, "" },
    { "a fraction", OPTION_INT, "1.5", false, "" },
    { "a float", OPTION_FLOAT, "1.5", true, "1.5" },
    { "an exponent", OPTION_FLOAT, "2e3", true, "2000" },
    { "infinity", OPTION_FLOAT, "inf", false, "" },
    { "port 0", OPTION_PORT, "0", true, "0" },
    { "port -1", OPTION_PORT, "-1", false, "" },
    { "bytes", OPTION_QUOTA, "512", true, "512" },
    { "bytes with B", OPTION_QUOTA, "512B", true, "512" },
    { "KB", OPTION_QUOTA, "2KB", true, "2048" },
    { "mb", OPTION_QUOTA, "2mb", true, "2097152" },
    { "GB", OPTION_QUOTA, "2GB", true, "2147483648" },
    { "TB", OPTION_QUOTA, "1TB", true, "1099511627776" },
    { "too many TB", OPTION_QUOTA, "8388608TB", false, "" },
    { "a unit alone", OPTION_QUOTA, "GB", false, "" },
    { "a negative quota", OPTION_QUOTA, "-1", false, "" },
    { "octal", OPTION_OCTAL, "640", true, "416" },
    { "octal with a zero", OPTION_OCTAL, "0640", true, "416" },
    { "Python's octal", OPTION_OCTAL, "0o640", true, "416" },
    { "octal too large", OPTION_OCTAL, "77777", false, "" },
    { "a list", OPTION_LIST, " a, b ,c ", true, "<a><b><c>" },
    { "a list's last comma", OPTION_LIST, "a,b,", true, "<a><b>" },
    { "an empty item", OPTION_LIST, "a,,b", true, "<a><><b>" },
    { "an empty list", OPTION_LIST, "", true, "" },
    { "a plain list keeps quotes", OPTION_LIST, "'a','b'", true, "<'a'><'b'>" },
    { "a bounded list", OPTION_BOUNDED_LIST, "[a, b]", true, "<a><b>" },
    { "an empty bounded list", OPTION_BOUNDED_LIST, "[]", true, "" },
    { "a blank bounded list", OPTION_BOUNDED_LIST, "[ ]", true, "" },
    { "quoted items", OPTION_BOUNDED_LIST, "['a,b', \"c\"]", true, "<a,b><c>" },
    { "a quote in the middle", OPTION_BOUNDED_LIST, "[a'b, c]", true, "<a'b><c>" },
    { "a quoted quote", OPTION_BOUNDED_LIST, "['a'b', c]", true, "<a'b><c>" },
    { "a comma behind the brackets", OPTION_BOUNDED_LIST, "[a],", true, "<a>" },
    { "an open quote", OPTION_BOUNDED_LIST, "['a, b]", false, "" },
    { "one bracket", OPTION_BOUNDED_LIST, "[", false, "" },
    { "a dict", OPTION_DICT, "a:1, b : 2:3", true, "<a:1><b:2:3>" },
    { "an empty dict", OPTION_DICT, "", true, "" },
    { "a dict without colon", OPTION_DICT, "a", false, "" },
};

static void show(const struct option *o, const struct config_value *v, struct str *out)
{
    if (o->type == OPTION_FLOAT)
        str_addf(out, "%g", v->real);
    else if (o->type == OPTION_LIST || o->type == OPTION_BOUNDED_LIST || o->type == OPTION_DICT)
        for (size_t i = 0; i < v->n_items; i++)
            str_addf(out, "<%s>", v->items[i]);
    else
        str_addf(out, "%lld", (long long)v->number);
}

static void config_value_reads_every_type(void **state)
{
    struct arena *a = arena_make(4096);

    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        CLEANUP(str_done) struct str shown = STR_INIT;
        struct option o = { "g", "n", .type = values[i].type };
        struct config_value v = { 0 };
        bool valid = config_value_read(a, &o, values[i].text, &v) == 0;

        CHECK_CASE(values[i].name, valid == values[i].valid);
        if (!valid)
            continue;
        show(&o, &v, &shown);
        if (!str_eq(str_text(&shown), values[i].shown))
            fail_msg("%s: '%s'", values[i].name, str_text(&shown));
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(config_value_reads_every_type) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
