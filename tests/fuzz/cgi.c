/* SPDX-License-Identifier: Apache-2.0 */
/* CGI variables (NAME=VALUE, a NUL between them): whatever is taken must be fit for logs, headers and
 * routing. */
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct vars {
    const char *text;
    size_t len;
};

static void check(bool ok)
{
    if (!ok)
        abort();
}

static const char *vars_get(void *arg, const char *name)
{
    const struct vars *v = arg;
    size_t n = strlen(name);

    for (size_t at = 0; at < v->len; at += strlen(v->text + at) + 1)
        if (strncmp(v->text + at, name, n) == 0 && v->text[at + n] == '=')
            return v->text + at + n + 1;
    return NULL;
}

static void check_class(const char *text, unsigned class)
{
    check(http_span(text, text + strlen(text), class) == strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena *a = arena_make(256);
    struct vars v = { arena_strn(a, (const char *)data, len), len };
    struct http_request rq = { .arena = a };
    struct error e;

    if (http_cgi_request(&rq, vars_get, &v, &e) < 0) {
        check(e.status == 400 || e.status == 414 || e.status == 501);
        check(*e.message != '\0');
    } else {
        check(*rq.method != '\0');
        check_class(rq.method, HTTP_TOKEN);
        check(*rq.path == '/' || (strcmp(rq.path, "*") == 0 && strcmp(rq.method, "OPTIONS") == 0));
        check_class(rq.path, HTTP_TARGET);
        check(!*rq.prefix || (*rq.prefix == '/' && !str_ends(rq.prefix, "/")));
        check_class(rq.prefix, HTTP_TARGET);
        check_class(rq.query ? rq.query : "", HTTP_TARGET);
        check(*rq.host != '\0' && http_host_valid(rq.host, strlen(rq.host)));
        check_class(rq.peer, HTTP_TEXT);
        check(strcmp(rq.scheme, "http") == 0 || strcmp(rq.scheme, "https") == 0);
        check(rq.content_length >= HTTP_BODY_UNKNOWN);
    }
    (void)http_cgi_header(vars_get, &v, a, "Content-Type");
    (void)http_cgi_header(vars_get, &v, a, "X-Auth-Token");
    arena_free(a);
    return 0;
}
