/* SPDX-License-Identifier: Apache-2.0 */
/* Suggestions for a name that the table lacks. */
#include "base/config_private.h"

#include <string.h>

enum { NAME_MAX_COMPARED = 64 };

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;

    return m < c ? m : c;
}

/* Levenshtein's distance of two short names. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_COMPARED + 1], n = strlen(a), m = strlen(b);

    if (n > NAME_MAX_COMPARED || m > NAME_MAX_COMPARED)
        return NAME_MAX_COMPARED;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t above = row[j];

            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[m];
}

void config_suggest(const struct option *options, const char *group, const char *name, struct str *out)
{
    size_t best = 2 * (strlen(name) / 4 + 1) + 2;
    const struct option *found = NULL;

    /* The same name in another section is the likeliest slip, then a neighbour's name, then anybody's. */
    for (const struct option *o = options; o->name; o++) {
        bool neighbour = config_group_eq(group, o->group);
        size_t score = 2 * distance(name, o->name) + (neighbour ? 0 : 1);

        if (score < best && (neighbour || !(o->flags & OPTION_NO_EFFECT))) {
            best = score;
            found = o;
        }
    }
    if (!found)
        return;
    if (config_group_eq(group, found->group))
        str_addf(out, "; did you mean %s?", found->name);
    else if (str_eq(found->group, "*"))
        str_addf(out, "; did you mean %s of a backend's section?", found->name);
    else if (str_eq(found->name, name))
        str_addf(out, "; it belongs in [%s]", found->group);
    else
        str_addf(out, "; did you mean %s of [%s]?", found->name, found->group);
}
