/* SPDX-License-Identifier: Apache-2.0 */
/* What passes for the URL of a host is to libcurl, which will be given it, a host with a port and a path and
 * nothing else. */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdlib.h>

#include "peers/hosts.h"

static CURLU *(*make)(void);
static CURLUcode (*set)(CURLU *, CURLUPart, const char *, unsigned);
static CURLUcode (*get)(CURLU *, CURLUPart, char **, unsigned);
static void (*drop)(CURLU *);
static void (*release)(void *);

static void load(void)
{
    void *lib = dlopen("libcurl.so.4", RTLD_NOW);
    const struct {
        const char *name;
        void **at;
    } calls[] = { { "curl_url", (void **)&make },
                  { "curl_url_set", (void **)&set },
                  { "curl_url_get", (void **)&get },
                  { "curl_url_cleanup", (void **)&drop },
                  { "curl_free", (void **)&release } };

    for (size_t i = 0; i < COUNT(calls); i++) {
        *calls[i].at = lib ? dlsym(lib, calls[i].name) : NULL;
        if (!*calls[i].at)
            abort();
    }
}

static void check(const char *url)
{
    static const CURLUPart absent[] = { CURLUPART_USER,  CURLUPART_PASSWORD, CURLUPART_OPTIONS,
                                        CURLUPART_QUERY, CURLUPART_FRAGMENT, CURLUPART_ZONEID };
    CURLU *u = make();
    char *part = NULL;
    size_t n;

    if (set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS) != CURLUE_OK) {
        drop(u); /* 1.2.3.4.5 and the like: refused later */
        return;
    }
    for (size_t i = 0; i < COUNT(absent); i++)
        if (get(u, absent[i], &part, 0) == CURLUE_OK)
            abort();
    if (get(u, CURLUPART_PATH, &part, 0) != CURLUE_OK)
        abort();
    n = strlen(part);
    if (!(n == 1 && !str_ends(url, "/")) && !str_ends(url, part))
        abort();
    release(part);
    drop(u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char url[2048];
    struct error e;

    if (size >= sizeof url)
        return 0;
    if (!make)
        load();
    memcpy(url, data, size);
    url[size] = '\0';
    if (!host_same(url, url))
        abort();
    if (host_check(url, &e) == 0)
        check(url);
    return 0;
}
