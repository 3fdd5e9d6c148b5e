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

static bool is_field(const char *line, size_t n, const char *name)
{
    size_t len = strlen(name);

    return n >= len && strncasecmp(line, name, len) == 0 && (n == len || strchr(": \t", line[len]));
}

static bool is_framing(const char *line, size_t n)
{
    return is_field(line, n, "Transfer-Encoding") || is_field(line, n, "Content-Length") ||
           is_field(line, n, "Content-Range");
}

/* Of a line that is too long, continues another one, or has a blank before its colon. */
static void framing_lost(struct fetch_head *h, const char *line, size_t n)
{
    if (h->framing || is_field(line, n, "Transfer-Encoding"))
        h->coded = h->coding_bad = true;
    if (is_field(line, n, "Content-Length"))
        h->length_junk = true;
    if (is_field(line, n, "Content-Range")) {
        h->part_seen = true;
        h->part = h->total_known = false;
    }
}

static void length_take(struct fetch_head *h, const char *value)
{
    uint64_t length;

    if (!str_to_u64(value, INT64_MAX, &length)) {
        h->length_junk = true;
        return;
    }
    h->lengths_differ |= h->length_seen && h->length != length;
    h->length_seen = true;
    h->length = length;
}

static void field_take(struct fetch_head *h, const char *name, const char *value)
{
    if (str_eq_nocase(name, "Transfer-Encoding")) {
        h->coding_bad |= h->coded || !str_eq_nocase(value, "chunked");
        h->coded = true;
    } else if (str_eq_nocase(name, "Content-Length")) {
        length_take(h, value);
    } else if (str_eq_nocase(name, "Content-Range")) {
        part_take(h, value);
    } else if (str_eq_nocase(name, "ETag")) {
        keep(h->etag, sizeof h->etag, value);
    } else if (str_eq_nocase(name, "Last-Modified")) {
        keep(h->last_modified, sizeof h->last_modified, value);
    } else if (str_eq_nocase(name, "Date")) {
        keep(h->date, sizeof h->date, value);
    } else if (str_eq_nocase(name, "Retry-After")) {
        keep(h->retry_after, sizeof h->retry_after, value);
    }
}

void fetch_head_line(struct fetch_head *h, const char *line, size_t n)
{
    char text[FETCH_LINE_MAX], *value;
    bool continues = n > 0 && (*line == ' ' || *line == '\t'), framing;
    size_t name;

    while (n > 0 && strchr(" \t\r\n", line[n - 1]))
        n--;
    framing = is_framing(line, n);
    if ((continues && n > 0) || n >= sizeof text || memchr(line, '\0', n)) {
        framing_lost(h, line, n);
        h->framing = framing || (continues && h->framing);
        return;
    }
    h->framing = framing;
    memcpy(text, line, n);
    text[n] = '\0';
    if (str_starts(text, "HTTP/"))
        memset(h, 0, sizeof *h);
    value = strchr(text, ':');
    if (!value)
        return;
    name = (size_t)(value - text);
    if (framing && text[name - 1] <= ' ') {
        framing_lost(h, line, n);
        return;
    }
    text[name] = '\0';
    value += 1 + strspn(value + 1, " \t");
    field_take(h, text, value);
}

/* Everything, although the answer calls it a part. */
static bool is_whole(const struct fetch_head *h)
{
    return h->part && h->part_first == 0 && h->total_known && h->part_last + 1 == h->total;
}

const char *fetch_head_refused(const struct fetch_head *h, unsigned status, bool part_asked)
{
    if (h->coding_bad)
        return "its Transfer-Encoding is not chunked alone, and no other was asked for";
    if (h->length_junk)
        return "its Content-Length is not a length";
    if (h->lengths_differ)
        return "it has two different Content-Lengths";
    if (status != 206 || part_asked || is_whole(h))
        return NULL;
    return h->part_seen ? "it is a part that was not asked for"
                        : "it is a part (206) without a Content-Range";
}
