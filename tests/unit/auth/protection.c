/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/protection_private.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct str said;

static void collect(enum log_level level UNUSED, const char *text)
{
    str_add(&said, text);
    str_addc(&said, '\n');
}

static const struct protection_options by_roles = { .say = collect };
static const struct protection_options by_policies = { .policies = true, .say = collect };

/* ---- patterns ---- */

static const struct {
    const char *pattern, *name;
    bool matches;
} patterns[] = {
    { "x_", "x_a", true },
    { "x_", "a_x_b", true }, /* searched for, not matched from the start */
    { "^x_", "a_x_b", false },
    { "^x_$", "x_", true },
    { "^x_$", "x_\n", true },
    { "^x_\\Z", "x_\n", false },
    { "^x_\\z", "x_", true },
    { "", "anything", true },
    { "", "", true },
    { ".*", "", true },
    { "^.$", "ż", true },
    { "^\\w+$", "żółw", true },
    { "^\\d$", "٣", true },
    { "^[[:a]]$", ":]", true }, /* no class [:a] */
    { "^[[:alpha:]]$", "b", false },
    { "^[:a:]$", ":", true },
    { "^[^:a:]$", "b", true },
    { "^[]a]$", "]", true },
    { "^[^]a]$", "]", false },
    { "^[\\]a]$", "]", true },
    { "^a{,2}$", "aa", true },
    { "^a{,2}$", "aaa", false },
    { "^[{,2}]$", ",", true },
    { "^a{x}$", "a{x}", true },
    { "^\\x41\\u0142\\U0001F600$", "Ał😀", true },
    { "^\\a\\v\\f$", "\a\v\f", true },
    { "^\\v$", "\n", false },
    { "^(?P<n>ab)-(?P=n)$", "ab-ab", true },
    { "^(a)\\1$", "aa", true },
    { "^\\011\\101$", "\tA", true },
    { "^[\\1\\07]$", "\a", true },
    { "^\\0018$", "\0018", true },
    { "^(?i:AB)c$", "abc", true },
    { "(?i)^AB$", "ab", true },
    { "^a(?#a [remark)b$", "ab", true },
    { "^(?:a|b)+(?=c)", "abc", true },
    { "^(?!secret)", "secret", false },
    { "(?<!x)y", "xy", false },
    { "(?<=x)y", "xy", true },
    { "^(a)?(?(1)b|c)$", "c", true },
    { "^a\\.b$", "axb", false },
    { "^a++b$", "aab", true },
    { "^\\[odd\\]$", "[odd]", true },
};

static void patterns_mean_what_python_means(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(patterns); i++) {
        struct arena *a = arena_make(1024);
        pcre2_match_data *match = pcre2_match_data_create(1, NULL);
        const char *why;
        pcre2_code *code = pattern_compile(a, patterns[i].pattern, &why);
        bool found = code && pcre2_match(code, (PCRE2_SPTR)patterns[i].name, PCRE2_ZERO_TERMINATED, 0, 0,
                                         match, NULL) >= 0;

        CHECK_CASE(patterns[i].pattern, code != NULL);
        CHECK_CASE(patterns[i].pattern, found == patterns[i].matches);
        pcre2_code_free(code);
        pcre2_match_data_free(match);
        arena_free(a);
    }
}

static const struct {
    const char *pattern, *why;
} no_patterns[] = {
    { "(a", "missing closing parenthesis" },
    { "a)", "unmatched closing parenthesis" },
    { "[a", "missing terminating ]" },
    { "*a", "quantifier does not follow" },
    { "a\\", "a backslash at its end" },
    { "\\Qa\\E", "unknown escape \\Q" },
    { "\\h", "unknown escape \\h" },
    { "\\R", "unknown escape \\R" },
    { "\\pL", "unknown escape \\p" },
    { "[\\A]", "unknown escape \\A" },
    { "\\11", "non-existent" },
    { "(a)\\18", "non-existent" },
    { "\\400", "unknown escape \\400" },
    { "[\\8]", "unknown escape \\8" },
    { "\\x4", "incomplete escape \\x" },
    { "\\u12", "incomplete escape \\u" },
    { "\\U0011FFFF", "too large" },
    { "(*UTF)a", "nothing to repeat" },
    { "(*ACCEPT)", "nothing to repeat" },
    { "(?R)", "unknown extension" },
    { "(?|a)", "unknown extension" },
    { "(?<n>a)", "unknown extension" },
    { "(?P>n)", "unknown extension" },
    { "(?C1)a", "unknown extension" },
    { "(?", "unknown extension" },
    { "(?#never closed", "missing ')'" },
    { "(?#never closed\\)", "missing ')'" },
    { "(?P<n>a)(?P<n>b)", "same name" },
    { "\xFF", "UTF-8 error" },
};

static void what_python_refuses_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(no_patterns); i++) {
        struct arena *a = arena_make(1024);
        const char *why = "";
        pcre2_code *code = pattern_compile(a, no_patterns[i].pattern, &why);

        CHECK_CASE(no_patterns[i].pattern, code == NULL && why && strstr(why, no_patterns[i].why));
        pcre2_code_free(code);
        arena_free(a);
    }
}

/* ---- files that are refused ---- */

#define ALL(v) "create = " v "\nread = " v "\nupdate = " v "\ndelete = " v "\n"

static const struct {
    const char *name, *text;
    bool policies;
    const char *message; /* its start */
} bad[] = {
    { "no section", "create = x\n", false, "t:1: no [section] comes before this line" },
    { "a line that is none", "[a]\ncreate\n", false, "t:2: neither a [section] nor a line 'name = value'" },
    { "an open section", "[a\n", false, "t:1: no [section] comes before this line" },
    { "an empty section name", "[]\n", false, "t:1: no [section]" },
    { "no name", "[a]\n= x\n", false, "t:2: no name before '=' or ':'" },
    { "a zero byte", "[a]\ncreate = \0\n", false, "t:2: a zero byte" },
    { "a section twice", "[a]\n" ALL("@") "[b]\n" ALL("@") "[a]\n", false,
      "t:11: [a] is there twice: it began in line 1" },
    { "an option twice", "[a]\n" ALL("@") "READ = x\n", false,
      "t:6: 'read' is there twice in its section: also in line 3" },
    { "a default twice", "[DEFAULT]\nx = 1\nx = 2\n", false, "t:3: 'x' is there twice" },
    { "no create", "[a]\nread = @\nupdate = @\ndelete = @\n", false, "t:1: [a] does not say who may create" },
    { "no read", "\n[a]\ncreate = @\nupdate = @\ndelete = @\n", false, "t:2: [a] does not say who may read" },
    { "no update", "[a]\nread = @\ncreate = @\ndelete = @\n", false, "t:1: [a] does not say who may update" },
    { "no delete", "[a]\nread = @\ncreate = @\nupdate = @\n", false, "t:1: [a] does not say who may delete" },
    { "an empty section", "[a]\n[b]\n" ALL("@"), false, "t:1: [a] does not say who may create" },
    { "an unknown operation", "[a]\n" ALL("@") "destroy = @\n", false,
      "t:6: [a] 'destroy' is none of the operations" },
    { "everybody and nobody",
      "[a]\nread = admin,!,@\n"
      "create = @\nupdate = @\ndelete = @\n",
      false, "t:2: [a] '@' (everybody) and '!' (nobody) exclude each other" },
    { "no expression", "[a]\n" ALL("@") "[^(b]\n" ALL("@"), false,
      "t:6: [^(b] is no regular expression: missing closing parenthesis" },
    { "a lonely percent sign", "[a]\n" ALL("50%"), false,
      "t:2: create: '%' must be followed by '%' or '(name)s'" },
    { "an open reference", "[a]\n" ALL("%(x"), false, "t:2: create: '%' must be followed" },
    { "the line after other line ends", "[a]\r\ncreate = @\rread = %\nupdate = @\ndelete = @\n", false,
      "t:3: read: '%' must be followed" },
    { "a reference to nothing", "[a]\n" ALL("%(x)s"), false, "t:2: create: %(x)s is not defined" },
    { "references in a circle", "[a]\n" ALL("%(read)s"), false, "t:2: create: %(…)s leads back to itself" },
    { "references that double",
      "[DEFAULT]\na = \nb = %(a)s%(a)s%(a)s%(a)s%(a)s%(a)s%(a)s%(a)s%(a)s%(a)s\n"
      "c = %(b)s%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s\n"
      "d = %(c)s%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s\n"
      "e = %(d)s%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s\n[a]\n" ALL("%(e)s"),
      false, "t:8: create: the value is too long" },
    { "several policy rules", "[a]\n" ALL("context_is_admin,default"), true,
      "t:2: [a] names several policy rules; they can be put together in the policy file" },
};

/* "bad" has a text with a zero byte in it. */
static size_t length_of(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && text[n - 1] == ' ' ? n + 2 : n;
}

static void bad_files_are_refused_with_a_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        const struct protection_options *o = bad[i].policies ? &by_policies : &by_roles;
        struct protections *p = NULL;
        struct error e;
        int failed;

        error_clear(&e);
        failed = protections_parse(o, "t", bad[i].text, length_of(bad[i].text), &p, &e);
        if (!failed || !str_starts(e.message, bad[i].message))
            print_message("%s: %s\n", bad[i].name, e.message);
        CHECK_CASE(bad[i].name, failed && e.kind == ERROR_INVALID && str_starts(e.message, bad[i].message));
        if (!failed)
            protections_close(p);
    }
    str_done(&said);
}

/* ---- who may ---- */

static const char roles_file[] = "# a remark\n"
                                 "[DEFAULT]\n"
                                 "keepers = admin, Special\n"
                                 "delete = nobody_has_it\n"
                                 "\n"
                                 "[^first_]\n" ALL("admin") "[^first_second]\n" ALL(
                                     "@") "[os_glance_x]\n"
                                          "create = !\n" /* incomplete, but nobody looks at it */
                                          "[^mixed_]\n"
                                          "  Create : @\n"
                                          "read = %(Keepers)s\n"
                                          "; another remark\n"
                                          "update = admin,\n"
                                          "    special,\n"
                                          "\n"
                                          "    third\n"
                                          "delete = !\n"
                                          "[^default_]\n"
                                          "create = @\nread = @\nupdate = @, admin\n"
                                          "[^none_]\n"
                                          "create =\nread = !, admin\nupdate = %%(x)s\ndelete = ,\n"
                                          "[ spaced ]\n" ALL("@") "[^a[xy]] beyond\n" ALL(
                                              "@") "[slow(a+)+$]\n" ALL("@") "[secret]\n" ALL("admin");

static const struct {
    const char *property;
    enum property_right right;
    const char *role, *service_role;
    bool may;
} asked[] = {
    { "first_second_a", PROPERTY_READ, "admin", NULL, true }, /* the first section that matches */
    { "first_second_a", PROPERTY_READ, "member", NULL, false },
    { "a_first_second", PROPERTY_READ, "admin", NULL, false }, /* no section at all */
    { "unknown", PROPERTY_CREATE, "admin", NULL, false },
    { "", PROPERTY_CREATE, "admin", NULL, false },
    { "os_glance_x", PROPERTY_CREATE, "member", NULL, true },
    { "os_glance", PROPERTY_DELETE, "member", NULL, true },
    { "my_os_glance", PROPERTY_READ, "admin", NULL, false },
    { "mixed_a", PROPERTY_CREATE, "member", NULL, true },
    { "mixed_a", PROPERTY_READ, "member", NULL, false },
    { "mixed_a", PROPERTY_READ, "special", NULL, true },
    { "mixed_a", PROPERTY_READ, "member", "special", true },
    { "mixed_a", PROPERTY_READ, "member", "Special", false }, /* a service's roles are as they were sent */
    { "mixed_a", PROPERTY_UPDATE, "special", NULL, true },
    { "mixed_a", PROPERTY_UPDATE, "third", NULL, true },
    { "mixed_a", PROPERTY_UPDATE, "", NULL, false },
    { "mixed_a", PROPERTY_DELETE, "admin", NULL, false },
    { "default_a", PROPERTY_DELETE, "nobody_has_it", NULL, true },
    { "default_a", PROPERTY_DELETE, "admin", NULL, false },
    { "default_a", PROPERTY_UPDATE, "member", NULL, true },
    { "none_a", PROPERTY_CREATE, "admin", NULL, false },
    { "none_a", PROPERTY_READ, "admin", NULL, false },
    { "none_a", PROPERTY_UPDATE, "%(x)s", NULL, true },
    { "none_a", PROPERTY_DELETE, "", NULL, false },
    { "a spaced b", PROPERTY_READ, "member", NULL, true },
    { "spaced", PROPERTY_READ, "member", NULL, false },
    { "ax", PROPERTY_READ, "member", NULL, true },
    { "the_secret_b", PROPERTY_READ, "admin", NULL, true },
    { "the_secret_b", PROPERTY_READ, "member", NULL, false },
    { "slowaaaaaaaa", PROPERTY_READ, "member", NULL, true },
    /* Would take ages to say no, and is therefore not given to the next section. */
    { "slowaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaasecret!", PROPERTY_READ, "admin", NULL, false },
    { "secret\xFF", PROPERTY_READ, "admin", NULL, false },
};

static void roles_decide(void **state)
{
    struct protections *p;
    struct error e;

    (void)state;
    str_clear(&said);
    assert_int_equal(protections_parse(&by_roles, "t", roles_file, strlen(roles_file), &p, &e), 0);
    assert_string_equal(str_text(&said), "t:32: [^none_] create is empty: nobody may\n");
    for (size_t i = 0; i < COUNT(asked); i++) {
        const struct identity id = { .roles = { asked[i].role },
                                     .n_roles = *asked[i].role ? 1 : 0,
                                     .service_roles = { asked[i].service_role },
                                     .n_service_roles = asked[i].service_role != NULL };
        struct arena *a = arena_make(1024);
        struct property_rights *rights = property_rights_make(a, p, NULL, &id);

        for (int again = 0; again < 2; again++)
            CHECK_CASE(asked[i].property,
                       property_allowed(rights, asked[i].property, asked[i].right) == asked[i].may);
        arena_free(a);
    }
    protections_close(p);
    str_done(&said);
}

/* More names than are remembered at once; each answer is its own. */
static void many_names_keep_their_answers(void **state)
{
    static const char text[] = "[^x]\n" ALL("@") "[^y]\n" ALL("!");
    struct arena *a = arena_make(1024);
    const struct identity id = { 0 };
    struct property_rights *rights;
    struct protections *p;
    struct error e;

    (void)state;
    assert_int_equal(protections_parse(&by_roles, "t", text, strlen(text), &p, &e), 0);
    rights = property_rights_make(a, p, NULL, &id);
    for (int i = 0; i < 3000; i++) {
        const char *name = arena_printf(a, "%c%d", i % 2 ? 'x' : 'y', i % 500);

        assert_int_equal(property_allowed(rights, name, (enum property_right)(i % PROPERTY_RIGHTS)), i % 2);
    }
    protections_close(p);
    arena_free(a);
}

/* ---- policies ---- */

static struct policy_options policy_of(const struct protections *p)
{
    struct policy_options o = { .default_rule = "default", .enforce_new_defaults = true, .say = collect };

    o.n_added = protections_rules(p, &o.added);
    return o;
}

static const char policies_file[] = "[^x_]\n"
                                    "create = context_is_admin\n"
                                    "read = context_is_admin or role:special\n"
                                    "update = @\n"
                                    "delete = !\n"
                                    "[^y_]\n"
                                    "create =\n"
                                    "read = @\n"
                                    "update = default\n"
                                    "delete = context_is_admin and project_id:%%(project_id)s\n";

static const struct {
    const char *property;
    enum property_right right;
    const char *role, *service_role;
    bool may;
} asked_rules[] = {
    { "x_a", PROPERTY_CREATE, "admin", NULL, true },
    { "x_a", PROPERTY_CREATE, "member", NULL, false },
    { "x_a", PROPERTY_READ, "special", NULL, true },
    { "x_a", PROPERTY_READ, "member", "special", true },
    { "x_a", PROPERTY_READ, "member", NULL, false },
    { "x_a", PROPERTY_UPDATE, "member", NULL, true },
    { "x_a", PROPERTY_DELETE, "admin", NULL, false },
    { "y_a", PROPERTY_CREATE, "admin", NULL, false },
    { "y_a", PROPERTY_UPDATE, "member", NULL, true },
    { "y_a", PROPERTY_DELETE, "admin", NULL, false }, /* a property is asked about without a target */
    { "z_a", PROPERTY_READ, "admin", NULL, false },
};

static void policy_rules_decide(void **state)
{
    struct policy_options o;
    struct policy_rules *rules;
    struct protections *p;
    struct policy *policy;
    struct error e;

    (void)state;
    assert_int_equal(protections_parse(&by_policies, "t", policies_file, strlen(policies_file), &p, &e), 0);
    o = policy_of(p);
    assert_int_equal(o.n_added, 4);
    assert_int_equal(policy_open(&o, &policy, &e), 0);
    rules = policy_hold(policy);
    for (size_t i = 0; i < COUNT(asked_rules); i++) {
        const struct identity id = { .project = "p1",
                                     .roles = { asked_rules[i].role },
                                     .n_roles = 1,
                                     .service_roles = { asked_rules[i].service_role },
                                     .n_service_roles = asked_rules[i].service_role != NULL };
        struct arena *a = arena_make(1024);
        struct property_rights *rights = property_rights_make(a, p, rules, &id);

        CHECK_CASE(asked_rules[i].property, property_allowed(rights, asked_rules[i].property,
                                                             asked_rules[i].right) == asked_rules[i].may);
        arena_free(a);
    }
    policy_release(rules);
    policy_close(policy);
    protections_close(p);
    str_done(&said);
}

static const struct {
    const char *value, *message;
} bad_rules[] = {
    { "nobody_defines_it", "t:2: the policy rule 'nobody_defines_it' is defined nowhere" },
    { "default or nobody_defines_it", "t:2: 'rule:default or nobody_defines_it' is no policy rule" },
    { "default or rule:none", "t:2: the policy rule 'none' is defined nowhere" },
    { "role:admin", "t:2: the policy rule 'role:admin' is defined nowhere" },
    { "rule:default", "t:2: the policy rule 'rule:default' is defined nowhere" },
    { "default and", "t:2: 'rule:default and' is no policy rule" },
    { "not default", "t:2: 'rule:not default' is no policy rule" },
    { "default or x:%%(y)q", "t:2: 'rule:default or x:%(y)q' is no policy rule" },
};

static void bad_policy_rules_are_refused_with_a_place(void **state)
{
    (void)state;
    str_clear(&said);
    for (size_t i = 0; i < COUNT(bad_rules); i++) {
        struct arena *a = arena_make(1024);
        const char *text =
            arena_printf(a, "[a]\ncreate = %s\nread = @\nupdate = @\ndelete = @\n", bad_rules[i].value);
        struct policy_options o;
        struct policy *policy;
        struct protections *p;
        struct error e;
        int failed;

        error_clear(&e);
        assert_int_equal(protections_parse(&by_policies, "t", text, strlen(text), &p, &e), 0);
        o = policy_of(p);
        failed = policy_open(&o, &policy, &e);
        if (!failed || !str_eq(e.message, bad_rules[i].message))
            print_message("%s: %s\n", bad_rules[i].value, e.message);
        CHECK_CASE(bad_rules[i].value, failed && str_eq(e.message, bad_rules[i].message));
        protections_close(p);
        arena_free(a);
    }
    assert_string_equal(str_text(&said), "");
    str_done(&said);
}

/* ---- where the file is ---- */

static void the_file_is_looked_for(void **state)
{
    char dir[] = "/tmp/glint-protect-XXXXXX", path[64];
    const char *const search[] = { "/nonexistent", dir, NULL };
    struct protection_options o = { .search = search, .file = "p.conf", .origin = "c:7" };
    struct protections *p;
    struct error e;
    FILE *out;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(protections_open(&o, &p, &e), -1);
    assert_string_equal(e.message,
                        "c:7: property_protection_file: there is no p.conf beside the configuration");
    snprintf(path, sizeof path, "%s/p.conf", dir);
    out = fopen(path, "w");
    assert_non_null(out);
    fputs("[a]\n" ALL("@"), out);
    fclose(out);
    assert_int_equal(protections_open(&o, &p, &e), 0);
    protections_close(p);
    o.file = path;
    assert_int_equal(protections_open(&o, &p, &e), 0);
    protections_close(p);
    o.file = dir;
    assert_int_equal(protections_open(&o, &p, &e), -1);
    assert_non_null(strstr(e.message, "cannot be read"));
    o.file = "/nonexistent/p.conf";
    assert_int_equal(protections_open(&o, &p, &e), -1);
    assert_string_equal(
        e.message,
        "c:7: property_protection_file: /nonexistent/p.conf: cannot be read: No such file or directory");
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_mean_what_python_means),
        cmocka_unit_test(what_python_refuses_is_refused),
        cmocka_unit_test(bad_files_are_refused_with_a_place),
        cmocka_unit_test(roles_decide),
        cmocka_unit_test(many_names_keep_their_answers),
        cmocka_unit_test(policy_rules_decide),
        cmocka_unit_test(bad_policy_rules_are_refused_with_a_place),
        cmocka_unit_test(the_file_is_looked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
