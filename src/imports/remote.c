/* SPDX-License-Identifier: Apache-2.0 */
/* glance-download: an image of another Glance, which the caller's token may read there. Facts: Glance 33's
 * async_/utils.py (the endpoint), flows/api_image_import.py (what is copied).
 *
 * What the other service says of its image's hashes binds the data here. */
#include <string.h>

#include "http/http.h"
#include "imports/remote.h"
#include "json/json.h"

enum { DOCUMENT_MAX = 1024 * 1024, READ_STEP = 64 * 1024, PROPERTY_NAME_MAX = 255 };

static const char note_before[] = "before", note_remote[] = "remote", note_token[] = "token";

/* ---- the endpoint ---- */

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* Either form of Keystone's catalog: {"publicURL": …}, or {"interface": "public", "url": …}. */
static const char *endpoint_url(struct arena *a, const json_t *endpoint, const char *region,
                                const char *interface)
{
    const char *theirs = text_of(endpoint, "region"), *name = arena_printf(a, "%sURL", interface);

    theirs = theirs ? theirs : text_of(endpoint, "region_id");
    if (!theirs || !str_eq_nocase(theirs, region))
        return NULL;
    if (str_eq(text_of(endpoint, "interface"), interface))
        return text_of(endpoint, "url");
    return text_of(endpoint, name);
}

static const char *endpoint_find(struct arena *a, const json_t *catalog, const char *region,
                                 const char *interface)
{
    const json_t *service, *endpoint;
    size_t i, k;

    json_array_foreach(catalog, i, service)
    {
        if (!str_eq(text_of(service, "type"), "image"))
            continue;
        json_array_foreach(json_object_get(service, "endpoints"), k, endpoint)
        {
            const char *url = endpoint_url(a, endpoint, region, interface);

            if (url)
                return url;
        }
    }
    return NULL;
}

int import_remote_endpoint(struct arena *a, const char *catalog, const json_t *method, const char **ret,
                           struct error *e)
{
    CLEANUP(json_drop) json_t *j = catalog ? json_parse(catalog, strlen(catalog)) : NULL;
    const json_t *named = json_object_get(method, "glance_service_interface");
    const char *region = text_of(method, "glance_region");
    const char *interface = named ? json_string_value(named) : "public";
    const char *url;
    size_t n;

    *ret = NULL;
    if (catalog && !j)
        return error_set(e, ERROR_INVALID, "Invalid service catalog json.");
    if (!j || !region || !interface || strlen(interface) > PROPERTY_NAME_MAX)
        return 0;
    url = endpoint_find(a, j, region, interface);
    n = url ? strlen(url) : 0;
    while (n > 0 && url[n - 1] == '/')
        n--;
    *ret = n > 0 ? arena_strn(a, url, n) : NULL;
    return 0;
}

/* ---- asking ---- */

static int fails(struct error *e, const char *why)
{
    error_set(e, ERROR_INVALID, "%s", why);
    import_unreached(e);
    return -1;
}

/* As UUIDs are written, whichever way the request did. */
static const char *remote_id(struct arena *a, const char *id)
{
    char digits[33];
    size_t n = 0;

    if (id && str_starts(id, "urn:"))
        id += strlen("urn:");
    if (id && str_starts(id, "uuid:"))
        id += strlen("uuid:");
    for (; id && *id && n < sizeof digits; id++)
        if (http_hex(*id) >= 0)
            digits[n++] = *id;
    if (n != 32)
        return NULL;
    return arena_printf(a, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12, digits + 16,
                        digits + 20);
}

static int note_read(struct import *im, const char *name, const char **ret, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct job_run *r = im->run;

    if (db_acquire(r->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return job_note_get(c, r->arena, r->job->id, name, ret, e);
}

/* URL of the image there, and the header that opens it. */
static int whom_to_ask(struct import *im, const char **ret_url, const char **ret_header, struct error *e)
{
    const json_t *method = json_object_get(im->request, "method");
    const char *endpoint = text_of(im->arguments, "endpoint"), *token;
    const char *id = remote_id(im->run->arena, text_of(method, "glance_image_id"));

    if (!endpoint || !id)
        return fails(e, "The catalog has no such endpoint.");
    if (note_read(im, note_token, &token, e) < 0)
        return -1;
    if (!token || token[strcspn(token, "\r\n")])
        return fails(e, "There is no token to ask with.");
    *ret_url = arena_printf(im->run->arena, "%s/v2/images/%s", endpoint, id);
    *ret_header = arena_printf(im->run->arena, "X-Auth-Token: %s", token);
    return 0;
}

static int document_read(struct fetch *f, struct str *ret, struct error *e)
{
    ssize_t got = 1;

    while (got > 0) {
        str_reserve(ret, READ_STEP);
        got = fetch_read(f, ret->data + ret->len, READ_STEP, e);
        if (got < 0)
            return import_unreached(e);
        ret->len += (size_t)got;
        ret->data[ret->len] = '\0';
        if (ret->len > DOCUMENT_MAX)
            return fails(e, "The other service's document is too long.");
    }
    return 0;
}

static int document_ask(struct import *im, json_t **ret, struct error *e)
{
    CLEANUP(fetch_close) struct fetch *f = NULL;
    CLEANUP(str_done) struct str text = STR_INIT;
    CLEANUP(job_fetch_over) struct job_run *r UNUSED = im->run;
    struct fetch_options options;
    const char *url, *headers[] = { NULL, NULL };

    if (whom_to_ask(im, &url, &headers[0], e) < 0)
        return -1;
    import_fetch_options(im, &options);
    options.headers = headers;
    job_fetch_begin(im->run);
    if (fetch_open(&options, url, false, 0, &f, e) < 0)
        return import_unreached(e);
    if (import_status_check(im, f, e) < 0 || document_read(f, &text, e) < 0)
        return -1;
    *ret = json_parse(text.data, text.len);
    return json_is_object(*ret) ? 0 : fails(e, "The other service's document cannot be read.");
}

/* ---- describing ---- */

static bool size_read(const json_t *size, uint64_t *ret)
{
    if (json_is_string(size))
        return str_to_u64(json_string_value(size), INT64_MAX, ret);
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(size);
    return true;
}

/* Names that are the image's own, or this service's, whatever the configuration says. */
static bool is_own(const char *name)
{
    const struct attribute *a = attribute_find(&image_resource, name);

    return (a && (attribute_has_column(a) || a->schema > 0)) || str_eq(name, "is_public") ||
           str_starts(name, "os_glance_");
}

static bool is_copied(const struct config *c, const char *name)
{
    const char *const *prefixes;
    size_t n = config_list(c, "glance_download_properties", "extra_properties", &prefixes);

    if (is_own(name))
        return false;
    for (size_t i = 0; i < n; i++)
        if (str_starts(name, prefixes[i]))
            return *name && strlen(name) <= PROPERTY_NAME_MAX;
    return false;
}

/* What an undo needs: formats, and each property that is about to change, null where there was none. */
static int before_write(struct import *im, struct db_conn *c, const struct image *now, json_t *document,
                        struct error *e)
{
    CLEANUP(json_drop) json_t *before = json_object();
    CLEANUP(json_drop) json_t *list = json_object();
    CLEANUP(str_done) struct str text = STR_INIT;
    const char *name, *seen;
    json_t *value;

    if (job_note_get(c, im->run->arena, im->run->job->id, note_before, &seen, e) < 0 || seen)
        return seen ? 0 : -1;
    json_object_foreach(document, name, value)
    {
        const char *old = image_property_get(now, name);

        if (is_copied(im->settings->config, name) && json_is_string(value))
            json_object_set_new(list, name, old ? json_string(old) : json_null());
    }
    json_object_set(before, "properties", list);
    json_object_set_new(before, "disk_format", json_string(now->disk_format));
    json_object_set_new(before, "container_format", json_string(now->container_format));
    json_add_value(&text, before, true);
    return job_note_set(c, im->run->job->id, note_before, str_text(&text), e);
}

static int remote_write(struct import *im, struct db_conn *c, const json_t *document, struct error *e)
{
    CLEANUP(json_drop)
    json_t *facts =
        json_pack("{s:O, s:s?, s:s?, s:s?}", "size", json_object_get(document, "size"), "checksum",
                  text_of(document, "checksum"), "os_hash_algo", text_of(document, "os_hash_algo"),
                  "os_hash_value", text_of(document, "os_hash_value"));
    CLEANUP(str_done) struct str text = STR_INIT;

    json_add_value(&text, facts, true);
    return job_note_set(c, im->run->job->id, note_remote, str_text(&text), e);
}

struct description {
    json_t *document;
    const struct remote_rights *rights;
};

static int describe(struct import *im, struct db_conn *c, struct image *now, void *arg, struct error *e)
{
    int64_t quota = config_int(im->settings->config, "DEFAULT", "image_property_quota");
    const struct description *d = arg;
    json_t *document = d->document, *value;
    const char *name;
    int64_t n = 0;

    if (before_write(im, c, now, document, e) < 0 || remote_write(im, c, document, e) < 0)
        return -1;
    now->disk_format = arena_str(im->run->arena, text_of(document, "disk_format"));
    now->container_format = arena_str(im->run->arena, text_of(document, "container_format"));
    json_object_foreach(document, name, value)
    {
        if (!is_copied(im->settings->config, name) || !json_is_string(value))
            continue;
        if (import_remote_property_check(d->rights, now, name, json_string_value(value), e) < 0)
            return -1;
        image_property_set(im->run->arena, now, arena_str(im->run->arena, name),
                           arena_str(im->run->arena, json_string_value(value)));
    }
    for (size_t i = 0; i < now->n_properties; i++)
        n += !image_name_reserved(now->properties[i].name);
    if (quota >= 0 && n > quota)
        return fails(e, "The image would have too many properties.");
    return 0;
}

int import_remote_describe(struct import *im, struct error *e)
{
    CLEANUP(import_remote_rights_close) struct remote_rights rights = { .protections = NULL };
    CLEANUP(json_drop) json_t *document = NULL;
    uint64_t size;

    if (document_ask(im, &document, e) < 0)
        return -1;
    if (!str_eq(text_of(document, "status"), "active"))
        return fails(e, "The image is not active there.");
    if (!text_of(document, "disk_format") || !text_of(document, "container_format") ||
        !size_read(json_object_get(document, "size"), &size))
        return fails(e, "The image there has no formats, or no size.");
    if (import_remote_formats_check(im, text_of(document, "disk_format"),
                                    text_of(document, "container_format"), e) < 0)
        return -1;
    if (import_remote_rights_open(im, &rights, e) < 0)
        return -1;
    return import_change_image(im, im->step, describe, &(struct description){ document, &rights }, e);
}

int import_remote_undo(struct import *im, struct db_conn *c, struct image *now, struct error *e)
{
    CLEANUP(json_drop) json_t *before = NULL;
    const char *text, *name;
    struct arena *a = im->run->arena;
    json_t *value;

    if (job_note_get(c, a, im->run->job->id, note_before, &text, e) < 0)
        return -1;
    before = text ? json_parse(text, strlen(text)) : NULL;
    if (!before)
        return 0;
    now->disk_format = arena_str(a, text_of(before, "disk_format"));
    now->container_format = arena_str(a, text_of(before, "container_format"));
    json_object_foreach(json_object_get(before, "properties"), name, value)
    {
        if (json_is_string(value))
            image_property_set(a, now, arena_str(a, name), arena_str(a, json_string_value(value)));
        else
            image_property_drop(now, name);
    }
    return 0;
}

/* ---- the data ---- */

static void expect(struct import *im, const char *algorithm, const char *value)
{
    if (algorithm && value && stream_hash_size(algorithm) * 2 == strlen(value))
        im->staging.expected[im->staging.n_expected++] =
            (struct staging_hash){ arena_str(im->run->arena, algorithm), arena_str(im->run->arena, value) };
}

int import_remote_fetch(struct import *im, struct error *e)
{
    CLEANUP(json_drop) json_t *facts = NULL;
    struct import_source source;
    const char *text, *url;
    uint64_t size = 0;

    if (whom_to_ask(im, &url, &source.header, e) < 0 || note_read(im, note_remote, &text, e) < 0)
        return -1;
    facts = text ? json_parse(text, strlen(text)) : NULL;
    if (!facts || !size_read(json_object_get(facts, "size"), &size))
        return fails(e, "What the other service said is not known any more.");
    im->staging.n_expected = 0;
    expect(im, "md5", text_of(facts, "checksum"));
    expect(im, text_of(facts, "os_hash_algo"), text_of(facts, "os_hash_value"));
    source.url = arena_printf(im->run->arena, "%s/file", url);
    source.size = (int64_t)size;
    return import_fetch(im, &source, e);
}
