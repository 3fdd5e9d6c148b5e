/* SPDX-License-Identifier: Apache-2.0 */
#include "api/core/values.h"

#include <ctype.h>
#include <string.h>

/* "some_name" as Python's str.title() writes it: "Some_Name". */
static void title_write(const char *name, char *out, size_t size)
{
    bool inside = false;

    str_copy(out, size, name);
    for (; *out; out++) {
        bool letter = isascii(*out) && isalpha((unsigned char)*out);

        if (letter)
            *out = (char)(inside ? tolower((unsigned char)*out) : toupper((unsigned char)*out));
        inside = letter || !isascii(*out);
    }
}

bool text_has_4byte(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p >= 0xF0)
            return true;
    return false;
}

int text_storable(const char *text, const char *name, struct error *e)
{
    char what[256];

    if (!text_has_4byte(text))
        return 0;
    title_write(name, what, sizeof what);
    return error_set(e, ERROR_INVALID, "%s can't contain 4 byte unicode characters.", what);
}

int quota_check(int64_t limit, size_t n, const char *what, struct error *e)
{
    if (limit < 0 || (int64_t)n <= limit)
        return 0;
    return error_set(
        e, ERROR_TOO_LARGE,
        "The limit has been exceeded on the number of allowed image %s. Attempted: %zu, Maximum: %lld", what,
        n, (long long)limit);
}
