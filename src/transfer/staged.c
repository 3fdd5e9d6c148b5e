/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer/staged.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "json/json.h"

int staged_mark(int fd, char ret[STAGED_MARK_MAX], struct error *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_errno(e, ERROR_INTERNAL, errno, "The staged file cannot be looked at.");
    snprintf(ret, STAGED_MARK_MAX, "%llx:%llu:%llu:%lld.%09ld", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino, (unsigned long long)st.st_size, (long long)st.st_mtim.tv_sec,
             st.st_mtim.tv_nsec);
    return 0;
}

int staged_mark_at(const char *url, char ret[STAGED_MARK_MAX], struct error *e)
{
    CLEANUP(fd_close) int fd = open(url + strlen("file://"), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    return staged_mark(fd, ret, e);
}

const char *staged_verdict_text(struct arena *a, const struct inspect_verdict *v)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    CLEANUP(json_drop) json_t *formats = json_array();
    CLEANUP(json_drop) json_t *all = NULL;

    for (size_t i = 0; i < v->n_formats; i++)
        json_array_append_new(formats, json_string(v->formats[i]));
    all = json_pack("{s:s?, s:O, s:I, s:I, s:b, s:b, s:b, s:b, s:s?}", "format", v->format, "formats",
                    formats, "bytes", (json_int_t)v->bytes, "virtual_size", (json_int_t)v->virtual_size,
                    "has_virtual_size", v->has_virtual_size, "safe", v->safe, "refers", v->refers,
                    "incomplete", v->incomplete, "unsafe_check", v->unsafe_check);
    json_add_value(&out, all, true);
    return arena_str(a, str_text(&out));
}

int staged_verdict(struct arena *a, const struct staged *s, struct inspect_verdict *ret, struct error *e)
{
    CLEANUP(json_drop) json_t *v = json_parse(s->verdict, strlen(s->verdict));
    const json_t *formats = json_object_get(v, "formats");

    if (!json_is_object(v))
        return error_set(e, ERROR_INTERNAL, "What inspection said of the staged data cannot be read.");
    *ret = (struct inspect_verdict){
        .format = arena_str(a, json_string_value(json_object_get(v, "format"))),
        .bytes = (uint64_t)json_integer_value(json_object_get(v, "bytes")),
        .virtual_size = (uint64_t)json_integer_value(json_object_get(v, "virtual_size")),
        .has_virtual_size = json_is_true(json_object_get(v, "has_virtual_size")),
        .safe = json_is_true(json_object_get(v, "safe")),
        .refers = json_is_true(json_object_get(v, "refers")),
        .incomplete = json_is_true(json_object_get(v, "incomplete")),
        .unsafe_check = arena_str(a, json_string_value(json_object_get(v, "unsafe_check"))),
    };
    for (size_t i = 0; i < json_array_size(formats) && i < COUNT(ret->formats); i++)
        ret->formats[ret->n_formats++] = arena_str(a, json_string_value(json_array_get(formats, i)));
    return 0;
}
