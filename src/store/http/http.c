/* SPDX-License-Identifier: Apache-2.0 */
/* Objects at web servers, for reading only. Facts: glance_store's http driver (which statuses mean what, five
 * requests at most, 301 and 302 alone are followed).
 *
 * A get is one request for the whole object from its beginning; reading somewhere else than where the last
 * read ended is a request for the rest from there. What the server said of the size in the first answer binds
 * the later ones. A location is judged at each request as it was when it was set (fetch/source.c): what its
 * name resolves to may have changed. */
#include "store/driver.h"

#include <pthread.h>
#include <string.h>

#include "fetch/fetch.h"
#include "http/http.h"

enum { REQUESTS_MAX = 5, SKIP_BUFFER = 64 * 1024 };

struct web {
    struct fetch_options options; /* texts are its own */
    pthread_mutex_t lock;         /* of the rules, which a reload exchanges */
    struct fetch_rules *rules;
};

struct web_get {
    struct store_get get; /* first member */
    char *url;
    struct fetch *fetch; /* NULL after a failure */
    uint64_t at;         /* where fetch stands */
    uint64_t size;       /* or STORE_SIZE_UNKNOWN */
};

static char *proxy_for(const struct config *c, const char *group, const char *scheme)
{
    const char *const *pairs;
    size_t n = store_option_list(c, group, "http_proxy_information", &pairs);

    for (size_t i = 0; i < n; i++)
        if (str_starts(pairs[i], scheme) && pairs[i][strlen(scheme)] == ':')
            return mem_str(pairs[i] + strlen(scheme) + 1);
    return NULL;
}

static int web_open(struct store *s, const struct config *c, const char *group, struct error *e UNUSED)
{
    const char *ca = store_option_str(c, group, "https_ca_certificates_file");
    struct web *w = mem_new(sizeof *w);

    w->options = (struct fetch_options){
        .verify = (ca && *ca) || !store_option_bool(c, group, "https_insecure"),
        .ca_file = ca ? mem_str(ca) : NULL,
        .proxy_http = proxy_for(c, group, "http"),
        .proxy_https = proxy_for(c, group, "https"),
        .timeout_ms = (int64_t)(config_float(c, "glint", "fetch_timeout") * 1000),
        .total_ms = config_int(c, "glint", "import_timeout") * 1000,
        .rate_min = (uint64_t)config_int(c, "glint", "import_rate_min"),
        .requests_max = REQUESTS_MAX,
        .stored = true,
    };
    pthread_mutex_init(&w->lock, NULL);
    w->rules = fetch_rules_make(c, NULL);
    s->data = w;
    return 0;
}

static void web_reread(struct store *s, const struct config *c)
{
    struct fetch_rules *old, *rules = fetch_rules_make(c, NULL);
    struct web *w = s->data;

    pthread_mutex_lock(&w->lock);
    old = w->rules;
    w->rules = rules;
    pthread_mutex_unlock(&w->lock);
    fetch_rules_free(old);
}

static void web_close(struct store *s)
{
    struct web *w = s->data;

    fetch_rules_free(w->rules);
    pthread_mutex_destroy(&w->lock);
    mem_free((char *)(uintptr_t)w->options.ca_file);
    mem_free((char *)(uintptr_t)w->options.proxy_http);
    mem_free((char *)(uintptr_t)w->options.proxy_https);
    mem_free(w);
}

/* ---- asking ---- */

static int bad_url(struct error *e)
{
    return error_set(e, ERROR_INVALID, "The Store URI was malformed.");
}

static bool all_digits(const char *text, size_t n)
{
    return strspn(text, "0123456789") >= n;
}

/* scheme://[user:password@]host[:port]… without blanks and controls. */
static int url_check(const char *url, struct error *e)
{
    const char *host, *at, *port;
    size_t n;

    if (!str_starts(url, "http://") && !str_starts(url, "https://"))
        return bad_url(e);
    for (const unsigned char *p = (const unsigned char *)url; *p; p++)
        if (*p <= ' ' || *p == 0x7F)
            return bad_url(e);
    host = strstr(url, "://") + 3;
    n = strcspn(host, "/?#");
    at = memchr(host, '@', n);
    if (at) {
        const char *colon = memchr(host, ':', (size_t)(at - host));

        if (!colon || memchr(colon + 1, ':', (size_t)(at - colon - 1)))
            return bad_url(e);
        n -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    port = *host == '[' ? memchr(host, ']', n) : host;
    port = port ? memchr(port, ':', n - (size_t)(port - host)) : NULL;
    if (n == 0 || memchr(host, '@', n) || (port && !all_digits(port + 1, (size_t)(host + n - port - 1))))
        return bad_url(e);
    return 0;
}

static const char *web_canonical(const struct store *s UNUSED, struct arena *a, const char *url)
{
    return http_url_canonical(a, url);
}

static int status_check(const struct fetch *f, struct error *e)
{
    unsigned status = fetch_status(f);

    if (status < 300)
        return 0;
    if (status == 404)
        error_set(e, ERROR_NOT_FOUND, "HTTP datastore could not find image at URI.");
    else
        error_set(e, status >= 500 ? ERROR_UNAVAILABLE : ERROR_INVALID,
                  "The HTTP URL returned a %u status code.", status);
    return error_detail(e, "source %.200s: it answers %u", fetch_where(f), status);
}

static int ask(struct store *s, const char *url, bool head, uint64_t offset, struct fetch **ret,
               struct error *e)
{
    struct web *w = s->data;
    struct fetch_options o = w->options;
    int result;

    if (url_check(url, e) < 0)
        return -1;
    pthread_mutex_lock(&w->lock);
    o.rules = fetch_rules_ref(w->rules);
    pthread_mutex_unlock(&w->lock);
    result = fetch_open(&o, url, head, offset, ret, e);
    fetch_rules_free(o.rules);
    return result < 0 ? -1 : status_check(*ret, e);
}

static int web_size(struct store *s, const char *url, uint64_t *ret, struct error *e)
{
    CLEANUP(fetch_close) struct fetch *f = NULL;

    if (ask(s, url, true, 0, &f, e) < 0)
        return -1;
    *ret = fetch_length(f) > 0 ? (uint64_t)fetch_length(f) : 0;
    return 0;
}

/* ---- get ---- */

static int web_get_open(struct store *s, const char *url, struct store_get **ret, uint64_t *ret_size,
                        struct error *e)
{
    CLEANUP(fetch_close) struct fetch *f = NULL;
    struct web_get *g;

    if (ask(s, url, false, 0, &f, e) < 0)
        return -1;
    g = mem_new(sizeof *g);
    g->url = mem_str(url);
    g->size = fetch_length(f) >= 0 ? (uint64_t)fetch_length(f) : STORE_SIZE_UNKNOWN;
    g->fetch = TAKE(f);
    *ret = &g->get;
    *ret_size = g->size;
    return 0;
}

static int changed(struct error *e)
{
    return error_set(e, ERROR_UNAVAILABLE, "The remote server's object has changed while it was read.");
}

/* A server without ranges sends everything again. */
static int skip(struct fetch *f, uint64_t n, struct error *e)
{
    char *buffer = mem_new(SKIP_BUFFER);
    CLEANUP(mem_free_ptr) char *owned UNUSED = buffer;

    while (n > 0) {
        ssize_t got = fetch_read(f, buffer, n < SKIP_BUFFER ? (size_t)n : SKIP_BUFFER, e);

        if (got <= 0)
            return got < 0 ? -1 : changed(e);
        n -= (uint64_t)got;
    }
    return 0;
}

static int move_to(struct web_get *g, uint64_t offset, struct error *e)
{
    CLEANUP(fetch_close) struct fetch *f = NULL;
    uint64_t first, total;

    fetch_close(&g->fetch);
    if (ask(g->get.store, g->url, false, offset, &f, e) < 0)
        return -1;
    if (fetch_part(f, &first, &total)) {
        if (first != offset || (g->size != STORE_SIZE_UNKNOWN && total != g->size))
            return changed(e);
    } else {
        if (fetch_status(f) == 206)
            return changed(e);
        if (g->size != STORE_SIZE_UNKNOWN && fetch_length(f) >= 0 && (uint64_t)fetch_length(f) != g->size)
            return changed(e);
        if (skip(f, offset, e) < 0)
            return -1;
    }
    g->fetch = TAKE(f);
    g->at = offset;
    return 0;
}

static ssize_t web_get_read(struct store_get *get, uint64_t offset, void *buf, size_t n, struct error *e)
{
    struct web_get *g = (struct web_get *)get;
    ssize_t got;

    if (g->size != STORE_SIZE_UNKNOWN && offset >= g->size)
        return 0;
    if ((!g->fetch || offset != g->at) && move_to(g, offset, e) < 0)
        return -1;
    got = fetch_read(g->fetch, buf, n, e);
    if (got == 0 && g->size != STORE_SIZE_UNKNOWN) /* before the end that was announced */
        got = changed(e);
    if (got < 0)
        fetch_close(&g->fetch);
    else
        g->at += (uint64_t)got;
    return got;
}

static void web_get_close(struct store_get *get)
{
    struct web_get *g = (struct web_get *)get;

    fetch_close(&g->fetch);
    mem_free(g->url);
    mem_free(g);
}

static const char *const schemes[] = { "http", "https", NULL };

const struct store_driver store_http = {
    .name = "http",
    .schemes = schemes,
    .distant = true,
    .open = web_open,
    .reread = web_reread,
    .close = web_close,
    .canonical = web_canonical,
    .size = web_size,
    .get_open = web_get_open,
    .get_read = web_get_read,
    .get_close = web_get_close,
};
