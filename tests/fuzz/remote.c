/* SPDX-License-Identifier: Apache-2.0 */
/* What other servers say: the lines of an answer's head, Retry-After, a catalog, an endpoint's URL. First
 * byte: which. */
#include <stdlib.h>
#include <string.h>

#include "fetch/fetch.h"
#include "http/http.h"
#include "work/import_fetch.h"
#include "work/source.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void head(const char *text, size_t n)
{
    struct fetch_head h = { .part = false };

    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t line = end ? (size_t)(end - text) - at + 1 : n - at;

        fetch_head_line(&h, text + at, line);
        at += line;
        if (h.part && (h.part_last < h.part_first || (h.total_known && h.part_last >= h.total)))
            abort();
        if (h.total_known && h.total > INT64_MAX)
            abort();
    }
    if (strlen(h.etag) >= sizeof h.etag || strlen(h.date) >= sizeof h.date || strchr(h.etag, '\n'))
        abort();
}

static void retry_after(const char *text)
{
    int64_t us = import_retry_after(text, 784111777LL * CLOCK_SECOND);

    if (us < 0 || us > 3600 * CLOCK_SECOND)
        abort();
}

static void catalog(const char *text)
{
    CLEANUP(arena_end) struct arena *a = arena_make(1024);
    CLEANUP(json_drop)
    json_t *method = json_pack("{s:s, s:s}", "glance_region", "one", "glance_service_interface", "public");
    const char *url;
    struct error e;

    if (import_remote_endpoint(a, text, method, &url, &e) == 0 && url && (!*url || str_ends(url, "/")))
        abort();
}

/* What is admitted is nothing but what the filter has seen. Names are left out: somebody would be asked. */
static void admit(const char *text)
{
    CLEANUP(arena_end) struct arena *a = arena_make(1024);
    struct source_filter f = { .networks = { NULL, 0 } };
    struct source_gate g = { .filter = &f, .arena = a };
    struct fetch_target t;
    struct http_url u;
    struct error e;

    if (!http_url_split(a, text, &u) || (!strchr(u.host, ':') && u.host[strspn(u.host, "0123456789.")]) ||
        source_admit(&g, text, &t, &e) < 0)
        return;
    for (size_t i = 0; i < t.n_addresses; i++)
        if (!fetch_address_public((const struct sockaddr *)&t.addresses[i]))
            abort();
    for (const unsigned char *p = (const unsigned char *)t.url; *p; p++)
        if (*p <= ' ' || *p >= 0x7F)
            abort();
    if (!http_url_split(a, t.url, &u) || u.user_told || u.port != t.port || !str_eq(u.host, t.host))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text;

    if (len == 0)
        return 0;
    text = malloc(len);
    memcpy(text, data + 1, len - 1);
    text[len - 1] = '\0';
    switch (data[0] % 4) {
    case 0:
        head(text, len - 1);
        break;
    case 1:
        retry_after(text);
        break;
    case 2:
        catalog(text);
        break;
    default:
        admit(text);
    }
    free(text);
    return 0;
}
