/* SPDX-License-Identifier: Apache-2.0 */
/* What oslo.policy decided (policy-cases.txt, made by tests/oracle/policy_cases.py), asked here. */
#include "auth/policy_private.h"
#include "test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CREDENTIALS_MAX = 16, TARGETS_MAX = 16, PAIRS_MAX = 32 };

struct oracle {
    struct arena *arena;
    struct identity who[CREDENTIALS_MAX];
    const char *who_names[CREDENTIALS_MAX];
    struct policy_target targets[TARGETS_MAX];
    size_t n_who, n_targets;
    struct policy_rules *rules, *defaults, *widened;
    const char *rules_name;
    size_t asked, wrong;
};

static json_t *parse(struct oracle *o, const char *text)
{
    json_error_t why;
    json_t *j = json_loads(text, JSON_DECODE_ANY, &why);

    if (!j)
        fail_msg("%s: %s", why.text, text);
    arena_at_end(o->arena, (void (*)(void *))json_decref, j);
    return j;
}

static const char *member(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static size_t list(const json_t *array, const char **ret)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        ret[i] = json_string_value(json_array_get(array, i));
    return json_array_size(array);
}

static void add_credentials(struct oracle *o, const char *name, const char *text)
{
    const json_t *j = parse(o, text);
    struct identity *id = &o->who[o->n_who];

    o->who_names[o->n_who++] = arena_str(o->arena, name);
    *id = (struct identity){
        .user = member(j, "user_id"),
        .project = member(j, "project_id"),
        .user_domain = member(j, "user_domain_id"),
        .project_domain = member(j, "project_domain_id"),
        .domain = member(j, "domain_id"),
        .system_scope = member(j, "system_scope"),
        .service_user = member(j, "service_user_id"),
        .service_user_domain = member(j, "service_user_domain_id"),
        .service_project = member(j, "service_project_id"),
        .service_project_domain = member(j, "service_project_domain_id"),
        .other_project = json_is_false(json_object_get(j, "is_admin_project")),
    };
    id->n_roles = list(json_object_get(j, "roles"), id->roles);
    id->n_service_roles = list(json_object_get(j, "service_roles"), id->service_roles);
}

static struct policy_value value_of(const json_t *j)
{
    if (json_is_string(j))
        return (struct policy_value){ .type = POLICY_TEXT, .text = json_string_value(j) };
    if (json_is_boolean(j))
        return (struct policy_value){ .type = POLICY_BOOL, .number = json_is_true(j) };
    if (json_is_integer(j))
        return (struct policy_value){ .type = POLICY_INT, .number = json_integer_value(j) };
    return (struct policy_value){ .type = POLICY_NONE };
}

static void add_target(struct oracle *o, const char *text)
{
    struct policy_pair *pairs = arena_array(o->arena, struct policy_pair, PAIRS_MAX);
    json_t *j = parse(o, text), *value;
    const char *name;
    size_t n = 0;

    json_object_foreach(j, name, value)
    {
        assert_true(n < PAIRS_MAX);
        pairs[n++] = (struct policy_pair){ name, value_of(value) };
    }
    policy_target_pairs(pairs, n, &o->targets[o->n_targets++]);
}

static struct policy_rules *make(const char *name, const char *text, bool strict)
{
    const struct policy_options o = { .default_rule = "default", .enforce_new_defaults = strict };
    struct arena *a = arena_make(4096);
    struct raw_rules raw = { 0 };
    struct error e;

    if (policy_text_load(a, name, text, strlen(text), &o, &raw, &e) < 0)
        fail_msg("%s", e.message);
    return policy_rules_make(a, &o, &raw);
}

static void ask(struct oracle *o, const char *set, const char *rule, const char *who, const char *verdicts)
{
    const struct policy_rules *r = str_eq(set, "defaults")  ? o->defaults
                                   : str_eq(set, "widened") ? o->widened
                                                            : o->rules;
    size_t w = 0;

    while (w < o->n_who && !str_eq(o->who_names[w], who))
        w++;
    assert_true(w < o->n_who && strlen(verdicts) == o->n_targets);
    for (size_t t = 0; t < o->n_targets; t++) {
        char got = "nyx"[policy_ask(r, &o->who[w], rule, &o->targets[t])];

        o->asked++;
        if (got == verdicts[t])
            continue;
        o->wrong++;
        print_error("%s %s %s, target %zu: %c, not %c: %s\n", set, rule, who, t, got, verdicts[t],
                    policy_rule_find(r, rule)->expression);
    }
}

static void check_default(struct oracle *o, const char *name, const char *text)
{
    const struct rule *r = policy_rule_find(o->defaults, name);

    CHECK_CASE(name, r && str_eq(r->name, name));
    assert_string_equal(r->expression, json_string_value(parse(o, text)));
}

static void take_line(struct oracle *o, char *line)
{
    char *words[5] = { line }, *p = line;
    size_t n = 1, max = str_starts(line, "ask ") ? 5 : 3;

    line[strcspn(line, "\n")] = '\0';
    while (n < max && (p = strchr(p, ' ')) != NULL) {
        *p++ = '\0';
        words[n++] = p;
    }
    if (str_eq(words[0], "ask")) {
        ask(o, words[1], words[2], words[3], words[4]);
    } else if (str_eq(words[0], "credentials")) {
        add_credentials(o, words[1], words[2]);
    } else if (str_eq(words[0], "target")) {
        add_target(o, words[2]);
    } else if (str_eq(words[0], "default")) {
        check_default(o, words[1], words[2]);
    } else {
        assert_string_equal(words[0], "rules");
        policy_release(o->rules);
        o->rules = make(words[1], words[2], true);
    }
}

static void everything_is_decided_alike(void **state)
{
    struct oracle o = { .arena = arena_make(4096) };
    FILE *in = fopen(POLICY_CASES, "r");
    char *line = NULL;
    size_t cap = 0;

    (void)state;
    assert_non_null(in);
    o.defaults = make("defaults", "", true);
    o.widened = make("widened", "", false);
    while (getline(&line, &cap, in) > 0)
        take_line(&o, line);
    free(line);
    fclose(in);
    policy_release(o.rules);
    policy_release(o.defaults);
    policy_release(o.widened);
    arena_free(o.arena);
    print_message("%zu cases, %zu differ\n", o.asked, o.wrong);
    assert_true(o.asked > 10000);
    assert_int_equal(o.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(everything_is_decided_alike) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
