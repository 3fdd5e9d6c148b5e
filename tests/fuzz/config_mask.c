/* SPDX-License-Identifier: Apache-2.0 */
/* Masking of values: a password is hidden whatever else stands in the value. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/config.h"

#define PASSWORD "hunter2"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void mask(const char *before, const char *text, const char *after)
{
    CLEANUP(str_done) struct str value = STR_INIT, shown = STR_INIT;

    str_add(&value, before);
    str_add(&value, text);
    str_add(&value, after);
    config_mask(str_text(&value), &shown);
    if (strstr(str_text(&shown), PASSWORD))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(str_done) struct str text = STR_INIT, shown = STR_INIT;

    str_addn(&text, (const char *)data, len);
    if (strstr(str_text(&text), PASSWORD))
        return 0;
    config_mask(str_text(&text), &shown);
    mask("connection?password=" PASSWORD, str_text(&text), "");
    if (!strstr(str_text(&text), "://")) /* where the next URL of a list may begin */
        mask("amqp://user:" PASSWORD, str_text(&text), "@host/");
    return 0;
}
