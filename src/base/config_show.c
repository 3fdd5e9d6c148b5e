/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration, and the table itself, written out as files that can be read back. */
#include "base/config_private.h"

#include <ctype.h>
#include <string.h>

enum { HELP_COLUMNS = 100 };

/* As it must be written to mean itself: dollars escaped, lines indented, the first one's quotes and blanks
 * protected. */
static void add_quoted(const char *text, struct str *out)
{
    size_t n = strcspn(text, "\n");
    bool quotes = n > 0 && (isspace((unsigned char)text[0]) || isspace((unsigned char)text[n - 1]) ||
                            ((text[0] == '"' || text[0] == '\'') && text[n - 1] == text[0]));

    if (quotes)
        str_addc(out, '"');
    for (size_t i = 0; text[i]; i++) {
        if (quotes && i == n)
            str_addc(out, '"');
        if (text[i] == '$')
            str_add(out, i > 0 && text[i - 1] == '\\' ? "\\$" : "$$");
        else if (text[i] == '\n')
            str_add(out, "\n    ");
        else
            str_addc(out, text[i]);
    }
    if (quotes && !text[n])
        str_addc(out, '"');
}

static void show_value(const struct config_slot *s, const char *text, struct str *out)
{
    CLEANUP(str_done) struct str masked = STR_INIT;

    if (s->option->flags & OPTION_SECRET) {
        str_addf(out, "%s = ****\n", s->option->name);
        return;
    }
    config_mask(text, &masked);
    str_addf(out, "%s = ", s->option->name);
    add_quoted(str_text(&masked), out);
    str_addc(out, '\n');
}

static void show_slot(const struct config_slot *s, struct str *out)
{
    str_addf(out, "# %s\n", s->n_raw > 0 ? s->where : s->value.text ? "default" : "not set");
    if (!s->value.text)
        str_addf(out, "#%s =\n", s->option->name);
    else if (s->option->type != OPTION_MULTI)
        show_value(s, s->value.text, out);
    else
        for (size_t i = 0; i < s->value.n_items; i++)
            show_value(s, s->value.items[i], out);
}

/* Sections come in the order of their first slot; a backend's default slots ("*") belong to no section. */
static bool is_first_of_group(const struct config *c, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (config_group_eq(c->slots[j]->group, c->slots[i]->group))
            return false;
    return !str_eq(c->slots[i]->group, "*");
}

static void show_group(const struct config *c, size_t first, bool all, struct str *out)
{
    bool titled = false;

    for (size_t i = first; i < c->n_slots; i++) {
        const struct config_slot *s = c->slots[i];

        if (!config_group_eq(s->group, c->slots[first]->group))
            continue;
        if (s->n_raw == 0 && (!all || (s->option->flags & OPTION_NO_EFFECT)))
            continue;
        if (!titled)
            str_addf(out, "%s[%s]\n", out->len ? "\n" : "", c->slots[first]->group);
        titled = true;
        show_slot(s, out);
    }
}

void config_show(const struct config *c, bool all, struct str *out)
{
    for (size_t i = 0; i < c->n_slots; i++)
        if (is_first_of_group(c, i))
            show_group(c, i, all, out);
}

void config_each_set(const struct config *c,
                     void (*tell)(void *arg, const char *group, const struct option *o, const char *text),
                     void *arg)
{
    for (size_t i = 0; i < c->n_slots; i++) {
        const struct config_slot *s = c->slots[i];

        if (s->n_raw == 0 || !s->value.text)
            continue;
        if (s->option->type != OPTION_MULTI)
            tell(arg, s->group, s->option, s->value.text);
        else
            for (size_t k = 0; k < s->value.n_items; k++)
                tell(arg, s->group, s->option, s->value.items[k]);
    }
}

/* ---- the sample file ---- */

static void add_wrapped(const char *text, struct str *out)
{
    while (*text) {
        size_t n = strlen(text), cut = n;

        if (n > HELP_COLUMNS) {
            const char *space = memrchr(text, ' ', HELP_COLUMNS);

            cut = space && space > text ? (size_t)(space - text) : HELP_COLUMNS;
        }
        str_addf(out, "# %.*s\n", (int)cut, text);
        text += cut;
        while (*text == ' ')
            text++;
    }
}

static void sample_option(const struct option *o, struct str *out)
{
    CLEANUP(str_done) struct str about = STR_INIT;

    str_addc(out, '\n');
    if (o->help)
        add_wrapped(o->help, out);
    config_value_expected(o, &about);
    if (o->old)
        str_addf(&about, ". Old name: %s", o->old);
    if (o->flags & OPTION_RESTART)
        str_add(&about, ". A change needs a restart");
    about.data[0] = (char)toupper((unsigned char)about.data[0]);
    str_addc(&about, '.');
    add_wrapped(str_text(&about), out);
    str_addf(out, "#%s =%s", o->name, o->fallback && *o->fallback ? " " : "");
    for (const char *p = o->fallback ? o->fallback : ""; *p; p++) {
        str_addc(out, *p);
        if (*p == '\n')
            str_add(out, "#    ");
    }
    str_addc(out, '\n');
}

static bool is_listed(const struct option *o)
{
    return !(o->flags & OPTION_NO_EFFECT);
}

void config_sample(const struct option *options, struct str *out)
{
    for (const struct option *o = options; o->name; o++) {
        bool first = is_listed(o);

        for (const struct option *p = options; p < o && first; p++)
            first = !is_listed(p) || !config_group_eq(p->group, o->group);
        if (!first)
            continue;
        if (str_eq(o->group, "*"))
            str_addf(out, "%s# In the section of every backend:\n#[backend]\n", out->len ? "\n" : "");
        else
            str_addf(out, "%s[%s]\n", out->len ? "\n" : "", o->group);
        for (const struct option *p = o; p->name; p++)
            if (is_listed(p) && config_group_eq(p->group, o->group))
                sample_option(p, out);
    }
}
