/* SPDX-License-Identifier: Apache-2.0 */
/* The uwsgi protocol as web servers speak it to a back end (uwsgi-docs Protocol.html): a header of four
 * bytes, a block of variables, then the body. Numbers are little-endian.
 *
 *   modifier1 | size of the block (2) | modifier2 | { size (2) | name | size (2) | value } … | body
 *
 * What holds for these connections, as observed of mod_proxy_uwsgi (Apache 2.4.71) and uwsgi_pass
 * (nginx 1.22.1):
 *
 * 1. Each carries one request. An answer ends with the connection, and Apache takes any end for a good
 *    one: so an answer always has its Content-Length, and one that falls short ends in a reset.
 * 2. No answer is heard before the body is sent: so the rest of a refused body is read.
 * 3. The end of the connection is never the end of a body: it is an abort.
 * 4. 100 Continue is the server's affair: a second one would be taken for the answer. */
#include "front/http1/http1_private.h"

#include <string.h>

enum {
    HEADER = 4,
    MODIFIER_PYTHON = 0,
    MODIFIER_MOUNT = 30, /* Python again, with SCRIPT_NAME taken off the path: which we always do */
};

/* What http_cgi_request() asks for. Headers (HTTP_*) are kept too; of the rest servers hand on much. */
static const char *const wanted[] = {
    "REQUEST_METHOD", "REQUEST_URI",  "SCRIPT_NAME",    "PATH_INFO",   "QUERY_STRING",
    "SERVER_NAME",    "SERVER_PORT",  "REQUEST_SCHEME", "HTTPS",       "UWSGI_SCHEME",
    "REMOTE_ADDR",    "CONTENT_TYPE", "BODY_FRAMING",   "GLINT_MOUNT", "CONTENT_LENGTH",
};
_Static_assert(COUNT(wanted) <= HTTP1_VARS, "each of them has its place");

static int refuse(struct http1_head *h, int status, const char *problem)
{
    h->problem = problem;
    return -status;
}

static size_t number(const char *p)
{
    return (size_t)(unsigned char)p[0] | (size_t)(unsigned char)p[1] << 8;
}

/* Cuts the next counted text out of *p..end and makes it a C string, one byte down, over its own size: the
 * byte after it is not ours to write. NULL when it does not fit. */
static char *take_text(char **p, const char *end, size_t *ret_len)
{
    char *text;
    size_t n;

    if (end - *p < 2)
        return NULL;
    n = number(*p);
    if ((size_t)(end - *p) - 2 < n)
        return NULL;
    text = *p + 1;
    memmove(text, *p + 2, n);
    text[n] = '\0';
    *p += 2 + n;
    *ret_len = n;
    return text;
}

static bool is_header(const char *name)
{
    return str_starts(name, "HTTP_");
}

static bool is_wanted(const char *name)
{
    if (is_header(name))
        return true;
    for (size_t i = 0; i < COUNT(wanted); i++)
        if (strcmp(name, wanted[i]) == 0)
            return true;
    return false;
}

static struct http1_field *find(struct http1_head *h, const char *name)
{
    for (size_t i = 0; i < h->n_fields; i++)
        if (strcmp(h->fields[i].name, name) == 0)
            return &h->fields[i];
    return NULL;
}

/* Configurations include the usual parameters and then set some of them again: the last one counts, as it
 * does for uWSGI. Two lengths of one body are no such case. */
static int add_variable(struct http1_head *h, const struct http1_field *f)
{
    struct http1_field *old = is_header(f->name) ? NULL : find(h, f->name);

    if (old && strcmp(f->name, "CONTENT_LENGTH") == 0 && strcmp(old->value, f->value) != 0)
        return refuse(h, 400, "there are two values of CONTENT_LENGTH");
    if (!old && is_header(f->name) && h->n_headers++ == HTTP_HEADERS_MAX)
        return refuse(h, 431, "there are too many header fields");
    if (!old)
        old = &h->fields[h->n_fields++];
    *old = *f;
    return 0;
}

static int take_variable(char **p, const char *end, struct http1_head *h)
{
    struct http1_field f;

    f.name = take_text(p, end, &f.name_len);
    f.value = f.name ? take_text(p, end, &f.value_len) : NULL;
    if (!f.value)
        return refuse(h, 400, "a variable of the packet is cut short");
    if (f.name_len == 0 || strlen(f.name) != f.name_len)
        return refuse(h, 400, "a variable's name is malformed");
    if (!is_wanted(f.name))
        return 0;
    if (strlen(f.value) != f.value_len ||
        (is_header(f.name) && http_span(f.value, f.value + f.value_len, HTTP_TEXT) != f.value_len))
        return refuse(h, 400, "a variable has control characters");
    return add_variable(h, &f);
}

int uwsgi_packet_parse(char *buf, size_t len, struct http1_head *ret)
{
    char *p = buf + HEADER, *end;
    int refused = 0;

    memset(ret, 0, offsetof(struct http1_head, fields));
    /* An HTTP client at the wrong door hears so at once: its "size" may never be reached. */
    if (len > 0 && buf[0] != MODIFIER_PYTHON && buf[0] != MODIFIER_MOUNT)
        return refuse(ret, 400, "this is no request of the uwsgi protocol, which is spoken here");
    if (len < HEADER)
        return 0;
    if (buf[3] != 0)
        return refuse(ret, 400, "the packet's second modifier is not known here");
    end = p + number(buf + 1);
    if (len < (size_t)(end - buf))
        return 0;
    ret->minor = 1;
    while (p < end && refused == 0)
        refused = take_variable(&p, end, ret);
    return refused < 0 ? refused : (int)(end - buf);
}

/* ---- the request that the variables make ---- */

static const char *get_variable(void *arg, const char *name)
{
    struct gateway *g = arg;
    const struct http1_field *f = find(&g->head, name);

    return !f ? NULL : is_header(name) ? field_joined(g, (size_t)(f - g->head.fields), name) : f->value;
}

const char *uwsgi_header(struct gateway *g, const char *name)
{
    return http_cgi_header(get_variable, g, g->rq.arena, name);
}

int uwsgi_request(struct gateway *g)
{
    struct error e;

    g->rq.host = g->c->listener->host;
    g->rq.peer = g->c->peer;
    if (http_cgi_request(&g->rq, get_variable, g, &e) == 0)
        return 0;
    return refuse(&g->head, e.status, arena_str(g->rq.arena, e.message));
}
