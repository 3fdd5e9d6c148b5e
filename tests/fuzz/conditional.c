/* SPDX-License-Identifier: Apache-2.0 */
/* Conditional requests: the first four lines are the four headers (an empty one was not sent), the fifth is
 * If-Range. */
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* What holds strongly holds weakly, and nothing that is there can match what is not. */
static void check_list(const char *list, const struct http_validators *v)
{
    const struct http_validators gone = { .exists = false };
    struct http_conditions match = { .if_match = list }, none = { .if_none_match = list };
    enum http_verdict read = http_conditions_judge(&none, true, v);

    require(read == HTTP_HOLDS || read == HTTP_UNCHANGED);
    if (http_conditions_judge(&match, false, v) == HTTP_HOLDS)
        require(read == HTTP_UNCHANGED);
    require(http_conditions_judge(&match, false, &gone) == HTTP_NO_MATCH);
    require(http_conditions_judge(&none, false, &gone) == HTTP_HOLDS);
}

static void check_date(const char *text)
{
    char written[CLOCK_TEXT_MAX];
    int64_t us, again;

    if (!http_date_parse(text, INT64_C(1795333200) * CLOCK_SECOND, &us))
        return;
    require(us % CLOCK_SECOND == 0);
    require(http_date_parse(clock_http(us, written), 0, &again) && again <= us && us - again <= CLOCK_SECOND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct http_validators v = {
        .exists = true, .modified_strong = true, .etag = "\"a\"", .modified_us = INT64_C(784111777123456)
    };
    char *text = malloc(len + 1), *line = text, *fields[5] = { NULL };
    struct http_conditions c;

    memcpy(text, data, len);
    text[len] = '\0';
    for (size_t i = 0; i < COUNT(fields) && line; i++) {
        char *end = strchr(line, '\n');

        if (end)
            *end++ = '\0';
        fields[i] = *line ? line : NULL;
        line = end;
        if (fields[i])
            check_list(fields[i], &v);
        if (fields[i])
            check_date(fields[i]);
    }
    c = (struct http_conditions){ fields[0], fields[1], fields[2], fields[3] };
    require(http_conditions_given(&c) || http_conditions_judge(&c, false, &v) == HTTP_HOLDS);
    require(http_conditions_judge(&c, false, &v) != HTTP_UNCHANGED);
    require(http_conditions_judge(&c, true, &v) != HTTP_MATCHED);
    (void)http_if_range_holds(fields[4], &v);
    free(text);
    return 0;
}
