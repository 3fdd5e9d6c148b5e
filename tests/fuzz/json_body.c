/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies: whatever parses can be written, reads back equal, and can be held against the schema. */
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct schema *schema_once(void)
{
    static const char *const disk[] = { "raw", "qcow2" }, *const container[] = { "bare" };
    static struct schema *schema;
    struct schema_options o = { disk, container, 2, 1, NULL };
    struct error e;

    if (!schema && schema_open(&o, &schema, &e) < 0)
        abort();
    return schema;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    json_t *j = json_parse((const char *)data, len), *again;
    struct error e;

    if (!j)
        return 0;
    json_add_value(&out, j, len % 2);
    again = json_parse(str_text(&out), out.len);
    if (!again || !json_equal(j, again))
        abort();
    json_decref(again);
    if (json_is_object(j) && schema_check_image(schema_once(), j, &e) < 0 &&
        (e.kind != ERROR_INVALID || !e.message[0]))
        abort();
    json_decref(j);
    return 0;
}
