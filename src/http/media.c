/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

#include <string.h>

struct media_range {
    const char *type;
    size_t      type_len;
    int         quality; /* thousandths */
};

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* qvalue of RFC 9110 12.4.2 in thousandths; anything else counts as 0. */
static int quality(const char *p)
{
    int q, unit = 100;

    if (*p != '0' && *p != '1')
        return 0;
    q = (*p - '0') * 1000;
    if (*++p != '.')
        return q;
    for (p++; *p >= '0' && *p <= '9' && unit > 0; p++, unit /= 10)
        q += (*p - '0') * unit;
    return q > 1000 ? 1000 : q;
}

/* One element of the list at *p, moved behind its comma; false at the end. */
static bool next_range(const char **p, struct media_range *ret)
{
    const char *start, *end;

    *p = skip_blanks(*p);
    while (**p == ',')
        *p = skip_blanks(*p + 1);
    if (!**p)
        return false;
    start = *p;
    end = start + strcspn(start, ";,");
    *p = end;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *ret = (struct media_range){ start, (size_t)(end - start), 1000 };
    while (**p == ';') {
        const char *param = skip_blanks(*p + 1);

        if ((param[0] == 'q' || param[0] == 'Q') && param[1] == '=')
            ret->quality = quality(param + 2);
        *p = param + strcspn(param, ";,");
    }
    return true;
}

/* How closely a range names an offer: 3 exactly, 2 type/x, 1 x/x, 0 not at all. */
static int closeness(const struct media_range *r, const char *offer)
{
    size_t slash = (size_t)(strchr(offer, '/') - offer);

    if (r->type_len == 3 && memcmp(r->type, "*/*", 3) == 0)
        return 1;
    if (r->type_len == slash + 2 && strncasecmp(r->type, offer, slash + 1) == 0 && r->type[slash + 1] == '*')
        return 2;
    if (r->type_len == strlen(offer) && strncasecmp(r->type, offer, r->type_len) == 0)
        return 3;
    return 0;
}

int http_accept_best(const char *header, const char *const *offers, size_t n)
{
    int best = -1, best_quality = 0;

    if (!header)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const char *p = header;
        struct media_range r;
        int close = 0, q = 0;

        while (next_range(&p, &r)) {
            int c = closeness(&r, offers[i]);

            if (c > close) {
                close = c;
                q = r.quality;
            }
        }
        if (q > best_quality) {
            best = (int)i;
            best_quality = q;
        }
    }
    return best;
}

bool http_media_type(const char *header, char *out, size_t size)
{
    size_t n;

    if (!header)
        return false;
    header = skip_blanks(header);
    n = strcspn(header, ";");
    if (n == 0 || n >= size)
        return false;
    memcpy(out, header, n);
    out[n] = '\0';
    return true;
}
