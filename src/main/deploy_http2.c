/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2, by libcurl's own client: over TLS where the server offers it, else by prior knowledge. */
#include "main/deploy.h"

#include <string.h>

#include "fetch/fetch.h"

enum {
    LENGTHLESS = 300 * 1024,
    REFUSED = 24 * 1024 * 1024,
    WAIT_MS = 15000,
    RESET_MARK_US = 50 * 1000, /* as long wait mod_glint and mod_glint_body at the end of such a body */
    SMALL = 1000,
    SMALL_TRIES = 10 /* one of them is quick even on a busy machine */
};

static const char advice_length[] =
    "Protocols http/1.1 for this virtual host (httpd); or mod_glint, or mod_proxy_http with GlintBody On "
    "(mod_glint_body) in place of mod_wsgi, which gets no whole body over HTTP/2 that has no Content-Length.";
static const char advice_reset[] =
    "httpd hands a body that a client of HTTP/2 breaks off to the back end as if it were whole, and nothing "
    "here tells the two apart: GlintBody On (mod_glint_body) for this location, or 411 for such requests as "
    "in the shipped sites, or Protocols http/1.1.";
static const char advice_refusal[] = "Over HTTP/2 a refusal arrives only where the rest of the body is read: "
                                     "[glint] drain_timeout; else Protocols http/1.1.";

struct body {
    const char *data;
    size_t left, window; /* data is repeated from its begin */
    int64_t ended;       /* when the last byte was taken, or before */
};

static size_t read_body(char *to, size_t size, size_t n, void *arg)
{
    struct body *b = arg;
    size_t want = size * n < b->left ? size * n : b->left;

    if (want > b->window)
        want = b->window;
    memcpy(to, b->data, want);
    b->left -= want;
    if (want > 0)
        b->ended = clock_mono_us();
    return want;
}

static size_t drop(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    (void)arg;
    return size * n;
}

static struct curl_slist *headers(const struct fetch_lib *l, const struct deploy *d)
{
    struct curl_slist *list = l->slist_append(NULL, "Content-Type: application/octet-stream");

    list = l->slist_append(list, "Expect:");
    for (const char *const *h = d->place.headers; h && *h; h++)
        list = l->slist_append(list, *h);
    return list;
}

static void prepare(const struct fetch_lib *l, CURL *easy, const struct deploy *d, const char *url)
{
    bool tls = str_starts(d->place.url, "https://");

    l->easy_setopt(easy, CURLOPT_URL, url);
    l->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    l->easy_setopt(easy, CURLOPT_PROXY, "");
    l->easy_setopt(easy, CURLOPT_HTTP_VERSION,
                   tls ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    l->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, d->place.insecure ? 0L : 1L);
    l->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, d->place.insecure ? 0L : 2L);
    l->easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
}

/* The status of a request, 0 when none came; PUT of a body without a length, GET without one. */
static long request(const struct fetch_lib *l, struct deploy *d, const char *path, struct body *body,
                    long wait_ms, const char **ret_why)
{
    CURL *easy = l->easy_init();
    struct curl_slist *list = headers(l, d);
    long status = 0, version = 0;
    CURLcode code;

    prepare(l, easy, d, arena_printf(d->arena, "%s%s", d->place.url, path));
    l->easy_setopt(easy, CURLOPT_TIMEOUT_MS, wait_ms);
    l->easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    if (body) {
        l->easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        l->easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
        l->easy_setopt(easy, CURLOPT_READDATA, body);
    }
    code = l->easy_perform(easy);
    l->easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    l->easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    *ret_why = arena_str(d->arena, l->easy_strerror(code));
    l->easy_cleanup(easy);
    l->slist_free_all(list);
    return version == CURL_HTTP_VERSION_2 ? status : 0;
}

static bool lengthless(const struct fetch_lib *l, struct deploy *d, const char *image)
{
    struct body body = { d->data, LENGTHLESS, DEPLOY_DATA, 0 };
    const char *why, *size;
    long status = request(l, d, deploy_path(d, image, "/file"), &body, WAIT_MS, &why);

    if (status != 204)
        return deploy_blame(d, advice_length, "an upload without a length over HTTP/2 is answered %ld (%s)",
                            status, why);
    size = deploy_image_get(d, image, "size");
    return str_eq(size, arena_printf(d->arena, "%d", LENGTHLESS)) ||
           deploy_blame(
               d, advice_length,
               "an upload of %d bytes without a length over HTTP/2 is accepted, and the image has %s",
               LENGTHLESS, size ? size : "no size");
}

/* Whether the service waits at the end of a body to see if httpd made that end up: its answer is late. */
static bool resets(const struct fetch_lib *l, struct deploy *d)
{
    if (!str_starts(d->server, "Apache"))
        return true;
    for (int i = 0; i < SMALL_TRIES; i++) {
        struct body body = { d->data, SMALL, SMALL, 0 };
        const char *image = deploy_image_make(d), *why;
        long status = image ? request(l, d, deploy_path(d, image, "/file"), &body, WAIT_MS, &why) : 0;
        int64_t took = clock_mono_us() - body.ended;

        deploy_image_drop(d, image);
        if (!image)
            return false;
        if (status == 204 && took < RESET_MARK_US)
            return deploy_blame(
                d, advice_reset,
                "an upload over HTTP/2 without a length that its client breaks off may become an "
                "image of a part of the data");
    }
    return true;
}

bool deploy_http2(struct deploy *d)
{
    const struct fetch_lib *l = fetch_lib();
    struct body body = { d->data, REFUSED, DEPLOY_CHUNK_LARGE, 0 };
    const char *why = "", *image;
    long status;
    bool good;

    if (!l || request(l, d, "/versions", NULL, 3000, &why) != 200)
        return deploy_note(d, "not offered here");
    image = deploy_image_make(d);
    good = image && lengthless(l, d, image) && resets(l, d);
    if (good) {
        status = request(l, d, deploy_path(d, image, "/file"), &body, WAIT_MS, &why);
        good = status == 409 ||
               deploy_blame(d, advice_refusal,
                            "a refusal while a body is on its way should be 409 over HTTP/2 and is %ld (%s)",
                            status, why);
    }
    deploy_image_drop(d, image);
    return good;
}
