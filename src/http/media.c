/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

#include <string.h>
#include <strings.h>

struct media_range {
    const char *type;
    size_t type_len;
    int quality; /* thousandths */
    bool has_params;
};

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

static size_t token_len(const char *p)
{
    size_t n = 0;

    while ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z') || (p[n] >= '0' && p[n] <= '9') ||
           (p[n] && strchr("!#$%&'*+-.^_`|~", p[n])))
        n++;
    return n;
}

/* A quoted string (RFC 9110 section 5.6.4) with its quotes, or 0. */
static size_t quoted_len(const char *p)
{
    size_t n = 1;

    if (*p != '"')
        return 0;
    while (p[n] && p[n] != '"')
        n += p[n] == '\\' && p[n + 1] ? 2 : 1;
    return p[n] ? n + 1 : 0;
}

/* qvalue of RFC 9110 12.4.2 in thousandths, *p moved past; false when it is not one. */
static bool quality(const char **p, int *ret)
{
    int unit = 100, digits = 0;

    if (**p != '0' && **p != '1')
        return false;
    *ret = (*(*p)++ - '0') * 1000;
    if (**p != '.')
        return true;
    for ((*p)++; **p >= '0' && **p <= '9'; (*p)++, unit /= 10) {
        if (++digits > 3)
            return false;
        *ret += (**p - '0') * unit;
    }
    return *ret <= 1000;
}

static bool params(const char **p, struct media_range *r)
{
    for (;;) {
        const char *at = skip_blanks(*p);
        size_t n;

        if (*at != ';')
            return true;
        at = skip_blanks(at + 1);
        n = token_len(at);
        if (n == 0 || at[n] != '=')
            return false;
        if (n == 1 && (*at == 'q' || *at == 'Q')) {
            at += 2;
            if (!quality(&at, &r->quality))
                return false;
        } else {
            r->has_params = true;
            at += n + 1;
            n = token_len(at);
            n = n ? n : quoted_len(at);
            if (n == 0)
                return false;
            at += n;
        }
        *p = at;
    }
}

/* One element of the list at *p, moved behind its comma. 1: one, 0: the end, -1: not the grammar. */
static int next_range(const char **p, struct media_range *ret)
{
    size_t n;

    *p = skip_blanks(*p);
    while (**p == ',')
        *p = skip_blanks(*p + 1);
    if (!**p)
        return 0;
    *ret = (struct media_range){ .type = *p, .quality = 1000 };
    n = token_len(*p);
    if (n == 0 || (*p)[n] != '/')
        return -1;
    *p += n + 1;
    n = token_len(*p);
    if (n == 0)
        return -1;
    *p += n;
    ret->type_len = (size_t)(*p - ret->type);
    if (!params(p, ret))
        return -1;
    *p = skip_blanks(*p);
    return **p == ',' || !**p ? 1 : -1;
}

static bool well_formed(const char *header)
{
    struct media_range r;
    int more;

    while ((more = next_range(&header, &r)) > 0)
        continue;
    return more == 0;
}

/* How closely a range names an offer: 3 exactly, 2 type/x, 1 x/x, 0 not at all. */
static int closeness(const struct media_range *r, const char *offer)
{
    size_t slash = (size_t)(strchr(offer, '/') - offer);

    if (r->has_params) /* the offers have none */
        return 0;
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
    if (!well_formed(header)) /* as WebOb: what cannot be read asks for nothing in particular */
        return n ? 0 : -1;
    for (size_t i = 0; i < n; i++) {
        const char *p = header;
        struct media_range r;
        int close = 0, q = 0;

        while (next_range(&p, &r) > 0) {
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
