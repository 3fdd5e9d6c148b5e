/* SPDX-License-Identifier: Apache-2.0 */
#include "main/deploy.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

bool deploy_seen(struct deploy *d, const char *format, ...)
{
    va_list ap;

    d->advice = NULL;
    str_clear(&d->why);
    va_start(ap, format);
    str_addv(&d->why, format, ap);
    va_end(ap);
    return false;
}

bool deploy_blame(struct deploy *d, const char *advice, const char *format, ...)
{
    va_list ap;

    d->advice = advice;
    str_clear(&d->why);
    va_start(ap, format);
    str_addv(&d->why, format, ap);
    va_end(ap);
    return false;
}

bool deploy_same(struct deploy *d, const char *title)
{
    d->same = title;
    return false;
}

bool deploy_note(struct deploy *d, const char *format, ...)
{
    va_list ap;

    str_clear(&d->note);
    va_start(ap, format);
    str_addv(&d->note, format, ap);
    va_end(ap);
    return true;
}

bool deploy_is_ours(const struct probe_answer *answer)
{
    return headers_get(&answer->headers, "X-Openstack-Request-Id") != NULL;
}

const char *deploy_by(const struct probe_answer *answer)
{
    return deploy_is_ours(answer) ? " by the service" : " by the server before it";
}

bool deploy_ask(struct deploy *d, const char *method, const char *path, const char *fields, const char *body,
                struct probe_answer *ret)
{
    CLEANUP(str_done) struct str all = STR_INIT;
    CLEANUP(probe_close) struct probe *p = NULL;
    struct error e;

    *ret = (struct probe_answer){ .body = STR_INIT };
    str_add(&all, fields);
    if (body)
        str_addf(&all, "Content-Length: %zu\r\n", strlen(body));
    if (probe_open(&d->place, &p, &e) < 0 || probe_head(p, method, path, str_text(&all), &e) < 0)
        return deploy_seen(d, "%s", e.message);
    if (body)
        (void)probe_send(p, body, strlen(body));
    if (probe_answer(p, d->arena, method, false, ret, &e) < 0)
        return deploy_seen(d, "%s %s: %s", method, path, e.message);
    return true;
}

const char *deploy_one_line(struct arena *a, const char *text)
{
    CLEANUP(str_done) struct str line = STR_INIT;

    for (bool blank = false; *text && line.len < 200; text++) {
        bool gap = isspace((unsigned char)*text);

        if (!gap && blank && line.len > 0)
            str_addc(&line, ' ');
        if (!gap)
            str_addc(&line, *text);
        blank = gap;
    }
    return arena_str(a, str_text(&line));
}

const char *deploy_image_make(struct deploy *d)
{
    static const char body[] = "{\"name\": \"glint check-deploy\", \"disk_format\": \"raw\", "
                               "\"container_format\": \"bare\"}";
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    const char *id = NULL, *location;
    json_t *j;

    if (!deploy_ask(d, "POST", "/v2/images", "Content-Type: application/json\r\n", body, &answer))
        return NULL;
    j = json_loads(str_text(&answer.body), 0, NULL);
    if (answer.status == 201 && json_string_value(json_object_get(j, "id")))
        id = arena_str(d->arena, json_string_value(json_object_get(j, "id")));
    json_decref(j);
    location = headers_get(&answer.headers, "Location");
    if (id && !d->location)
        d->location = arena_str(d->arena, location ? location : "");
    if (!id)
        deploy_seen(d, "status %d%s, %s", answer.status, deploy_by(&answer),
                    deploy_one_line(d->arena, str_text(&answer.body)));
    return id;
}

void deploy_image_drop(struct deploy *d, const char *id)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    CLEANUP(str_done) struct str why = STR_INIT;
    const char *advice = d->advice;

    if (!id)
        return;
    /* what the check itself has found is to stay */
    str_add(&why, str_text(&d->why));
    (void)deploy_ask(d, "DELETE", deploy_path(d, id, ""), "", NULL, &answer);
    str_clear(&d->why);
    str_add(&d->why, str_text(&why));
    d->advice = advice;
}

const char *deploy_image_get(struct deploy *d, const char *id, const char *name)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    const char *text = NULL;
    json_t *j, *value;

    if (!deploy_ask(d, "GET", deploy_path(d, id, ""), "", NULL, &answer))
        return NULL;
    j = json_loads(str_text(&answer.body), 0, NULL);
    value = json_object_get(j, name);
    if (json_is_string(value))
        text = arena_str(d->arena, json_string_value(value));
    else if (json_is_integer(value))
        text = arena_printf(d->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    json_decref(j);
    return text;
}

const char *deploy_path(struct deploy *d, const char *image, const char *below)
{
    return arena_printf(d->arena, "/v2/images/%s%s", image, below);
}

bool deploy_send_chunks(struct probe *p, const char *data, size_t n, size_t chunk)
{
    char line[32];

    for (size_t at = 0; at < n; at += chunk) {
        size_t size = n - at < chunk ? n - at : chunk;

        snprintf(line, sizeof line, "%zx\r\n", size);
        if (!probe_send(p, line, strlen(line)) || !probe_send(p, data + at, size) ||
            !probe_send(p, "\r\n", 2))
            return false;
    }
    return probe_send(p, "0\r\n\r\n", 5);
}
