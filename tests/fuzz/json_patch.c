/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-patch of both dialects: what is accepted names no reserved attribute and has its value. */
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct schema *schema_once(void)
{
    static const char *const disk[] = { "raw" }, *const container[] = { "bare" };
    static struct schema *schema;
    struct schema_options o = { disk, container, 1, 1, NULL };
    struct error e;

    if (!schema && schema_open(&o, &schema, &e) < 0)
        abort();
    return schema;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    json_t *j = json_parse((const char *)data, len);
    struct patch_change *changes;
    struct error e;
    size_t n;

    for (int dialect = PATCH_V21; j && dialect <= PATCH_V20; dialect++) {
        struct arena *a = arena_make(256);

        if (patch_parse(a, schema_once(), (enum patch_dialect)dialect, j, &changes, &n, &e) == 0)
            for (size_t i = 0; i < n; i++)
                if (image_name_read_only(changes[i].path[0]) || image_name_reserved(changes[i].path[0]) ||
                    (changes[i].op != PATCH_REMOVE && !changes[i].value))
                    abort();
        arena_free(a);
    }
    json_decref(j);
    return 0;
}
