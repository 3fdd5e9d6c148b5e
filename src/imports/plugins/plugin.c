/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins of imports by name, their settings, and those that need no data. Behaviour: Glance 33
 * (async_/flows/plugins), as recorded from it. */
#include <string.h>

#include "imports/import.h"
#include "json/json.h"

static int nothing(struct import *im UNUSED, struct error *e UNUSED)
{
    return 0;
}

const struct import_plugin plugin_no_op = { .name = "no_op", .run = nothing };

/* ---- inject_image_metadata ---- */

static bool is_ignored(const struct import *im)
{
    const struct plugin_settings *o = &im->settings->plugin;

    for (size_t i = 0; i < im->n_roles; i++)
        for (size_t k = 0; k < o->n_ignored_roles; k++)
            if (str_eq(im->roles[i], o->ignored_roles[k]))
                return true;
    return false;
}

static int inject_into(struct import *im, struct db_conn *c UNUSED, struct image *now, void *arg UNUSED,
                       struct error *e UNUSED)
{
    const struct plugin_settings *o = &im->settings->plugin;
    struct arena *a = im->run->arena;

    for (size_t i = 0; i < o->n_inject; i++) {
        const char *colon = strchr(o->inject[i], ':');

        image_property_set(a, now, arena_strn(a, o->inject[i], (size_t)(colon - o->inject[i])), colon + 1);
    }
    return 0;
}

static int inject(struct import *im, struct error *e)
{
    if (im->settings->plugin.n_inject == 0 || is_ignored(im))
        return 0;
    return import_change_image(im, im->step, inject_into, NULL, e);
}

const struct import_plugin plugin_inject = { .name = "inject_image_metadata", .run = inject };

/* ---- all of them ---- */

static const struct import_plugin *const all[] = { &plugin_no_op, &plugin_inject, &plugin_decompress,
                                                   &plugin_convert };

static int plugin_find(const char *name, const struct import_plugin **ret, struct error *e)
{
    for (size_t i = 0; i < COUNT(all); i++)
        if (str_eq(all[i]->name, name)) {
            *ret = all[i];
            return 0;
        }
    return error_set(e, ERROR_INVALID, "[image_import_opts] image_import_plugins: there is no plugin \"%s\".",
                     name);
}

static int read_order(const struct config *c, struct arena *a, struct import_settings *ret, struct error *e)
{
    const char *const *names;
    size_t n = config_list(c, "image_import_opts", "image_import_plugins", &names);
    const struct import_plugin **list = arena_array(a, const struct import_plugin *, n ? n : 1);

    for (size_t i = 0; i < n; i++) {
        if (plugin_find(names[i], &list[i], e) < 0)
            return -1;
        for (size_t k = 0; k < i; k++)
            if (list[k] == list[i])
                return error_set(e, ERROR_INVALID, "[image_import_opts] image_import_plugins names %s twice.",
                                 names[i]);
    }
    ret->plugins = list;
    ret->n_plugins = n;
    return 0;
}

/* What the service itself says of an image is no property. */
static bool may_inject(const char *pair)
{
    const struct attribute *a;
    char name[256];
    size_t n = strcspn(pair, ":");

    if (n == 0 || n >= sizeof name)
        return false;
    str_copy(name, n + 1, pair);
    a = attribute_find(&image_resource, name);
    return !a || a->writer == ATTRIBUTE_RESERVED;
}

/* Glance leaves those that begin with os_glance out without a word, and so do we. */
static int read_inject(const struct config *c, struct arena *a, struct plugin_settings *ret, struct error *e)
{
    const char *const *pairs;
    size_t n = config_list(c, "inject_metadata_properties", "inject", &pairs);
    const char **list = arena_array(a, const char *, n ? n : 1);

    for (size_t i = 0; i < n; i++) {
        if (!may_inject(pairs[i]))
            return error_set(e, ERROR_INVALID,
                             "[inject_metadata_properties] inject: \"%s\" is no property of an image.",
                             pairs[i]);
        if (!str_starts(pairs[i], "os_glance"))
            list[ret->n_inject++] = pairs[i];
    }
    ret->inject = list;
    return 0;
}

int import_plugins_read(const struct config *c, struct arena *a, struct import_settings *ret, struct error *e)
{
    struct plugin_settings *o = &ret->plugin;

    *o = (struct plugin_settings){
        .output_format = config_str(c, "image_conversion", "output_format"),
        .unpack_memory = (uint64_t)config_int(c, "glint", "decompress_memory"),
        .unpack_ratio = (uint64_t)config_int(c, "glint", "decompress_ratio"),
        .qemu_img = config_str(c, "glint", "qemu_img"),
        .program = "/proc/self/exe",
        .convert_memory = (uint64_t)config_int(c, "glint", "convert_memory"),
        .convert_cpu = config_int(c, "glint", "convert_cpu"),
        .convert_timeout = config_int(c, "glint", "convert_timeout"),
    };
    o->n_ignored_roles = config_list(c, "inject_metadata_properties", "ignore_user_roles", &o->ignored_roles);
    o->n_unpack = config_list(c, "glint", "decompress_formats", &o->unpack);
    return read_order(c, a, ret, e) < 0 || read_inject(c, a, o, e) < 0 ? -1 : 0;
}
