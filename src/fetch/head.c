/* SPDX-License-Identifier: Apache-2.0 */
/* What a transfer has to know of an answer's head: RFC 9110, 8.8 (validators), 14.4 (Content-Range), 10.2.3
 * (Retry-After). */
#include "fetch/fetch.h"

#include <string.h>

static bool number(const char **at, uint64_t *ret)
{
    char digits[24];
    size_t n = strspn(*at, "0123456789");

    if (n >= sizeof digits)
        return false;
    memcpy(digits, *at, n);
    digits[n] = '\0';
    *at += n;
    return str_to_u64(digits, INT64_MAX, ret);
}

static bool skip(const char **at, char c)
{
    return **at == c && (*at)++;
}

/* bytes 0-9/10, bytes 0-9/\*, bytes *\/10 */
static bool part_read(const char *text, struct fetch_head *h)
{
    uint64_t first = 0, last = 0, total = 0;
    bool within;

    if (strncasecmp(text, "bytes", 5) != 0 || text[5] != ' ')
        return false;
    text += 5 + strspn(text + 5, " ");
    within = *text != '*';
    if (within ? !number(&text, &first) || !skip(&text, '-') || !number(&text, &last) || last < first
               : !skip(&text, '*'))
        return false;
    if (!skip(&text, '/'))
        return false;
    h->total_known = *text != '*';
    if (h->total_known ? !number(&text, &total) || (within && last >= total) : !skip(&text, '*'))
        return false;
    h->part = within;
    h->part_first = first;
    h->part_last = last;
    h->total = total;
    return *text == '\0' && (within || h->total_known);
}

static void part_take(struct fetch_head *h, const char *text)
{
    struct fetch_head other = *h;

    if (!part_read(text, &other) ||
        (h->part_seen && (other.part != h->part || other.total != h->total ||
                          other.part_first != h->part_first || other.part_last != h->part_last))) {
        other = *h;
        other.part = other.total_known = false;
    }
    other.part_seen = true;
    *h = other;
}

/* The first one counts; what does not fit is none. */
static void keep(char *to, size_t size, const char *value)
{
    if (!*to && strlen(value) < size)
        str_copy(to, size, value);
}

void fetch_head_line(struct fetch_head *h, const char *line, size_t n)
{
    static const char coding[] = "Transfer-Encoding";
    char text[FETCH_LINE_MAX], *value;
    uint64_t ignored;

    while (n > 0 && strchr(" \t\r\n", line[n - 1]))
        n--;
    h->coded |= n >= strlen(coding) && strncasecmp(line, coding, strlen(coding)) == 0;
    if (n >= sizeof text || memchr(line, '\0', n))
        return;
    memcpy(text, line, n);
    text[n] = '\0';
    if (str_starts(text, "HTTP/"))
        memset(h, 0, sizeof *h);
    value = strchr(text, ':');
    if (!value)
        return;
    *value++ = '\0';
    value += strspn(value, " \t");
    if (str_eq_nocase(text, "Content-Length"))
        h->length_junk |= !str_to_u64(value, INT64_MAX, &ignored);
    else if (str_eq_nocase(text, "Content-Range"))
        part_take(h, value);
    else if (str_eq_nocase(text, "ETag"))
        keep(h->etag, sizeof h->etag, value);
    else if (str_eq_nocase(text, "Last-Modified"))
        keep(h->last_modified, sizeof h->last_modified, value);
    else if (str_eq_nocase(text, "Date"))
        keep(h->date, sizeof h->date, value);
    else if (str_eq_nocase(text, "Retry-After"))
        keep(h->retry_after, sizeof h->retry_after, value);
}
