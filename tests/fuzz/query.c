/* SPDX-License-Identifier: Apache-2.0 */
/* Query strings and paths: what comes out is UTF-8 (or bytes of a path), and quoting it reads back the same.
 */
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena *a = arena_make(256);
    char *text = arena_strn(a, (const char *)data, len), *path;
    struct http_param *params, *again;
    struct http_url url;
    ssize_t n = http_query_parse(a, text, &params);

    for (ssize_t i = 0; i < n; i++) {
        CLEANUP(str_done) struct str quoted = STR_INIT;

        if (str_utf8_len(params[i].value, strlen(params[i].value)) < 0)
            abort();
        str_add(&quoted, "x=");
        http_quote_plus(&quoted, params[i].value);
        if (http_query_parse(a, str_text(&quoted), &again) != 1 ||
            strcmp(again[0].value, params[i].value) != 0)
            abort();
    }
    if (http_path_decode(a, text, strlen(text), &path) && strlen(path) > strlen(text))
        abort();
    if (http_url_split(a, text, &url) && (strlen(url.scheme) + strlen(url.host) > strlen(text) ||
                                          url.port > 65535 || strpbrk(url.host, "/?#@")))
        abort();
    arena_free(a);
    return 0;
}
