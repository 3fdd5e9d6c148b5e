/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json.h"

/* jansson recurses once per level; its own limit is far above what a thread's stack here should hold. */
static bool too_deep(const char *text, size_t n)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < n; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > HTTP_JSON_DEPTH_MAX)
                return true;
        } else if (text[i] == '}' || text[i] == ']') {
            depth--;
        }
    }
    return false;
}

json_t *json_parse(const char *text, size_t n)
{
    json_error_t why;

    json_t *j;

    if (too_deep(text, n))
        return NULL;
    j = json_loadb(text, n, JSON_DECODE_ANY, &why);
    if (!j && json_error_code(&why) == json_error_numeric_overflow) /* Python's integers have no end */
        j = json_loadb(text, n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &why);
    return j;
}

void json_drop(json_t **j)
{
    json_decref(*j);
}
