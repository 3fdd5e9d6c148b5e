/* SPDX-License-Identifier: Apache-2.0 */
/* /locations of a PATCH. The order of the checks and their texts are Glance 33's (seen on the wire;
 * api/v2/images.py, quota and location layers below it). */
#include "api/images/images.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api/core/access.h"
#include "api/core/respond.h"
#include "api/core/values.h"
#include "db/db.h"
#include "store/store.h"
#include "stream/stream.h"
#include "transfer/commit.h"

/* ---- what the store says of a URL ---- */

/* Clients may not name these: they reach into the machine or into a store's configuration. */
static const char *const restricted[] = { "file", "filesystem", "swift+config" };

static bool is_restricted(const char *scheme)
{
    for (size_t i = 0; i < COUNT(restricted); i++)
        if (str_eq(restricted[i], scheme))
            return true;
    return false;
}

/* ERROR_NOT_FOUND: a location that names nothing; ERROR_INVALID: one that cannot be asked. */
static enum error_kind ask_store(struct request *rq, const char *url, uint64_t *ret)
{
    struct error e;
    struct http_url u;
    struct store *s;

    *ret = 0;
    if (!http_url_split(rq->arena, url, &u))
        return ERROR_INVALID;
    s = stores_for_url(rq->api->stores, NULL, arena_printf(rq->arena, "%s://", u.scheme));
    if (!s)
        return ERROR_NOT_FOUND;
    if (!str_starts(url, arena_printf(rq->arena, "%s://", u.scheme)))
        return ERROR_INVALID;
    if (is_restricted(u.scheme))
        return ERROR_NOT_FOUND;
    if (str_starts(u.scheme, "http") && !request_source(rq, "a location", url))
        return ERROR_INVALID;
    if (store_size(s, url, ret, &e) < 0) {
        if (e.detail[0])
            log_info("%s: a location is refused: %s", rq->request_id, e.detail);
        return e.kind == ERROR_NOT_FOUND ? ERROR_NOT_FOUND : ERROR_INVALID;
    }
    return *ret > 0 ? ERROR_NONE : ERROR_NOT_FOUND;
}

/* Asked once a request, and never while others wait for the writer's place. */
static int location_probe(struct request *rq, const char *url, const struct probe **ret, struct error *e)
{
    struct probe *p;

    for (size_t i = 0; i < rq->n_probes; i++)
        if (str_eq(rq->probes[i].url, url)) {
            *ret = &rq->probes[i];
            return 0;
        }
    if (rq->conn && db_in_transaction(rq->conn))
        return error_set(e, ERROR_CONFLICT, "The image was changed by somebody else meanwhile.");
    request_db_release(rq);
    p = ARENA_PUSH(rq->arena, rq->probes, rq->n_probes, rq->cap_probes);
    p->url = arena_str(rq->arena, url);
    p->kind = ask_store(rq, url, &p->size);
    *ret = p;
    return 0;
}

/* Strings, and lists and objects of such. */
static int metadata_check(const json_t *value, const char *key, struct error *e)
{
    const char *name;
    json_t *item;

    if (json_is_string(value))
        return 0;
    if (!json_is_object(value) && !json_is_array(value))
        return error_set(e, ERROR_INVALID,
                         "The image metadata key %s has an invalid type. Only dict, list, and unicode are "
                         "supported.",
                         key);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (metadata_check(json_array_get(value, i), key, e) < 0)
            return -1;
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
    {
        if (metadata_check(item, name, e) < 0)
            return -1;
    }
    return 0;
}

static const char *item_url(const json_t *item)
{
    return json_string_value(json_object_get(item, "url"));
}

static int item_check(struct request *rq, const json_t *item, struct error *e)
{
    const struct probe *p;

    if (location_probe(rq, item_url(item), &p, e) < 0)
        return -1;
    if (p->kind != ERROR_NONE)
        return error_set(e, ERROR_INVALID, "Invalid location");
    return metadata_check(json_object_get(item, "metadata"), "", e);
}

/* ---- values that the client vouches for ---- */

ssize_t hex_size(const char *text)
{
    ssize_t n = 0;

    for (;; n++) {
        text += strspn(text, " \t\n\r\f\v");
        if (!*text)
            return n;
        if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
            return -1;
        text += 2;
    }
}

enum { PROOFS_MAX = 3 };

struct proofs {
    struct proof {
        const char *name, *value;
        const char **field; /* of the image */
    } items[PROOFS_MAX];
    size_t n;
};

static const char **proof_field(struct image *im, const char *name)
{
    if (str_eq(name, "checksum"))
        return &im->checksum;
    return str_eq(name, "os_hash_algo") ? &im->os_hash_algo : &im->os_hash_value;
}

static struct proof *proof_find(struct proofs *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (str_eq(all->items[i].name, name))
            return &all->items[i];
    return NULL;
}

static int proofs_gather(const json_t *item, struct image *im, struct proofs *ret, struct error *e)
{
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(item, "validation_data"), name, value)
    {
        struct proof *known = proof_find(ret, name);

        if (known && !str_eq(known->value, json_string_value(value)))
            return error_set(e, ERROR_CONFLICT, "Conflicting values for %s", name);
        if (!known && ret->n < PROOFS_MAX)
            ret->items[ret->n++] = (struct proof){ name, json_string_value(value), proof_field(im, name) };
    }
    return 0;
}

/* Leaves what is new. */
static int proofs_compare(struct proofs *all, struct error *e)
{
    size_t n = 0;

    for (size_t i = 0; i < all->n; i++) {
        const struct proof *p = &all->items[i];

        if (str_eq(p->value, *p->field))
            continue;
        if (*p->field && **p->field)
            return error_set(e, ERROR_CONFLICT, "%s is already set with a different value", p->name);
        all->items[n++] = *p;
    }
    all->n = n;
    return 0;
}

static int proofs_check_status(struct request *rq, const struct proofs *all, const struct image *im,
                               struct error *e)
{
    const char *names = "";

    if (im->status == IMAGE_QUEUED)
        return 0;
    for (size_t i = 0; i < all->n; i++)
        names = arena_printf(rq->arena, "%s%s%s", names, i ? ", " : "", all->items[i].name);
    return error_set(e, ERROR_CONFLICT,
                     "New value(s) for %s may only be provided when image status is 'queued'", names);
}

static int digest_check(const char *name, const char *value, const char *of, size_t wanted, struct error *e)
{
    ssize_t n = hex_size(value);

    if (n < 0)
        return error_set(e, ERROR_CONFLICT, "%s (%s) is not a valid hexadecimal value", name, value);
    if ((size_t)n == wanted)
        return 0;
    return error_set(e, ERROR_CONFLICT, "%s (%s) is not the correct size for %s (should be %zu bytes)", name,
                     value, of, wanted);
}

static int proofs_check(struct request *rq, struct image *im, const json_t *items, struct proofs *ret,
                        struct error *e)
{
    const char *wanted = rq->settings->hashing_algorithm, *given;
    const struct proof *p;

    ret->n = 0;
    for (size_t i = 0; i < json_array_size(items); i++)
        if (proofs_gather(json_array_get(items, i), im, ret, e) < 0)
            return -1;
    if (proofs_compare(ret, e) < 0)
        return -1;
    if (ret->n == 0)
        return 0;
    if (proofs_check_status(rq, ret, im, e) < 0)
        return -1;
    p = proof_find(ret, "checksum");
    if (p && digest_check("checksum", p->value, "md5", 16, e) < 0)
        return -1;
    p = proof_find(ret, "os_hash_algo");
    given = p ? p->value : "None";
    if (!str_eq(given, wanted))
        return error_set(e, ERROR_CONFLICT, "os_hash_algo must be %s, not %s", wanted, given);
    p = proof_find(ret, "os_hash_value");
    return p ? digest_check("os_hash_value", p->value, wanted, stream_hash_size(wanted), e) : 0;
}

/* ---- quotas ---- */

/* n times the size, or as much as there can be: a remote server may say anything of its size. */
static int64_t bytes_times(int64_t size, size_t n)
{
    int64_t bytes;

    return __builtin_mul_overflow(size, n, &bytes) ? INT64_MAX : bytes;
}

/* Bytes that the new locations count for; -1: not known. A location that cannot be asked is refused here
 * where the image has no size of its own, in other words than later. */
static int bytes_of(struct request *rq, const struct image *im, const json_t *items, int64_t *ret,
                    struct error *e)
{
    size_t n = json_array_size(items);
    const struct probe *p;

    *ret = im->size > 0 ? bytes_times(im->size, n) : -1;
    for (size_t i = 0; i < n && *ret < 0; i++) {
        if (location_probe(rq, item_url(json_array_get(items, i)), &p, e) < 0)
            return -1;
        if (p->kind == ERROR_INVALID)
            return error_set(e, ERROR_INVALID, "The Store URI was malformed.");
        if (p->kind == ERROR_NONE)
            *ret = bytes_times((int64_t)p->size, n);
    }
    return 0;
}

/* except: the image whose present locations do not count, or NULL. */
static int storage_check(struct request *rq, const struct image *im, const char *except, int64_t bytes,
                         struct error *e)
{
    int64_t quota = rq->settings->storage_quota, used, left;
    struct db_conn *c;

    if (quota <= 0)
        return 0;
    if (request_db(rq, &c, e) < 0 || image_storage_used(c, im->owner, except, &used, e) < 0)
        return -1;
    left = quota - used;
    if (bytes < 0 ? left > 0 : bytes <= left)
        return 0;
    return error_set(
        e, ERROR_TOO_LARGE,
        "Denying attempt to upload image because it exceeds the quota: The size of the data %s will "
        "exceed the limit. %lld bytes remaining.",
        bytes < 0 ? "None" : arena_printf(rq->arena, "%lld", (long long)bytes), (long long)left);
}

/* ---- changing ---- */

/* The object without what is not the client's to say. */
static const char *shown_text(struct request *rq, const json_t *item)
{
    CLEANUP(json_drop) json_t *copy = json_copy((json_t *)(uintptr_t)item);
    CLEANUP(str_done) struct str text = STR_INIT;

    json_object_del(copy, "id");
    json_object_del(copy, "status");
    json_add_value(&text, copy, false);
    return arena_str(rq->arena, str_text(&text));
}

static struct image_location location_of(struct request *rq, const json_t *item)
{
    CLEANUP(str_done) struct str metadata = STR_INIT;

    json_add_value(&metadata, json_object_get(item, "metadata"), true);
    return (struct image_location){ .url = arena_str(rq->arena, item_url(item)),
                                    .metadata = arena_str(rq->arena, str_text(&metadata)),
                                    .status = "active",
                                    .shown = shown_text(rq, item) };
}

/* Rows are in the order of their ids: what is to come later has to be a newer row. */
static void location_insert(struct request *rq, struct image *im, size_t at, const struct image_location *l)
{
    ARENA_PUSH(rq->arena, im->locations, im->n_locations, im->cap_locations);
    for (size_t i = im->n_locations - 1; i > at; i--) {
        im->locations[i] = im->locations[i - 1];
        im->locations[i].id = 0;
    }
    im->locations[at] = *l;
}

/* Equal for locations that name the same object, in whatever spelling, with the same metadata. */
static const char *location_key(struct request *rq, struct image_location *l)
{
    CLEANUP(json_drop) json_t *metadata = json_parse(l->metadata, strlen(l->metadata));
    char *text = metadata ? json_dumps(metadata, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    const struct store *s = stores_for_url(rq->api->stores, NULL, l->url);

    l->key = arena_printf(rq->arena, "%s\n%s", store_canonical(s, rq->arena, l->url), text ? text : "");
    free(text);
    return l->key;
}

static int duplicate(const struct image_location *l, struct error *e)
{
    return error_set(e, ERROR_INVALID, "The location %s already exists", l->url);
}

/* A row id is nothing a client can know. */
static int id_check(const struct image *im, const json_t *item, struct error *e)
{
    CLEANUP(str_done) struct str shown = STR_INIT;
    const json_t *id = json_object_get(item, "id");

    if (!id || json_is_null(id) || json_is_false(id) ||
        (json_is_integer(id) && json_integer_value(id) == 0) ||
        (json_is_string(id) && !*json_string_value(id)))
        return 0;
    if (json_is_string(id))
        str_add(&shown, json_string_value(id));
    else
        json_add_repr(&shown, id);
    return error_set(e, ERROR_NOT_FOUND, "No location found with ID %s from image %s", str_text(&shown),
                     im->id);
}

/* The first data of a queued image: size, what the client vouches for, and it is active. */
static int activate(struct request *rq, struct image *im, const char *url, const struct proofs *proofs,
                    struct error *e)
{
    const struct probe *p;

    if (im->size <= 0) {
        if (location_probe(rq, url, &p, e) < 0)
            return -1;
        if (p->size > rq->settings->size_cap)
            return error_set(e, ERROR_TOO_LARGE, "The provided image is too large.");
        im->size = (int64_t)p->size;
    }
    if (im->status != IMAGE_QUEUED)
        return 0;
    if (image_formats_check(im, e) < 0)
        return -1;
    for (size_t i = 0; i < proofs->n; i++)
        *proofs->items[i].field = arena_str(rq->arena, proofs->items[i].value);
    im->status = IMAGE_ACTIVE;
    return 0;
}

/* "-" or a number, as Python's isdigit() and int() see it; SIZE_MAX for one that no list reaches. */
static bool position_read(const char *text, size_t last, size_t *ret)
{
    uint64_t n;

    if (str_eq(text, "-")) {
        *ret = last;
        return true;
    }
    if (!*text || text[strspn(text, "0123456789")])
        return false;
    *ret = str_to_u64(text, SIZE_MAX, &n) ? (size_t)n : SIZE_MAX;
    return true;
}

static bool has_location(struct request *rq, const struct image *im, struct image_location *l)
{
    const char *key = location_key(rq, l);

    for (size_t i = 0; i < im->n_locations; i++) {
        struct image_location *other = &im->locations[i];

        if (str_eq(key, other->key ? other->key : location_key(rq, other)))
            return true;
    }
    return false;
}

static int locations_add(struct request *rq, struct image *im, const struct patch_change *c, struct error *e)
{
    CLEANUP(json_drop) json_t *items = json_pack("[O]", c->value);
    struct image_location l;
    struct proofs proofs;
    int64_t bytes;
    size_t at;

    if (proofs_check(rq, im, items, &proofs, e) < 0)
        return -1;
    if (!position_read(c->path[1], im->n_locations, &at))
        return error_set(e, ERROR_INVALID, "Invalid position for adding a location.");
    if (bytes_of(rq, im, items, &bytes, e) < 0 || storage_check(rq, im, NULL, bytes, e) < 0 ||
        quota_check(rq->settings->location_quota, im->n_locations + 1, "locations", e) < 0 ||
        item_check(rq, c->value, e) < 0)
        return -1;
    l = location_of(rq, c->value);
    if (has_location(rq, im, &l))
        return duplicate(&l, e);
    if (activate(rq, im, l.url, &proofs, e) < 0 || id_check(im, c->value, e) < 0)
        return -1;
    location_insert(rq, im, at < im->n_locations ? at : im->n_locations, &l);
    return 0;
}

static int locations_remove(struct image *im, const struct patch_change *c, struct error *e)
{
    size_t at;

    if (im->n_locations == 1)
        return error_in_detail(e, ERROR_FORBIDDEN, "Cannot remove last location in the image.");
    if (!position_read(c->path[1], im->n_locations - 1, &at) || at >= im->n_locations)
        return error_set(e, ERROR_INVALID, "Invalid position for removing a location.");
    memmove(&im->locations[at], &im->locations[at + 1], (im->n_locations - at - 1) * sizeof *im->locations);
    im->n_locations--;
    return 0;
}

/* ---- replacing all ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether both name the same URLs, each as often. */
static bool same_urls(struct request *rq, const struct image *im, const struct image_location *all, size_t n)
{
    const char **ours = arena_array(rq->arena, const char *, n),
               **theirs = arena_array(rq->arena, const char *, n);

    if (im->n_locations != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        ours[i] = im->locations[i].url;
        theirs[i] = all[i].url;
    }
    qsort(ours, n, sizeof *ours, compare_texts);
    qsort(theirs, n, sizeof *theirs, compare_texts);
    for (size_t i = 0; i < n; i++)
        if (!str_eq(ours[i], theirs[i]))
            return false;
    return true;
}

static int not_empty(const struct image *im, struct error *e)
{
    CLEANUP(json_drop) json_t *list = json_array();
    CLEANUP(str_done) struct str shown = STR_INIT;

    for (size_t i = 0; i < im->n_locations; i++) {
        const struct image_location *l = &im->locations[i];
        json_t *metadata = json_parse(l->metadata, strlen(l->metadata));

        json_array_append_new(list, json_pack("{s:I, s:s, s:o, s:s}", "id", (json_int_t)l->id, "url", l->url,
                                              "metadata", metadata ? metadata : json_object(), "status",
                                              l->status));
    }
    json_add_repr(&shown, list);
    return error_set(e, ERROR_INVALID, "Original locations is not empty: %s", str_text(&shown));
}

/* The first error in the order of the list: both of two equal ones are one. */
static int new_check(struct request *rq, const json_t *items, struct image_location *all, size_t n,
                     struct error *e)
{
    struct names *keys = names_make(rq->arena);
    bool *twice = arena_array(rq->arena, bool, n);

    for (size_t i = 0, first = 0; i < n; i++) {
        const char *key = location_key(rq, &all[i]);

        twice[i] = names_find(keys, key, &first);
        if (twice[i])
            twice[first] = true;
        else
            names_put(keys, key, i);
    }
    for (size_t i = 0; i < n; i++) {
        if (item_check(rq, json_array_get(items, i), e) < 0)
            return -1;
        if (twice[i])
            return duplicate(&all[i], e);
    }
    return 0;
}

static int locations_replace(struct request *rq, struct image *im, const struct patch_change *c,
                             struct error *e)
{
    size_t n = json_array_size(c->value);
    struct image_location *all = arena_array(rq->arena, struct image_location, n);
    struct proofs proofs;
    int64_t bytes;

    if (proofs_check(rq, im, c->value, &proofs, e) < 0 ||
        quota_check(rq->settings->location_quota, n, "locations", e) < 0 ||
        bytes_of(rq, im, c->value, &bytes, e) < 0 || storage_check(rq, im, im->id, bytes, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        all[i] = location_of(rq, json_array_get(c->value, i));
    if (!same_urls(rq, im, all, n)) {
        if (im->n_locations > 0)
            return not_empty(im, e);
        if (new_check(rq, c->value, all, n, e) < 0)
            return -1;
    }
    if (activate(rq, im, all[0].url, &proofs, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (id_check(im, json_array_get(c->value, i), e) < 0)
            return -1;
    im->locations = all;
    im->n_locations = im->cap_locations = n;
    return 0;
}

int locations_change(struct request *rq, struct image *im, const struct patch_change *c, struct error *e)
{
    static const struct {
        const char *may, *does; /* Glance says "update" of the one and "replace" of the other */
    } words[] = {
        [PATCH_ADD] = { "add", "add" },
        [PATCH_REPLACE] = { "update", "replace" },
        [PATCH_REMOVE] = { "remove", "remove" },
    };

    if (c->op == PATCH_REPLACE && json_array_size(c->value) == 0)
        return error_in_detail(e, ERROR_FORBIDDEN, "Cannot set locations to empty list.");
    if (c->op == PATCH_REMOVE ? request_owns(rq, "delete_image_location", im, e) < 0
                              : request_allowed(rq, "set_image_location", im, e) < 0)
        return -1;
    if (!rq->settings->show_locations)
        return error_set(e, ERROR_FORBIDDEN, "It's not allowed to %s locations if locations are invisible.",
                         words[c->op].may);
    if (im->status != IMAGE_ACTIVE && (c->op == PATCH_REMOVE || im->status != IMAGE_QUEUED))
        return error_set(e, ERROR_CONFLICT, "It's not allowed to %s locations if image status is %s.",
                         words[c->op].does, image_status_name(im->status));
    switch (c->op) {
    case PATCH_ADD:
        return locations_add(rq, im, c, e);
    case PATCH_REPLACE:
        return locations_replace(rq, im, c, e);
    case PATCH_REMOVE:
        return locations_remove(im, c, e);
    }
    return 0;
}
