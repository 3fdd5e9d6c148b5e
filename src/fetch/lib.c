/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch.h"

#include <dlfcn.h>
#include <pthread.h>

static struct fetch_lib lib;
static bool ready;

static void load(void)
{
    static const struct {
        const char *name;
        void **at;
    } calls[] = {
        { "curl_global_init", (void **)&lib.global_init },
        { "curl_easy_init", (void **)&lib.easy_init },
        { "curl_easy_setopt", (void **)&lib.easy_setopt },
        { "curl_easy_getinfo", (void **)&lib.easy_getinfo },
        { "curl_easy_perform", (void **)&lib.easy_perform },
        { "curl_easy_pause", (void **)&lib.easy_pause },
        { "curl_easy_recv", (void **)&lib.easy_recv },
        { "curl_easy_send", (void **)&lib.easy_send },
        { "curl_easy_cleanup", (void **)&lib.easy_cleanup },
        { "curl_easy_strerror", (void **)&lib.easy_strerror },
        { "curl_multi_init", (void **)&lib.multi_init },
        { "curl_multi_add_handle", (void **)&lib.multi_add_handle },
        { "curl_multi_remove_handle", (void **)&lib.multi_remove_handle },
        { "curl_multi_perform", (void **)&lib.multi_perform },
        { "curl_multi_poll", (void **)&lib.multi_poll },
        { "curl_multi_info_read", (void **)&lib.multi_info_read },
        { "curl_multi_cleanup", (void **)&lib.multi_cleanup },
        { "curl_slist_append", (void **)&lib.slist_append },
        { "curl_slist_free_all", (void **)&lib.slist_free_all },
    };
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);

    for (size_t i = 0; handle && i < COUNT(calls); i++) {
        *calls[i].at = dlsym(handle, calls[i].name);
        if (!*calls[i].at)
            return;
    }
    ready = handle && lib.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

const struct fetch_lib *fetch_lib(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return ready ? &lib : NULL;
}
