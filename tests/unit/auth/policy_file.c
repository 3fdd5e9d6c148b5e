/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/policy_private.h"
#include "test.h"

#include <string.h>

static struct str said; /* what the loader told the operator */

static void collect(enum log_level level UNUSED, const char *text)
{
    str_add(&said, text);
    str_addc(&said, '\n');
}

static const struct policy_options options = { .default_rule = "default", .say = collect };

static const struct {
    const char *name, *text;
    const char *rule, *expression; /* the rule that was read last of this name; NULL: none */
    const char *said;              /* a part of it */
} good[] = {
    { "nothing", "", NULL, NULL, "" },
    { "comments", "# a\n--- \n# b\n", NULL, NULL, "" },
    { "an empty mapping", "{}", NULL, NULL, "" },
    { "plain text", "a: role:admin or role:x\n", "a", "role:admin or role:x", "" },
    { "JSON", "{\"a\": \"rule:b\",\n \"b\": \"@\"}", "b", "@", "" },
    { "the last of two", "a: role:x\na: role:y\n", "a", "role:y", "" },
    { "a folded text", "a: >\n  role:x\n  or role:y\n", "a", "role:x or role:y\n", "" },
    { "a list", "a: [[role:x, role:y], [role:z], '@']\n", "a", "role:x and role:y or role:z or @", "" },
    { "an empty list", "a: []\n", "a", "", "" },
    { "a list of an empty list", "a: [[]]\n", "a", "!", "" },
    { "no expression", "a:\n", "a", "", "t:1: the rule a has no expression: it lets everybody\n" },
    { "null", "a: ~\n", "a", "", "t:1: the rule a has no expression: it lets everybody\n" },
    { "an empty text", "a: ''\n", "a", "", "" },
    { "a quoted word", "a: 'yes'\n", "a", "yes", "policy rule a: 'yes' is no check: it lets nobody\n" },
    { "a number", "a: 5\n", "a", "5", "policy rule a: '5' is no check: it lets nobody\n" },
    { "an alias", "a: &x role:x\nb: *x\n", "b", "role:x", "" },
    { "no grammar", "a: role:x and\n", "a", "role:x and",
      "policy rule a: 'role:x and' cannot be parsed: it lets nobody\n" },
    { "a literal that is none", "a: '?:x'\n", "a", "?:x",
      "policy rule a: '?:x' cannot be evaluated: it lets nobody\n" },
    { "no such format", "a: x:%(y)q\n", "a", "x:%(y)q", "cannot be evaluated" },
    { "a byte order mark",
      "\xEF\xBB\xBF"
      "a: role:x\n",
      "a", "role:x", "" },
};

static void files_are_read_as_yaml(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct arena *a = arena_make(1024);
        struct raw_rules raw = { 0 };
        const struct raw_rule *found = NULL;
        struct error e;

        str_clear(&said);
        error_clear(&e);
        if (policy_text_load(a, "t", good[i].text, strlen(good[i].text), &options, &raw, &e) < 0)
            str_add(&said, e.message);
        for (size_t r = 0; r < raw.n; r++)
            if (str_eq(raw.items[r].name, good[i].rule))
                found = &raw.items[r];
        CHECK_CASE(good[i].name, !good[i].rule == !found);
        if (found && !str_eq(found->expression, good[i].expression))
            fail_msg("%s: '%s'", good[i].name, found->expression);
        if (!strstr(str_text(&said), good[i].said) || (!*good[i].said && said.len))
            fail_msg("%s: '%s'", good[i].name, str_text(&said));
        arena_free(a);
    }
    str_done(&said);
}

static const struct {
    const char *name, *text, *message;
} bad[] = {
    { "a list of rules", "# x\n- a\n", "t:2: a policy file maps names of rules to expressions" },
    { "a text", "role:admin\n", "t:1: a policy file maps names of rules to expressions" },
    { "a boolean", "a: '@'\nb: false\n",
      "t:2: an expression is a text (in quotes, where YAML would see something else) or a list" },
    { "a mapping", "a:\n  b: c\n",
      "t:2: an expression is a text (in quotes, where YAML would see something else) or a list" },
    { "a bare exclamation mark", "a: !\n",
      "t:1: an expression is a text (in quotes, where YAML would see something else) or a list" },
    { "another type", "a: !!int 5\n",
      "t:1: an expression is a text (in quotes, where YAML would see something else) or a list" },
    { "a list in a list in a list", "a: [[[b]]]\n", "t:1: a list of rules holds texts and lists of texts" },
    { "a mapping in a list", "a:\n- b: c\n", "t:2: a list of rules holds texts and lists of texts" },
    { "a list as a name", "[a]: b\n", "t:1: a rule's name is a text" },
    { "two documents", "a: '@'\n---\nb: '@'\n", "t:2: a policy file is one document" },
    { "an open quote", "a: \"b\n", "t:2: not YAML: found unexpected end of stream" },
    { "a reserved character", "a: @\n", "t:1: not YAML: found character that cannot start any token" },
    { "a tab", "a: '@'\n\tb: c\n", "t:2: not YAML: found character that cannot start any token" },
    { "no UTF-8", "a: '\xFF'\n", "t:1: not YAML: invalid leading UTF-8 octet" },
    { "an unknown alias", "a: *b\n", "t:1: not YAML: found undefined alias" },
    { "a merge with itself", "&a\n<<: *a\n", "t:1: too many merges" },
};

static void wrong_files_are_named_with_their_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct arena *a = arena_make(1024);
        struct raw_rules raw = { 0 };
        struct error e;

        CHECK_CASE(bad[i].name,
                   policy_text_load(a, "t", bad[i].text, strlen(bad[i].text), &options, &raw, &e) < 0);
        CHECK_CASE(bad[i].name, e.kind == ERROR_INVALID);
        if (!str_eq(e.message, bad[i].message))
            fail_msg("%s: '%s'", bad[i].name, e.message);
        arena_free(a);
    }
    str_done(&said);
}

static void merged_rules_give_way(void **state)
{
    static const char text[] = "<<: [{a: role:m1, b: role:m1}, {b: role:m2, c: role:m2}]\na: role:own\n";
    static const char *const want[][2] = { { "a", "role:own" }, { "b", "role:m1" }, { "c", "role:m2" } };
    struct arena *a = arena_make(1024);
    struct raw_rules raw = { 0 };
    struct policy_rules *r;
    struct error e;

    (void)state;
    if (policy_text_load(a, "t", text, sizeof text - 1, &options, &raw, &e) < 0)
        fail_msg("%s", e.message);
    r = policy_rules_make(a, &options, &raw);
    for (size_t i = 0; i < COUNT(want); i++)
        assert_string_equal(policy_rule_find(r, want[i][0])->expression, want[i][1]);
    policy_release(r);
}

static const struct {
    const char *name, *text, *said;
} sets[] = {
    { "an unknown reference", "a: rule:nowhere\n", "policy rules that refer to a rule nobody defines: a\n" },
    { "a circle", "a: rule:b\nb: not rule:c\nc: '@ and rule:a'\nd: '@'\n",
      "policy rules that refer to each other in a circle and let nobody that way: a, b, c\n" },
    { "itself", "a: rule:a\n",
      "policy rules that refer to each other in a circle and let nobody that way: a\n" },
    { "what everybody refers to", "a: rule:default\n", "" },
};

static void sets_tell_what_is_odd(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sets); i++) {
        struct arena *a = arena_make(1024);
        struct raw_rules raw = { 0 };
        struct error e;

        str_clear(&said);
        CHECK_CASE(sets[i].name,
                   policy_text_load(a, "t", sets[i].text, strlen(sets[i].text), &options, &raw, &e) == 0);
        policy_release(policy_rules_make(a, &options, &raw));
        if (!str_eq(str_text(&said), sets[i].said))
            fail_msg("%s: '%s'", sets[i].name, str_text(&said));
    }
    str_done(&said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_as_yaml),
        cmocka_unit_test(wrong_files_are_named_with_their_line),
        cmocka_unit_test(merged_rules_give_way),
        cmocka_unit_test(sets_tell_what_is_odd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
