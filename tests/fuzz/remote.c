/* SPDX-License-Identifier: Apache-2.0 */
/* What other servers say: the lines of an answer's head, Retry-After, a catalog, an endpoint's URL. First
 * byte: which. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "fetch/fetch.h"
#include "http/http.h"
#include "imports/fetch.h"
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

/* One address a name, made of the name: so that names are judged, and nobody is asked. */
static size_t resolve(void *arg UNUSED, struct arena *a, const char *name, struct sockaddr_storage **ret)
{
    struct sockaddr_in6 *six;
    size_t n = strlen(name);

    *ret = arena_new(a, struct sockaddr_storage);
    six = (struct sockaddr_in6 *)(void *)*ret;
    six->sin6_family = AF_INET6;
    memcpy(&six->sin6_addr, name, n < sizeof six->sin6_addr ? n : sizeof six->sin6_addr);
    return 1;
}

static size_t nothing(void *arg UNUSED, struct arena *a UNUSED, struct sockaddr_storage **ret UNUSED)
{
    return 0;
}

static struct fetch_rules *rules(void)
{
    static const struct option options[] = {
        { "import_filtering_opts", "allowed_schemes", OPTION_BOUNDED_LIST, "[http,https]" },
        { "import_filtering_opts", "disallowed_schemes", OPTION_BOUNDED_LIST, "[]" },
        { "import_filtering_opts", "allowed_hosts", OPTION_BOUNDED_LIST, "[]" },
        { "import_filtering_opts", "disallowed_hosts", OPTION_BOUNDED_LIST, "[]" },
        { "import_filtering_opts", "allowed_ports", OPTION_BOUNDED_LIST, "[]" },
        { "import_filtering_opts", "disallowed_ports", OPTION_BOUNDED_LIST, "[]" },
        { "glint", "import_networks", OPTION_LIST, "" },
        { "glint", "import_private", OPTION_BOOL, "false" },
        { NULL },
    };
    static const struct fetch_system machine = { resolve, nothing, NULL };
    static struct fetch_rules *made;
    const struct config_input in = { .options = options };
    struct config *c;
    struct error e;

    if (!made && config_read(&in, &c, &e) == 0) {
        made = fetch_rules_make(c, &machine);
        config_free(c);
    }
    return made;
}

/* What is admitted is nothing but what the filter has seen. */
static void admit(const char *text, bool stored)
{
    CLEANUP(arena_end) struct arena *a = arena_make(1024);
    struct fetch_gate g = { .rules = rules(), .arena = a, .stored = stored };
    struct fetch_address bytes;
    struct fetch_target t;
    struct http_url u;
    const char *name;
    struct error e;

    if (fetch_admit(&g, text, &t, &e) < 0)
        return;
    for (size_t i = 0; i < t.n_addresses; i++)
        if (!fetch_address_bytes((const struct sockaddr *)&t.addresses[i], &bytes) ||
            fetch_address_reach(&bytes, &name) != FETCH_PUBLIC)
            abort();
    for (const unsigned char *p = (const unsigned char *)t.url; *p; p++)
        if (*p <= ' ' || *p >= 0x7F)
            abort();
    if (!http_url_split(a, t.url, &u) || (u.user_told && !stored) || u.port != t.port ||
        !str_eq(u.host, t.host))
        abort();
    if (!stored && fetch_source_check(g.rules, t.url, &e) < 0) /* the text may have blanks around it */
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
    switch (data[0] % 5) {
    case 0:
        head(text, len - 1);
        break;
    case 1:
        retry_after(text);
        break;
    case 2:
        catalog(text);
        break;
    case 3:
        admit(text, false);
        break;
    default:
        admit(text, true);
    }
    free(text);
    return 0;
}
