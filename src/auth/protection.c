/* SPDX-License-Identifier: Apache-2.0 */
/* Protected properties: whom the sections of a file let create, read, update and delete them. Facts: Glance
 * 33, common/property_utils.py, seen on the wire. A set never changes. */
#include "auth/protection_private.h"

#include <string.h>
#include <unistd.h>

/* Glance keeps its own notes in properties of this name; clients cannot set them, and everybody sees them. */
static const char internal[] = "os_glance";

static const char *const right_names[PROPERTY_RIGHTS] = {
    [PROPERTY_CREATE] = "create",
    [PROPERTY_READ] = "read",
    [PROPERTY_UPDATE] = "update",
    [PROPERTY_DELETE] = "delete",
};

/* A pattern that takes this many steps on a name of at most 255 characters is given up, and the property
 * is denied. */
enum { MATCH_STEPS_MAX = 100000, MATCH_HEAP_MAX_KIB = 1024 };

/* ---- reading ---- */

struct loader {
    const struct protection_options *options;
    struct ini ini;
    const struct ini_section *section;
    struct protections *set;
    struct error *error;
};

static int refuse(const struct loader *l, unsigned line, const char *what)
{
    return error_set(l->error, ERROR_INVALID, "%s:%u: [%s] %s", l->ini.path, line, l->section->name, what);
}

static char *trim(char *text)
{
    size_t n;

    text += strspn(text, " \t\n\v\f\r");
    for (n = strlen(text); n > 0 && strchr(" \t\n\v\f\r", text[n - 1]); n--)
        ;
    text[n] = '\0';
    return text;
}

/* A comma-separated list; names of roles are compared in lower case. */
static int roles_read(const struct loader *l, const char *value, unsigned line, struct permission *ret)
{
    struct arena *a = l->set->arena;
    char *next, *text = arena_str(a, value);
    bool everybody = false, nobody = false;
    size_t cap = 0;

    for (; text; text = next) {
        next = strchr(text, ',');
        if (next)
            *next++ = '\0';
        text = trim(text);
        str_lower(text);
        everybody |= str_eq(text, "@");
        nobody |= str_eq(text, "!");
        if (*text && !str_eq(text, "@") && !str_eq(text, "!"))
            *ARENA_PUSH(a, ret->roles, ret->n_roles, cap) = text;
    }
    if (everybody && nobody)
        return refuse(l, line, "'@' (everybody) and '!' (nobody) exclude each other");
    if (nobody)
        ret->n_roles = 0;
    ret->everybody = everybody;
    return 0;
}

/* The name of a rule, or an expression that begins with one: it becomes a rule of the policy, named as Glance
 * names it. */
static int rule_read(const struct loader *l, enum property_right right, const char *value, unsigned line,
                     struct permission *ret)
{
    struct arena *a = l->set->arena;

    if (strchr(value, ','))
        return refuse(l, line, "names several policy rules; they can be put together in the policy file");
    ret->everybody = str_eq(value, "@");
    if (!*value || str_eq(value, "@") || str_eq(value, "!"))
        return 0;
    ret->rule = arena_printf(a, "%s:%s", l->section->name, right_names[right]);
    *ARENA_PUSH(a, l->set->rules, l->set->n_rules, l->set->cap_rules) = (struct policy_added){
        .name = ret->rule, .expression = arena_printf(a, "rule:%s", value), .file = l->ini.path, .line = line
    };
    return 0;
}

static void say_nobody(const struct loader *l, unsigned line, const char *right)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    if (!l->options->say)
        return;
    str_addf(&text, "%s:%u: [%s] %s is empty: nobody may", l->ini.path, line, l->section->name, right);
    l->options->say(LOG_WARNING, str_text(&text));
}

static int permission_read(const struct loader *l, enum property_right right, struct permission *ret)
{
    const char *value;
    unsigned line;

    if (ini_get(&l->ini, l->section, right_names[right], &value, &line, l->error) < 0)
        return -1;
    if (!value)
        return refuse(l, l->section->line,
                      arena_printf(l->set->arena, "does not say who may %s", right_names[right]));
    if (!*value)
        say_nobody(l, line, right_names[right]);
    return l->options->policies ? rule_read(l, right, value, line, ret) : roles_read(l, value, line, ret);
}

static int names_check(const struct loader *l)
{
    for (size_t i = 0; i < l->section->n; i++) {
        const struct ini_option *o = &l->section->options[i];
        bool known = false;

        for (size_t right = 0; right < PROPERTY_RIGHTS; right++)
            known |= str_eq(o->name, right_names[right]);
        if (!known)
            return refuse(l, o->line,
                          arena_printf(l->set->arena,
                                       "'%s' is none of the operations create, read, update and delete",
                                       o->name));
    }
    return 0;
}

static void pattern_free(void *pattern)
{
    pcre2_code_free(pattern);
}

static int section_read(struct loader *l)
{
    struct protected_section *s = &l->set->sections[l->set->n];
    const char *why;

    if (names_check(l) < 0)
        return -1;
    s->pattern = pattern_compile(l->set->arena, l->section->name, &why);
    if (!s->pattern)
        return refuse(l, l->section->line, arena_printf(l->set->arena, "is no regular expression: %s", why));
    arena_at_end(l->set->arena, pattern_free, s->pattern);
    for (size_t right = 0; right < PROPERTY_RIGHTS; right++)
        if (permission_read(l, (enum property_right)right, &s->permissions[right]) < 0)
            return -1;
    l->set->n++;
    return 0;
}

static int sections_read(struct loader *l)
{
    l->set->sections = arena_array(l->set->arena, struct protected_section, l->ini.n + 1);
    for (size_t i = 0; i < l->ini.n; i++) {
        l->section = &l->ini.sections[i];
        if (str_starts(l->section->name,
                       internal)) /* the name is the service's own: Glance drops these too */
            continue;
        if (section_read(l) < 0)
            return -1;
    }
    return 0;
}

static void limits_free(void *limits)
{
    pcre2_match_context_free(limits);
}

int protections_parse(const struct protection_options *o, const char *path, const char *text, size_t n,
                      struct protections **ret, struct error *e)
{
    struct arena *a = arena_make(8 * 1024);
    struct protections *set = arena_new(a, struct protections);
    struct loader l = { .options = o, .set = set, .error = e };

    set->arena = a;
    set->limits = pcre2_match_context_create(NULL);
    arena_at_end(a, limits_free, set->limits);
    pcre2_set_match_limit(set->limits, MATCH_STEPS_MAX);
    pcre2_set_heap_limit(set->limits, MATCH_HEAP_MAX_KIB);
    if (ini_parse(a, path, text, n, &l.ini, e) < 0 || sections_read(&l) < 0) {
        arena_free(a);
        return -1;
    }
    *ret = set;
    return 0;
}

static const char *find(struct arena *a, const struct protection_options *o)
{
    if (*o->file == '/')
        return o->file;
    for (const char *const *dir = o->search; dir && *dir; dir++) {
        const char *path = arena_printf(a, "%s/%s", *dir, o->file);

        if (access(path, F_OK) == 0)
            return path;
    }
    return NULL;
}

int protections_open(const struct protection_options *o, struct protections **ret, struct error *e)
{
    CLEANUP(mem_free_ptr) char *text = NULL;
    struct arena *a = arena_make(1024);
    const char *path = find(a, o);
    int failed = -1;
    struct error why;
    size_t n;

    if (path)
        text = config_file_read(path, &n, &why);
    if (text)
        failed = protections_parse(o, path, text, n, ret, e);
    else
        error_set(e, ERROR_INVALID, "%s: property_protection_file: %s", o->origin,
                  path ? why.message : arena_printf(a, "there is no %s beside the configuration", o->file));
    arena_free(a);
    return failed;
}

void protections_close(struct protections *p)
{
    if (p)
        arena_free(p->arena);
}

size_t protections_rules(const struct protections *p, const struct policy_added **ret)
{
    *ret = p ? p->rules : NULL;
    return p ? p->n_rules : 0;
}

/* ---- asking ---- */

/* Names repeat from image to image: each leaves its section in one of the places from where its hash leads.
 */
enum { REMEMBERED = 256, PLACES = 8, NO_SECTION = -1 };

enum answer { ANSWER_UNKNOWN /* 0, as new memory is */, ANSWER_NO, ANSWER_YES };

struct property_rights {
    struct arena *arena;
    const struct protections *set;
    const struct policy_rules *rules;
    struct identity identity; /* with the roles of the service that asks on a user's behalf */
    pcre2_match_data *match;
    struct {
        const char *name;
        int section;
    } names[REMEMBERED];
    unsigned char (*answers)[PROPERTY_RIGHTS]; /* enum answer, by section */
};

static void match_free(void *match)
{
    pcre2_match_data_free(match);
}

struct property_rights *property_rights_make(struct arena *a, const struct protections *p,
                                             const struct policy_rules *rules, const struct identity *id)
{
    struct property_rights *r = arena_new(a, struct property_rights);
    struct identity *who = &r->identity;

    r->arena = a;
    r->set = p;
    r->rules = rules;
    r->identity = *id;
    for (size_t i = 0; i < id->n_service_roles && who->n_roles < COUNT(who->roles); i++)
        who->roles[who->n_roles++] = id->service_roles[i];
    r->match = pcre2_match_data_create(1, NULL);
    arena_at_end(a, match_free, r->match);
    r->answers = arena_alloc(a, (p->n + 1) * sizeof *r->answers);
    return r;
}

static int section_match(const struct property_rights *r, const char *name)
{
    for (size_t i = 0; i < r->set->n; i++) {
        int found = pcre2_match(r->set->sections[i].pattern, (PCRE2_SPTR)name, PCRE2_ZERO_TERMINATED, 0, 0,
                                r->match, r->set->limits);

        if (found >= 0)
            return (int)i;
        if (found != PCRE2_ERROR_NOMATCH) /* no answer: a later section must not open what this one closes */
            return NO_SECTION;
    }
    return NO_SECTION;
}

static int section_of(struct property_rights *r, const char *name)
{
    uint32_t hash = 2166136261, at = 0;

    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        hash = (hash ^ *p) * 16777619;
    for (uint32_t i = 0; i < PLACES; i++) {
        at = (hash + i) % REMEMBERED;
        if (!r->names[at].name)
            break;
        if (strcmp(r->names[at].name, name) == 0)
            return r->names[at].section;
    }
    r->names[at].name = arena_str(r->arena, name); /* a free place, or that of another name */
    r->names[at].section = section_match(r, name);
    return r->names[at].section;
}

static bool permitted(const struct property_rights *r, const struct permission *p)
{
    struct policy_target nothing;

    if (p->everybody)
        return true;
    if (p->rule) {
        policy_target_pairs(NULL, 0, &nothing);
        return policy_allows(r->rules, &r->identity, p->rule, &nothing);
    }
    for (size_t i = 0; i < p->n_roles; i++)
        if (identity_has_role(&r->identity, p->roles[i]))
            return true;
    return false;
}

bool property_allowed(struct property_rights *r, const char *name, enum property_right right)
{
    unsigned char *answer;
    int section;

    if (str_starts(name, internal))
        return true;
    section = section_of(r, name);
    if (section == NO_SECTION)
        return false;
    answer = &r->answers[section][right];
    if (*answer == ANSWER_UNKNOWN)
        *answer = permitted(r, &r->set->sections[section].permissions[right]) ? ANSWER_YES : ANSWER_NO;
    return *answer == ANSWER_YES;
}
