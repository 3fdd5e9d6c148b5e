/* SPDX-License-Identifier: Apache-2.0 */
/* From text to a value of the option's type (oslo.config types.py), and what to say when it is none. */
#include "base/config_private.h"

#include <ctype.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static const char *strip(struct arena *a, const char *s, size_t n)
{
    while (n > 0 && isspace((unsigned char)*s)) {
        s++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        n--;
    return arena_strn(a, s, n);
}

static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);

    for (const char *p = choices; p && *p;) {
        const char *end = strchrnul(p, '|');

        if ((size_t)(end - p) == n && memcmp(p, text, n) == 0)
            return true;
        p = *end ? end + 1 : end;
    }
    return choices == NULL;
}

static int read_bool(const char *text, int64_t *ret)
{
    static const struct {
        const char *word;
        int64_t value;
    } words[] = {
        { "true", 1 },  { "1", 1 }, { "yes", 1 }, { "on", 1 },
        { "false", 0 }, { "0", 0 }, { "no", 0 },  { "off", 0 },
    };

    for (size_t i = 0; i < COUNT(words); i++) {
        if (str_eq_nocase(words[i].word, text)) {
            *ret = words[i].value;
            return 0;
        }
    }
    return -1;
}

static bool in_range(const struct option *o, double n)
{
    return (o->min == 0 && o->max == 0) || (n >= (double)o->min && n <= (double)o->max);
}

static int read_int(const struct option *o, const char *text, int64_t *ret)
{
    bool bounded = o->min != 0 || o->max != 0;

    if (text[0] == '+' && text[1] != '-')
        text++;
    if (!str_to_i64(text, INT64_MIN, INT64_MAX, ret))
        return -1;
    return bounded && (*ret < o->min || *ret > o->max) ? -1 : 0;
}

static int read_float(const struct option *o, const char *text, double *ret)
{
    char *end;
    locale_t c;

    if (!*text || text[strspn(text, "0123456789.+-eE")])
        return -1;
    /* The process may run under a locale whose decimal point is a comma. */
    c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    *ret = strtod_l(text, &end, c);
    freelocale(c);
    return *end || !in_range(o, *ret) ? -1 : 0;
}

static int read_quota(const char *text, int64_t *ret)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {
        { "", 0 }, { "B", 0 }, { "KB", 10 }, { "MB", 20 }, { "GB", 30 }, { "TB", 40 },
    };
    size_t digits = strspn(text, "0123456789");
    char number[24];
    uint64_t n;

    if (digits == 0 || digits >= sizeof number)
        return -1;
    memcpy(number, text, digits);
    number[digits] = '\0';
    if (!str_to_u64(number, INT64_MAX, &n))
        return -1;
    for (size_t i = 0; i < COUNT(units); i++) {
        if (str_eq_nocase(units[i].unit, text + digits)) {
            if (n > (uint64_t)INT64_MAX >> units[i].shift)
                return -1;
            *ret = (int64_t)(n << units[i].shift);
            return 0;
        }
    }
    return -1;
}

static int read_octal(const char *text, int64_t *ret)
{
    int64_t n = 0;

    if (str_starts(text, "0o"))
        text += 2;
    if (!*text || strlen(text) > 5)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '7')
            return -1;
        n = n * 8 + (*text - '0');
    }
    *ret = n;
    return n <= 07777 ? 0 : -1;
}

/* One item from *at on; a quoted one may contain commas. NULL: its quote is not closed. */
static const char *next_item(struct arena *a, const char **at, const char *end, bool quotes)
{
    const char *p = *at, *stop, *item;
    size_t n;

    while (p < end && isspace((unsigned char)*p))
        p++;
    if (quotes && p < end && (*p == '"' || *p == '\'')) {
        const char *close = p;

        do {
            close = memchr(close + 1, *p, (size_t)(end - close - 1));
            stop = close ? close + 1 : end;
            while (stop < end && isspace((unsigned char)*stop))
                stop++;
        } while (close && stop < end && *stop != ',');
        if (!close)
            return NULL;
        item = arena_strn(a, p + 1, (size_t)(close - p - 1));
    } else {
        stop = memchr(p, ',', (size_t)(end - p));
        stop = stop ? stop : end;
        item = strip(a, p, (size_t)(stop - p));
    }
    n = stop < end ? 1 : 0;
    *at = stop + n;
    return item;
}

static int read_list(struct arena *a, const struct option *o, const char *text, struct config_value *ret)
{
    bool bounded = o->type == OPTION_BOUNDED_LIST;
    size_t cap = 0, n = strlen(text);
    const char *at = text, *end;

    while (n > 0 && text[n - 1] == ',')
        n--;
    if (bounded) {
        if (n < 2 || text[0] != '[' || text[n - 1] != ']')
            return -1;
        at++;
        n--;
    }
    end = text + n;
    while (at < end && isspace((unsigned char)*at))
        at++;
    while (at < end) {
        bool last_is_empty = false;
        const char *item = next_item(a, &at, end, bounded);

        if (!item || !is_choice(o->choices, item))
            return -1;
        last_is_empty = at == end && end[-1] == ',';
        *ARENA_PUSH(a, ret->items, ret->n_items, cap) = item;
        if (last_is_empty && !o->choices)
            *ARENA_PUSH(a, ret->items, ret->n_items, cap) = "";
    }
    return 0;
}

/* Items stay "key:value", with the blanks around the colon gone. */
static int read_dict(struct arena *a, const struct option *o, const char *text, struct config_value *ret)
{
    if (read_list(a, o, text, ret) < 0)
        return -1;
    for (size_t i = 0; i < ret->n_items; i++) {
        const char *item = ret->items[i], *colon = strchr(item, ':');
        const char *key;

        if (!colon)
            return -1;
        key = strip(a, item, (size_t)(colon - item));
        if (!*key)
            return -1;
        ret->items[i] = arena_printf(a, "%s:%s", key, strip(a, colon + 1, strlen(colon + 1)));
    }
    return 0;
}

int config_value_read(struct arena *a, const struct option *o, const char *text, struct config_value *ret)
{
    const char *bare = strip(a, text, strlen(text));

    ret->text = text;
    switch (o->type) {
    case OPTION_STRING:
        return is_choice(o->choices, text) ? 0 : -1;
    case OPTION_MULTI:
        return is_choice(o->choices, text) ? 0 : -1;
    case OPTION_BOOL:
        return read_bool(bare, &ret->number);
    case OPTION_INT:
        return read_int(o, bare, &ret->number);
    case OPTION_FLOAT:
        return read_float(o, bare, &ret->real);
    case OPTION_PORT:
        return str_to_i64(bare, 0, 65535, &ret->number) ? 0 : -1;
    case OPTION_QUOTA:
        return read_quota(bare, &ret->number);
    case OPTION_OCTAL:
        return read_octal(bare, &ret->number);
    case OPTION_LIST:
    case OPTION_BOUNDED_LIST:
        return read_list(a, o, bare, ret);
    case OPTION_DICT:
        return read_dict(a, o, bare, ret);
    }
    return -1;
}

static void add_choices(const char *choices, struct str *out)
{
    str_add(out, "one of ");
    for (const char *p = choices; *p; p++) {
        if (*p == '|')
            str_add(out, ", ");
        else
            str_addc(out, *p);
    }
}

static void add_number(const struct option *o, const char *noun, struct str *out)
{
    str_add(out, noun);
    if (o->min == 0 && o->max == 0)
        return;
    if (o->max == INT64_MAX)
        str_addf(out, " of at least %lld", (long long)o->min);
    else if (o->min == INT64_MIN)
        str_addf(out, " of at most %lld", (long long)o->max);
    else
        str_addf(out, " from %lld to %lld", (long long)o->min, (long long)o->max);
}

static void add_list(const struct option *o, const char *form, struct str *out)
{
    str_add(out, form);
    if (o->choices) {
        str_add(out, ", each ");
        add_choices(o->choices, out);
    }
}

void config_value_expected(const struct option *o, struct str *out)
{
    switch (o->type) {
    case OPTION_STRING:
    case OPTION_MULTI:
        if (o->choices)
            add_choices(o->choices, out);
        else
            str_add(out, o->type == OPTION_MULTI ? "a string; may be given several times" : "a string");
        break;
    case OPTION_BOOL:
        str_add(out, "true or false");
        break;
    case OPTION_INT:
        add_number(o, "an integer", out);
        break;
    case OPTION_FLOAT:
        add_number(o, "a number", out);
        break;
    case OPTION_PORT:
        str_add(out, "a port number from 0 to 65535");
        break;
    case OPTION_QUOTA:
        str_add(out, "a number of bytes, or a number followed by KB, MB, GB or TB");
        break;
    case OPTION_OCTAL:
        str_add(out, "an octal file mode like 0640");
        break;
    case OPTION_LIST:
        add_list(o, "a list like a,b", out);
        break;
    case OPTION_BOUNDED_LIST:
        add_list(o, "a list in brackets, like [a,b]", out);
        break;
    case OPTION_DICT:
        str_add(out, "pairs like name:value,name:value");
        break;
    }
}
