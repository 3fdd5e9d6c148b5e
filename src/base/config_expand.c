/* SPDX-License-Identifier: Apache-2.0 */
/* References between values: $name, ${name}, $section.name; $$ and \$ are a dollar sign (oslo.config cfg.py).
 * A name is looked for in the section that holds the reference, then in DEFAULT; an unknown one
 * stays as written. */
#include "base/config_private.h"

#include <ctype.h>
#include <string.h>

static size_t name_len(const char *s)
{
    size_t n = 0;

    if (!isalpha((unsigned char)s[0]) && s[0] != '_')
        return 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '_' || s[n] == '.')
        n++;
    return n;
}

static struct config_slot *find_reference(struct config *c, const struct config_slot *from, const char *name)
{
    const char *dot = strrchr(name, '.');
    struct config_slot *s;
    char *group;

    if (dot) {
        group = arena_strn(c->arena, name, (size_t)(dot - name));
        return config_find(c, group, dot + 1);
    }
    s = config_find(c, from->group, name);
    return s ? s : config_find(c, "DEFAULT", name);
}

/* Appends what the reference at raw (a '$') stands for; returns how many characters it took, 0 on error. */
static size_t add_reference(struct config *c, struct config_slot *from, const char *raw, struct str *out,
                            struct error *e)
{
    bool braces = raw[1] == '{';
    size_t n = name_len(raw + 1 + braces);
    struct config_slot *to;

    if (raw[1] == '$') {
        str_addc(out, '$');
        return 2;
    }
    if (n == 0 || (braces && raw[2 + n] != '}')) {
        str_addc(out, '$');
        return 1;
    }
    to = find_reference(c, from, arena_strn(c->arena, raw + 1 + braces, n));
    n += braces ? 3u : 1u;
    if (!to) {
        str_addn(out, raw, n);
        return n;
    }
    if (to->state == SLOT_BUSY) {
        error_set(e, ERROR_INVALID, "%s: [%s] %s: the reference %.*s leads back to itself", from->where,
                  from->group, from->option->name, (int)n, raw);
        return 0;
    }
    if (config_slot_resolve(c, to, e) < 0)
        return 0;
    if (to->value.text)
        str_add(out, to->value.text);
    return n;
}

int config_expand(struct config *c, struct config_slot *s, const char *raw, struct str *out, struct error *e)
{
    while (*raw) {
        size_t n;

        if (raw[0] == '\\' && raw[1] == '$') {
            str_addc(out, '$');
            raw += 2;
            continue;
        }
        if (*raw != '$') {
            n = strcspn(raw + 1, "$\\") + 1;
            str_addn(out, raw, n);
        } else if ((n = add_reference(c, s, raw, out, e)) == 0) {
            return -1;
        }
        raw += n;
    }
    return 0;
}

static int bad_value(const struct config_slot *s, const char *raw, struct error *e)
{
    CLEANUP(str_done) struct str expected = STR_INIT;

    config_value_expected(s->option, &expected);
    return error_set(e, ERROR_INVALID, "%s: [%s] %s: '%.200s' is not valid: expected %s", s->where, s->group,
                     s->option->name, s->option->flags & OPTION_SECRET ? "****" : raw, str_text(&expected));
}

static bool is_number(enum option_type t)
{
    return t == OPTION_INT || t == OPTION_FLOAT || t == OPTION_PORT || t == OPTION_QUOTA || t == OPTION_OCTAL;
}

static int resolve_one(struct config *c, struct config_slot *s, const char *raw, struct error *e)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    if (config_expand(c, s, raw, &text, e) < 0)
        return -1;
    /* "name =" without a number means that there is none (oslo.config: None). */
    if (is_number(s->option->type) && str_text(&text)[strspn(str_text(&text), " \t")] == '\0') {
        if (!s->option->fallback)
            return 0;
        str_clear(&text);
        str_add(&text, s->option->fallback);
    }
    if (config_value_read(c->arena, s->option, arena_str(c->arena, str_text(&text)), &s->value) < 0)
        return bad_value(s, raw, e);
    return 0;
}

int config_slot_resolve(struct config *c, struct config_slot *s, struct error *e)
{
    size_t cap = 0;

    if (s->state == SLOT_DONE)
        return 0;
    s->state = SLOT_BUSY;
    if (s->n_raw == 0 && s->option->fallback && resolve_one(c, s, s->option->fallback, e) < 0)
        return -1;
    for (size_t i = 0; i < s->n_raw; i++)
        if (resolve_one(c, s, s->raw[i], e) < 0)
            return -1;
        else if (s->option->type == OPTION_MULTI)
            *ARENA_PUSH(c->arena, s->value.items, s->value.n_items, cap) = s->value.text;
    if (s->option->type == OPTION_MULTI && s->n_raw == 0 && s->value.text)
        *ARENA_PUSH(c->arena, s->value.items, s->value.n_items, cap) = s->value.text;
    s->state = SLOT_DONE;
    return 0;
}
