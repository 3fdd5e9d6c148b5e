/* SPDX-License-Identifier: Apache-2.0 */
/* The language of property protection files: Python's configparser, read strictly. Facts: the Python library
 * reference, "configparser", and what Glance 33 makes of such files.
 *
 * It differs from the service's own configuration (base/config_file.c) in what continues a value (more
 * indentation, also after blank lines), in what is no option there (quotes), and in what is an error here
 * (the same section or option twice). */
#include "auth/protection_private.h"

#include <string.h>

enum { REFERENCES_DEEP_MAX = 10, REFERENCES_MAX = 10000, VALUE_MAX = 64 * 1024 };

struct reader {
    struct ini *ini;
    struct error *error;
    unsigned line;
    struct ini_section *section; /* NULL: none yet */
    struct ini_option *option;   /* whose value may go on; NULL: none */
    size_t indent;               /* of the line that began it */
    unsigned blank;              /* lines since, which count when the value goes on */
};

static int refuse(const struct reader *r, const char *what)
{
    return error_set(r->error, ERROR_INVALID, "%s:%u: %s", r->ini->path, r->line, what);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F);
}

static struct ini_section *section_named(struct ini *ini, const char *name)
{
    for (size_t i = 0; i < ini->n; i++)
        if (str_eq(ini->sections[i].name, name))
            return &ini->sections[i];
    return NULL;
}

static struct ini_option *option_named(const struct ini_section *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->options[i].name, name))
            return &s->options[i];
    return NULL;
}

static int section_begin(struct reader *r, const char *text, size_t n)
{
    struct ini *ini = r->ini;
    const struct ini_section *before;
    const char *name;

    while (text[n - 1] !=
           ']') /* greedy: a pattern may have brackets; what follows the last is not looked at */
        n--;
    name = arena_strn(ini->arena, text + 1, n - 2);
    r->option = NULL;
    if (str_eq(name, "DEFAULT")) {
        r->section = &ini->defaults;
        return 0;
    }
    before = section_named(ini, name);
    if (before)
        return error_set(r->error, ERROR_INVALID, "%s:%u: [%s] is there twice: it began in line %u",
                         ini->path, r->line, name, before->line);
    r->section = ARENA_PUSH(ini->arena, ini->sections, ini->n, ini->cap);
    *r->section = (struct ini_section){ .name = name, .line = r->line };
    return 0;
}

static bool is_section(const char *text, size_t n)
{
    const char *close = n > 2 && *text == '[' ? memrchr(text, ']', n) : NULL;

    return close && close - text > 1;
}

static int option_begin(struct reader *r, const char *text, size_t n)
{
    struct arena *a = r->ini->arena;
    const struct ini_option *before;
    size_t split = 0, end;
    char *name;

    while (split < n && text[split] != '=' && text[split] != ':')
        split++;
    if (split == n)
        return refuse(r, "neither a [section] nor a line 'name = value'");
    for (end = split; end > 0 && is_blank(text[end - 1]); end--)
        ;
    if (end == 0)
        return refuse(r, "no name before '=' or ':'");
    name = arena_strn(a, text, end);
    str_lower(name);
    before = option_named(r->section, name);
    if (before)
        return error_set(r->error, ERROR_INVALID,
                         "%s:%u: '%s' is there twice in its section: also in line %u", r->ini->path, r->line,
                         name, before->line);
    for (split++; split < n && is_blank(text[split]); split++)
        ;
    r->option = ARENA_PUSH(a, r->section->options, r->section->n, r->section->cap);
    *r->option = (struct ini_option){ name, arena_strn(a, text + split, n - split), r->line };
    return 0;
}

static void option_continue(struct reader *r, const char *text, size_t n)
{
    CLEANUP(str_done) struct str value = STR_INIT;

    str_add(&value, r->option->value);
    for (; r->blank > 0; r->blank--)
        str_addc(&value, '\n');
    str_addc(&value, '\n');
    str_addn(&value, text, n);
    r->option->value = arena_str(r->ini->arena, str_text(&value));
}

static int line_read(struct reader *r, const char *text, size_t n)
{
    size_t indent = 0;

    if (memchr(text, '\0', n))
        return refuse(r, "a zero byte");
    while (n > 0 && is_blank(text[n - 1]))
        n--;
    while (indent < n && is_blank(text[indent]))
        indent++;
    text += indent;
    n -= indent;
    if (n == 0) {
        r->blank += r->option != NULL;
        return 0;
    }
    if (*text == '#' || *text == ';')
        return 0;
    if (r->option && indent > r->indent) {
        if (strlen(r->option->value) > VALUE_MAX)
            return refuse(r, "the value is too long");
        option_continue(r, text, n);
        return 0;
    }
    r->indent = indent;
    r->blank = 0;
    if (is_section(text, n))
        return section_begin(r, text, n);
    if (!r->section)
        return refuse(r, "no [section] comes before this line");
    return option_begin(r, text, n);
}

int ini_parse(struct arena *a, const char *path, const char *text, size_t n, struct ini *ret, struct error *e)
{
    struct reader r = { .ini = ret, .error = e };

    *ret = (struct ini){ .arena = a, .path = arena_str(a, path), .defaults = { .name = "DEFAULT" } };
    for (size_t at = 0, len; at < n; at += len + 1) {
        for (len = 0; at + len < n && text[at + len] != '\n' && text[at + len] != '\r';)
            len++;
        r.line++;
        if (line_read(&r, text + at, len) < 0)
            return -1;
        if (at + len + 1 < n && text[at + len] == '\r' && text[at + len + 1] == '\n')
            at++; /* Python's universal newlines */
    }
    return 0;
}

/* ---- values ---- */

struct value {
    const struct ini *ini;
    const struct ini_section *section;
    const struct ini_option *option; /* for messages */
    struct str text;
    unsigned references;
    struct error *error;
};

static void value_done(struct value *v)
{
    str_done(&v->text);
}

static int value_refuse(const struct value *v, const char *what)
{
    return error_set(v->error, ERROR_INVALID, "%s:%u: %s: %s", v->ini->path, v->option->line, v->option->name,
                     what);
}

static const struct ini_option *option_of(const struct ini *ini, const struct ini_section *s,
                                          const char *name)
{
    const struct ini_option *o = option_named(s, name);

    return o ? o : option_named(&ini->defaults, name);
}

static int value_expand(struct value *v, const char *raw, int depth)
{
    if (depth > REFERENCES_DEEP_MAX)
        return value_refuse(v, "%(…)s leads back to itself");
    while (*raw) {
        size_t n = strcspn(raw, "%");
        const struct ini_option *to;
        const char *close;
        char *name;

        str_addn(&v->text, raw, n);
        raw += n;
        if (v->text.len > VALUE_MAX || v->references++ > REFERENCES_MAX)
            return value_refuse(v, "the value is too long");
        if (!*raw)
            return 0;
        if (raw[1] == '%') {
            str_addc(&v->text, '%');
            raw += 2;
            continue;
        }
        close = raw[1] == '(' ? strchr(raw, ')') : NULL;
        if (!close || close == raw + 2 || close[1] != 's')
            return value_refuse(v, "'%' must be followed by '%' or '(name)s'");
        name = arena_strn(v->ini->arena, raw + 2, (size_t)(close - raw - 2));
        str_lower(name);
        to = option_of(v->ini, v->section, name);
        if (!to)
            return value_refuse(v, arena_printf(v->ini->arena, "%%(%s)s is not defined", name));
        if (value_expand(v, to->value, depth + 1) < 0)
            return -1;
        raw = close + 2;
    }
    return 0;
}

int ini_get(const struct ini *ini, const struct ini_section *s, const char *name, const char **ret,
            unsigned *ret_line, struct error *e)
{
    CLEANUP(value_done) struct value v = { .ini = ini, .section = s, .text = STR_INIT, .error = e };

    *ret = NULL;
    v.option = option_of(ini, s, name);
    if (!v.option)
        return 0;
    if (value_expand(&v, v.option->value, 1) < 0)
        return -1;
    *ret = arena_str(ini->arena, str_text(&v.text));
    *ret_line = v.option->line;
    return 0;
}
