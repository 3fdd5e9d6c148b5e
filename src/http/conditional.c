/* SPDX-License-Identifier: Apache-2.0 */
/* Entity tags and conditional requests (RFC 9110 sections 8.8.3 and 13). */
#include "http/http.h"

#include <string.h>

/* ---- entity tags ---- */

struct tag {
    const char *opaque; /* with its quotes */
    size_t n;
    bool weak;
};

/* One tag at *p, moved past it; false when there is none. */
static bool tag_read(const char **p, struct tag *ret)
{
    const char *at = *p;

    ret->weak = at[0] == 'W' && at[1] == '/';
    at += ret->weak ? 2 : 0;
    if (*at != '"')
        return false;
    ret->opaque = at++;
    while ((unsigned char)*at > ' ' && *at != '"' && *at != 0x7F)
        at++;
    if (*at++ != '"')
        return false;
    ret->n = (size_t)(at - ret->opaque);
    *p = at;
    return true;
}

/* Whether a tag is `etag`, which is strong. A weak one says only that both mean the same, which is enough for
 * reading from a cache and not for changing. */
static bool tag_is(const struct tag *t, const char *etag, bool weak_will_do)
{
    return (weak_will_do || !t->weak) && strlen(etag) == t->n && memcmp(etag, t->opaque, t->n) == 0;
}

/* Whether a list names `etag`. What is no tag ends the list: it can name nothing. */
static bool list_names(const char *p, const char *etag, bool weak_will_do)
{
    struct tag t;

    for (;;) {
        p += strspn(p, " \t,"); /* empty elements are to be accepted (section 5.6.1.2) */
        if (!*p || !tag_read(&p, &t))
            return false;
        p += strspn(p, " \t");
        if (*p && *p != ',')
            return false;
        if (tag_is(&t, etag, weak_will_do))
            return true;
    }
}

static bool is_star(const char *text)
{
    text += strspn(text, " \t");
    return *text == '*' && text[1 + strspn(text + 1, " \t")] == '\0';
}

static bool names_it(const char *header, const struct http_validators *v, bool weak_will_do)
{
    if (!v->exists)
        return false;
    return is_star(header) || (v->etag && list_names(header, v->etag, weak_will_do));
}

/* ---- dates ---- */

/* The date of a header, and whether there is one that can be compared with. */
static bool date_given(const char *header, const struct http_validators *v, int64_t *ret)
{
    return header && v->exists && v->modified_us > 0 && http_date_parse(header, clock_now_us(), ret);
}

/* What a date on the wire can tell of it. */
static int64_t whole_second(int64_t us)
{
    return us - us % CLOCK_SECOND;
}

/* ---- judgement ---- */

void http_conditions_read(struct http_request *rq, struct http_conditions *ret)
{
    ret->if_match = http_header(rq, "If-Match");
    ret->if_none_match = http_header(rq, "If-None-Match");
    ret->if_modified_since = http_header(rq, "If-Modified-Since");
    ret->if_unmodified_since = http_header(rq, "If-Unmodified-Since");
}

bool http_conditions_given(const struct http_conditions *c)
{
    return c->if_match || c->if_none_match || c->if_modified_since || c->if_unmodified_since;
}

/* Section 13.2.2, step by step. */
enum http_verdict http_conditions_judge(const struct http_conditions *c, bool reads,
                                        const struct http_validators *v)
{
    int64_t date;

    if (c->if_match) {
        if (!names_it(c->if_match, v, false))
            return HTTP_NO_MATCH;
    } else if (date_given(c->if_unmodified_since, v, &date) && whole_second(v->modified_us) > date) {
        return HTTP_MODIFIED;
    }
    if (c->if_none_match) {
        if (names_it(c->if_none_match, v, true))
            return reads ? HTTP_UNCHANGED : HTTP_MATCHED;
    } else if (reads && date_given(c->if_modified_since, v, &date) && whole_second(v->modified_us) <= date) {
        return HTTP_UNCHANGED;
    }
    return HTTP_HOLDS;
}

bool http_if_range_holds(const char *header, const struct http_validators *v)
{
    struct tag t;
    int64_t date;

    if (!header)
        return true;
    if (tag_read(&header, &t))
        return !*header && v->etag && tag_is(&t, v->etag, false);
    return v->modified_strong && date_given(header, v, &date) && whole_second(v->modified_us) == date;
}
