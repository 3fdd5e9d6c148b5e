/* SPDX-License-Identifier: Apache-2.0 */
/* image_conversion: qemu-img makes the configured format of the staged data. Which checks there are, and what
 * is left alone, is Glance 33's (async_/flows/plugins/image_conversion.py); qemu-img is told the format that
 * inspection found, never asked to find it.
 *
 * The image's formats change before the file does, and a note says what they were: killed between the two,
 * the step goes on with what the note says; and giving up brings them back, unless the converted data stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imports/import.h"
#include "imports/plugins/child.h"
#include "json/json.h"

enum { INFO_CPU = 2, INFO_TIMEOUT = 60, PIECE = 256 * 1024 };

static const char note_name[] = "plugin:image_conversion";

static const char over_cap[] = "The converted image would be larger than image_size_cap.";

struct conversion {
    struct import *im;
    const struct staged *staged;
    const char *declared;  /* disk_format before the conversion */
    const char *container; /* container_format, too */
    const char *from;      /* qemu-img's name of what inspection found */
    int64_t virtual_size;  /* what qemu-img says of it */
    char input[PATH_MAX];
};

/* ---- the note ---- */

static int note_get(struct import *im, struct db_conn *c, json_t **ret, struct error *e)
{
    const char *text;

    *ret = NULL;
    if (job_note_get(c, im->run->arena, im->run->job->id, note_name, &text, e) < 0)
        return -1;
    if (text)
        *ret = json_parse(text, strlen(text));
    return 0;
}

static bool is_about(const json_t *note, const struct staged *s)
{
    return s && str_eq(json_string_value(json_object_get(note, "input")), s->os_hash_value);
}

static int change_formats(struct import *im, struct db_conn *c, struct image *now, void *arg, struct error *e)
{
    const struct conversion *v = arg;
    CLEANUP(json_drop)
    json_t *note = json_pack("{s:s, s:s?, s:s?}", "input", v->staged->os_hash_value, "disk_format",
                             v->declared, "container_format", v->container);
    CLEANUP(str_done) struct str text = STR_INIT;

    json_add_value(&text, note, true);
    now->disk_format = im->settings->plugin.output_format;
    now->container_format = "bare";
    return job_note_set(c, im->run->job->id, note_name, str_text(&text), e);
}

static int change_size(struct import *im UNUSED, struct db_conn *c UNUSED, struct image *now, void *arg,
                       struct error *e UNUSED)
{
    now->virtual_size = ((const struct conversion *)arg)->virtual_size;
    return 0;
}

static int undo(struct import *im, struct db_conn *c, struct image *now, bool stays, struct error *e)
{
    CLEANUP(json_drop) json_t *note = NULL;
    struct arena *a = im->run->arena;
    struct staged *staged;

    if (note_get(im, c, &note, e) < 0 || staged_get(c, a, im->image_id, &staged, e) < 0)
        return -1;
    if (!note || (stays && !is_about(note, staged)))
        return 0;
    now->disk_format = arena_str(a, json_string_value(json_object_get(note, "disk_format")));
    now->container_format = arena_str(a, json_string_value(json_object_get(note, "container_format")));
    return 0;
}

/* ---- what the data are ---- */

/* What qemu-img calls it; NULL: it is not to read that. */
static const char *qemu_name(const char *format)
{
    static const char *const names[][2] = {
        { "raw", "raw" }, { "qcow2", "qcow2" }, { "vmdk", "vmdk" },
        { "vdi", "vdi" }, { "vhdx", "vhdx" },   { "vhd", "vpc" },
    };

    for (size_t i = 0; i < COUNT(names); i++)
        if (str_eq(names[i][0], format))
            return names[i][1];
    return NULL;
}

/* The one format that inspection found, a partition table being raw data; and that nothing about it is
 * unsafe. */
static int format_found(const struct import *im, const struct inspect_verdict *v, const char **ret,
                        struct error *e)
{
    struct inspect_policy policy = im->settings->inspect;
    bool iso = v->n_formats == 2 && str_eq(v->formats[0], "iso") && str_eq(v->formats[1], "gpt");
    int64_t size;

    policy.require_match = true;
    *ret = iso ? "iso" : str_eq(v->format, "gpt") ? "raw" : v->format;
    return inspect_decide(v, *ret, &policy, &size, e);
}

/* *ret_iso: it is left as it is. */
static int check_format(struct conversion *c, bool *ret_iso, struct error *e)
{
    struct inspect_verdict v;
    const char *found;

    if (staged_verdict(c->im->run->arena, c->staged, &v, e) < 0 || format_found(c->im, &v, &found, e) < 0)
        return -1;
    *ret_iso = str_eq(found, "iso");
    if (!str_eq(found, c->declared))
        return error_set(e, ERROR_MEDIA, "Image disk_format %s does not match stream data %s", c->declared,
                         found);
    c->from = qemu_name(found);
    if (!*ret_iso && !c->from)
        return error_set(e, ERROR_MEDIA, "Images of format %s cannot be converted.", found);
    return 0;
}

/* ---- what qemu-img says of them ---- */

static const json_t *detail_of(const json_t *info, const char *name)
{
    return json_object_get(json_object_get(json_object_get(info, "format-specific"), "data"), name);
}

static int check_vmdk(const struct import *im, const json_t *info, struct error *e)
{
    const struct inspect_policy *policy = &im->settings->inspect;
    const char *type = json_string_value(detail_of(info, "create-type"));

    for (size_t i = 0; type && i < policy->n_vmdk_types; i++)
        if (str_eq(policy->vmdk_types[i], type))
            return 0;
    return error_set(e, ERROR_MEDIA, "Invalid VMDK create-type specified");
}

static int check_info(struct conversion *c, const json_t *info, struct error *e)
{
    const struct import_settings *s = c->im->settings;
    json_int_t size = json_integer_value(json_object_get(info, "virtual-size"));

    if (!str_eq(json_string_value(json_object_get(info, "format")), c->from))
        return error_set(e, ERROR_MEDIA, "Image metadata disagrees about format");
    if (json_object_get(info, "backing-filename") || json_object_get(info, "full-backing-filename"))
        return error_set(e, ERROR_MEDIA, "QCOW images with backing files are not allowed");
    if (detail_of(info, "data-file"))
        return error_set(e, ERROR_MEDIA, "QCOW images with data-file set are not allowed");
    if (json_is_true(json_object_get(info, "encrypted")))
        return error_set(e, ERROR_MEDIA, "Encrypted images cannot be converted.");
    if (str_eq(c->from, "vmdk") && check_vmdk(c->im, info, e) < 0)
        return -1;
    if (size < 0 || (str_eq(s->plugin.output_format, "raw") && (uint64_t)size > s->size_cap))
        return error_set(e, ERROR_TOO_LARGE, "%s", over_cap);
    c->virtual_size = size;
    return 0;
}

static int ask_about(struct conversion *c, struct error *e)
{
    const char *const argv[] = {
        c->im->settings->plugin.qemu_img, "info", "-f", c->from, "--output=json", c->input, NULL
    };
    const struct plugin_child child = {
        .argv = argv, .read = c->input, .cpu = INFO_CPU, .timeout = INFO_TIMEOUT
    };
    CLEANUP(json_drop) json_t *info = NULL;
    CLEANUP(str_done) struct str out = STR_INIT;

    if (plugin_child_run(c->im, &child, &out, e) < 0)
        return -1;
    info = json_parse(str_text(&out), out.len);
    if (!json_is_object(info))
        return error_set(e, ERROR_MEDIA, "qemu-img says nothing of the image.");
    return check_info(c, info, e);
}

/* ---- converting ---- */

/* Reads only what inspection wants to see. */
static int inspect_file(int fd, struct inspect *in, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(1024);
    uint8_t *buf = arena_alloc(a, PIECE);
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_errno(e, ERROR_INTERNAL, errno, "The converted image cannot be read.");
    for (uint64_t at = 0, size = (uint64_t)st.st_size; at < size;) {
        uint64_t skip = inspect_unwanted(in), left = size - at;
        ssize_t n;

        if (skip > 0) {
            skip = skip < left ? skip : left;
            inspect_skip(in, skip);
            at += skip;
            continue;
        }
        n = pread(fd, buf, left < PIECE ? (size_t)left : PIECE, (off_t)at);
        if (n <= 0)
            return error_errno(e, ERROR_INTERNAL, n < 0 ? errno : EIO, "The converted image cannot be read.");
        inspect_feed(in, buf, (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

/* One format may be hidden in another. */
static int check_result(const struct conversion *c, const char *path, struct error *e)
{
    CLEANUP(inspect_free) struct inspect *in = inspect_begin();
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct inspect_verdict v;
    const char *found;

    if (fd < 0)
        return error_errno(e, ERROR_INTERNAL, errno, "The converted image cannot be read.");
    if (inspect_file(fd, in, e) < 0)
        return -1;
    inspect_end(in, &v);
    if (format_found(c->im, &v, &found, e) < 0)
        return -1;
    if (!str_eq(found, c->im->settings->plugin.output_format))
        return error_set(e, ERROR_MEDIA, "Converted image in unexpected format");
    return 0;
}

static int convert(struct conversion *c, struct error *e)
{
    CLEANUP(staging_abort) struct staging_file *file = NULL;
    CLEANUP(str_done) struct str out = STR_INIT;
    const struct plugin_settings *o = &c->im->settings->plugin;
    const char *argv[] = {
        o->qemu_img, "convert", "-f", c->from, "-O", o->output_format, c->input, NULL, NULL
    };
    struct plugin_child child = {
        .argv = argv,
        .read = c->input,
        .cpu = o->convert_cpu,
        .timeout = o->convert_timeout,
        .message = arena_printf(c->im->run->arena, "Converting to %s", o->output_format),
    };
    uint64_t at;

    if (staging_begin(&c->im->staging, ".new", false, &file, &at, e) < 0)
        return -1;
    if (str_eq(o->output_format, "raw") && staging_fits(file, (uint64_t)c->virtual_size, e) < 0)
        return -1;
    child.file_size = staging_most(file, &child.larger);
    if (child.file_size == c->im->settings->size_cap)
        child.larger = over_cap;
    child.write = argv[COUNT(argv) - 2] = staging_file_path(file);
    if (plugin_child_run(c->im, &child, &out, e) < 0 || check_result(c, child.write, e) < 0)
        return -1;
    POINT("convert.made");
    if (import_change_image(c->im, NULL, change_formats, c, e) < 0)
        return -1;
    POINT("convert.told");
    return staging_commit(&file, e);
}

/* ---- the step ---- */

static int notes_read(struct conversion *c, bool *ret_done, struct error *e)
{
    CLEANUP(db_release) struct db_conn *conn = NULL;
    CLEANUP(json_drop) json_t *note = NULL;
    struct arena *a = c->im->run->arena;

    if (db_acquire(c->im->run->o->db, DB_WAIT, &conn, e) < 0 || note_get(c->im, conn, &note, e) < 0)
        return -1;
    *ret_done = note && !is_about(note, c->staged);
    c->declared = c->im->image->disk_format;
    c->container = c->im->image->container_format;
    if (note) {
        c->declared = arena_str(a, json_string_value(json_object_get(note, "disk_format")));
        c->container = arena_str(a, json_string_value(json_object_get(note, "container_format")));
    }
    return 0;
}

static int run(struct import *im, struct error *e)
{
    CLEANUP(fd_close) int fd = -1;
    struct conversion c = { .im = im };
    struct staged *staged;
    bool done, iso;

    if (staging_open(&im->staging, &fd, &staged, e) < 0)
        return -1;
    c.staged = staged;
    if (notes_read(&c, &done, e) < 0)
        return -1;
    if (done)
        return 0;
    if (check_format(&c, &iso, e) < 0)
        return -1;
    if (iso)
        return 0;
    if (staging_path(&im->staging, c.input, sizeof c.input, e) < 0)
        return -1;
    if (ask_about(&c, e) < 0)
        return -1;
    if (str_eq(c.declared, im->settings->plugin.output_format))
        return import_change_image(im, im->step, change_size, &c, e);
    return convert(&c, e);
}

const struct import_plugin plugin_convert = { .name = "image_conversion", .run = run, .undo = undo };
