/* SPDX-License-Identifier: Apache-2.0 */
/* A set of rules: what files say, and the defaults for what they leave out. */
#include "auth/policy_private.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct rule *)a)->name, ((const struct rule *)b)->name);
}

static int name_of(const void *name, const void *rule)
{
    return strcmp(name, ((const struct rule *)rule)->name);
}

const struct rule *policy_rule_find(const struct policy_rules *r, const char *name)
{
    const struct rule *found = bsearch(name, r->rules, r->n, sizeof *r->rules, name_of);

    return found ? found : r->fallback;
}

static const struct policy_default *default_of(const char *name)
{
    for (const struct policy_default *d = policy_defaults; d->name; d++)
        if (str_eq(d->name, name))
            return d;
    return NULL;
}

/* A default alone, or with what it replaced as a second way in. */
static void rule_default(struct arena *a, const struct policy_options *o, const struct policy_default *d,
                         struct rule *ret)
{
    const struct parse_notes notes = { o->say, d->name };
    struct check *now = policy_parse(a, d->expression, &notes), *any;

    *ret = (struct rule){
        .name = d->name, .expression = d->expression, .check = now, .any_scope = d->any_scope
    };
    if (o->enforce_new_defaults || !d->before)
        return;
    any = check_make(a, CHECK_OR);
    check_add(a, any, now);
    check_add(a, any, policy_parse(a, d->before, &notes));
    ret->check = any;
    ret->widened = true;
    ret->expression = *d->expression ? arena_printf(a, "(%s) or %s", d->expression, d->before) : "";
}

static void rule_raw(const struct raw_rule *raw, struct rule *ret)
{
    const struct policy_default *d = default_of(raw->name);

    *ret = (struct rule){ .name = raw->name,
                          .expression = raw->expression,
                          .check = raw->check,
                          .file = raw->file,
                          .line = raw->line,
                          .any_scope = !d || d->any_scope || raw->added,
                          .added = raw->added };
}

/* ---- references ---- */

/* *undefined gets the name of a rule that is referred to and not defined. */
static void resolve(struct policy_rules *r, struct check *c, const char **undefined)
{
    r->remote |= c->kind == CHECK_REMOTE;
    if (c->kind == CHECK_RULE) {
        c->rule = policy_rule_find(r, c->name);
        if (c->rule == NULL || (c->rule == r->fallback && !str_eq(c->name, c->rule->name)))
            *undefined = c->name;
    }
    for (size_t i = 0; i < c->n_parts; i++)
        resolve(r, c->parts[i], undefined);
}

enum mark { MARK_NEW, MARK_ON_THE_WAY, MARK_ENDS, MARK_ROUND };

static bool goes_round(const struct policy_rules *r, const struct check *c, unsigned char *marks,
                       unsigned depth);

static bool rule_goes_round(const struct policy_rules *r, size_t i, unsigned char *marks, unsigned depth)
{
    if (marks[i] == MARK_NEW) {
        marks[i] = MARK_ON_THE_WAY;
        marks[i] = goes_round(r, r->rules[i].check, marks, depth) ? MARK_ROUND : MARK_ENDS;
    }
    return marks[i] != MARK_ENDS;
}

/* Whether a circle, or a chain too long to be followed, can be reached. Each rule is looked at once. */
static bool goes_round(const struct policy_rules *r, const struct check *c, unsigned char *marks,
                       unsigned depth)
{
    bool round = depth > EVALUATION_DEPTH_MAX;

    if (c->kind == CHECK_RULE && c->rule && !round)
        round = rule_goes_round(r, (size_t)(c->rule - r->rules), marks, depth + 1);
    for (size_t i = 0; i < c->n_parts && !round; i++)
        round = goes_round(r, c->parts[i], marks, depth + 1);
    return round;
}

static void names_add(struct str *out, const char *name)
{
    str_addf(out, "%s%s", out->len ? ", " : "", name);
}

static void say_names(const struct policy_options *o, enum log_level level, const struct str *names,
                      const char *what)
{
    CLEANUP(str_done) struct str line = STR_INIT;

    if (!o->say || names->len == 0)
        return;
    str_addf(&line, "policy rules %s: %s", what, str_text(names));
    o->say(level, str_text(&line));
}

static void link_rules(struct policy_rules *r)
{
    CLEANUP(str_done) struct str undefined = STR_INIT, round = STR_INIT;
    unsigned char *marks = arena_array(r->arena, unsigned char, r->n);

    for (size_t i = 0; i < r->n; i++) {
        const char *missing = NULL;

        resolve(r, (struct check *)r->rules[i].check, &missing);
        if (r->rules[i].added)
            r->rules[i].undefined = missing;
        else if (missing)
            names_add(&undefined, r->rules[i].name);
    }
    for (size_t i = 0; i < r->n; i++)
        if (rule_goes_round(r, i, marks, 0))
            names_add(&round, r->rules[i].name);
    say_names(&r->options, LOG_WARNING, &undefined, "that refer to a rule nobody defines");
    say_names(&r->options, LOG_ERROR, &round, "that refer to each other in a circle and let nobody that way");
}

/* Of the same name the later one counts, as in a mapping; raw rules are in order of reading. */
static int by_name_and_age(const void *a, const void *b)
{
    const struct raw_rule *left = *(const struct raw_rule *const *)a,
                          *right = *(const struct raw_rule *const *)b;
    int order = strcmp(left->name, right->name);

    return order ? order : left < right ? -1 : left > right;
}

static void add_raw(struct policy_rules *r, const struct raw_rules *raw)
{
    const struct raw_rule **sorted = arena_array(r->arena, const struct raw_rule *, raw->n + 1);

    for (size_t i = 0; i < raw->n; i++)
        sorted[i] = &raw->items[i];
    qsort(sorted, raw->n, sizeof *sorted, by_name_and_age);
    for (size_t i = 0; i < raw->n; i++)
        if (i + 1 == raw->n || !str_eq(sorted[i]->name, sorted[i + 1]->name))
            rule_raw(sorted[i], &r->rules[r->n++]);
}

static void add_defaults(struct policy_rules *r)
{
    size_t from_files = r->n;

    for (const struct policy_default *d = policy_defaults; d->name; d++)
        if (!bsearch(d->name, r->rules, from_files, sizeof *r->rules, name_of))
            rule_default(r->arena, &r->options, d, &r->rules[r->n++]);
    qsort(r->rules, r->n, sizeof *r->rules, by_name);
}

struct policy_rules *policy_rules_make(struct arena *a, const struct policy_options *o,
                                       const struct raw_rules *raw)
{
    struct policy_rules *r = mem_new(sizeof *r);
    size_t cap = raw->n;

    for (const struct policy_default *d = policy_defaults; d->name; d++)
        cap++;
    r->refs = 1;
    r->arena = a;
    r->options = *o;
    r->rules = arena_array(a, struct rule, cap);
    add_raw(r, raw);
    add_defaults(r);
    if (o->default_rule && *o->default_rule)
        r->fallback = policy_rule_find(r, o->default_rule);
    link_rules(r);
    return r;
}

/* ---- added rules ---- */

int policy_added_load(struct arena *a, const struct policy_added *added, struct raw_rules *ret,
                      struct error *e)
{
    bool wrong = false;
    const struct parse_notes notes = { .rule = added->name, .wrong = &wrong };
    struct check *check = policy_parse(a, added->expression, &notes);

    if (wrong)
        return error_set(e, ERROR_INVALID, "%s:%u: '%s' is no policy rule", added->file, added->line,
                         added->expression);
    *ARENA_PUSH(a, ret->items, ret->n, ret->cap) =
        (struct raw_rule){ .name = arena_str(a, added->name),
                           .expression = arena_str(a, added->expression),
                           .check = check,
                           .file = arena_str(a, added->file),
                           .line = added->line,
                           .added = true };
    return 0;
}

int policy_added_check(const struct policy_rules *r, struct error *e)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->rules[i].undefined)
            return error_set(e, ERROR_INVALID, "%s:%u: the policy rule '%s' is defined nowhere",
                             r->rules[i].file, r->rules[i].line, r->rules[i].undefined);
    return 0;
}

/* ---- asking ---- */

enum verdict policy_ask(const struct policy_rules *r, const struct identity *id, const char *rule,
                        const struct policy_target *target)
{
    const struct rule *found = policy_rule_find(r, rule);
    struct evaluation ev = { .rules = r, .identity = id, .target = target, .asked = rule };
    bool other_scope = (id->system_scope && *id->system_scope) || (id->domain && *id->domain);

    if (!found || (other_scope && !found->any_scope && str_eq(found->name, rule)))
        return VERDICT_NO;
    return policy_evaluate(&ev, found->check);
}

bool policy_allows(const struct policy_rules *r, const struct identity *id, const char *rule,
                   const struct policy_target *target)
{
    return policy_ask(r, id, rule, target) == VERDICT_YES;
}

bool policy_is_remote(const struct policy_rules *r)
{
    return r->remote;
}

bool policy_rule_at(const struct policy_rules *r, size_t i, struct policy_rule_info *ret)
{
    if (i >= r->n)
        return false;
    *ret = (struct policy_rule_info){ .name = r->rules[i].name,
                                      .expression = r->rules[i].expression,
                                      .file = r->rules[i].file,
                                      .line = r->rules[i].line,
                                      .widened = r->rules[i].widened };
    return true;
}
