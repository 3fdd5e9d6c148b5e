/* SPDX-License-Identifier: Apache-2.0 */
#include "api/core/places.h"

#include <ctype.h>
#include <string.h>

#include "api/core/access.h"
#include "store/store.h"

void stores_add_header(struct request *rq)
{
    CLEANUP(str_done) struct str ids = STR_INIT;
    const struct stores *all = rq->api->stores;

    if (!stores_several(all))
        return;
    for (size_t i = 0; i < stores_count(all); i++)
        str_addf(&ids, "%s%s", i ? "," : "", store_id(stores_at(all, i)));
    headers_add(rq->arena, &rq->headers, "OpenStack-image-store-ids", arena_str(rq->arena, str_text(&ids)));
}

int store_asked_for(struct request *rq, struct store **ret, struct error *e)
{
    const char *id = stores_several(rq->api->stores) ? http_header(rq->http, "x-image-meta-store") : NULL;

    *ret = id ? stores_by_id(rq->api->stores, id) : stores_default(rq->api->stores);
    return *ret ? 0 : error_set(e, ERROR_INVALID, "Store for identifier %s not found", id);
}

const char *location_metadata_of(struct request *rq, const struct store *s)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    if (!stores_several(rq->api->stores))
        return "{}";
    str_add(&out, "{\"store\": ");
    json_add_text(&out, store_id(s), true);
    str_addc(&out, '}');
    return arena_str(rq->arena, str_text(&out));
}

/* ---- where an image's data are ---- */

/* "store" of the metadata; most have nothing else. */
static const char *store_named(struct request *rq, const char *metadata)
{
    static const char before[] = "{\"store\": \"", after[] = "\"}";
    size_t n = strlen(metadata), skip = strlen(before), rest = strlen(after);
    CLEANUP(json_drop) json_t *parsed = NULL;

    if (n > skip + rest && str_starts(metadata, before) &&
        strcspn(metadata + skip, "\"\\") == n - skip - rest && str_ends(metadata, after))
        return arena_strn(rq->arena, metadata + skip, n - skip - rest);
    if (!strstr(metadata, "store"))
        return NULL;
    parsed = json_parse(metadata, n);
    return arena_str(rq->arena, json_string_value(json_object_get(parsed, "store")));
}

/* A location from before there were several stores has none in its metadata: it gets the one that its URL is
 * of. */
static void name_store(struct request *rq, struct image_location *l)
{
    const struct store *s = stores_for_url(rq->api->stores, NULL, l->url);
    CLEANUP(json_drop) json_t *metadata = json_parse(l->metadata, strlen(l->metadata));
    CLEANUP(str_done) struct str text = STR_INIT;

    if (!s || !json_is_object(metadata))
        return;
    l->store = store_id(s);
    json_object_set_new(metadata, "store", json_string(l->store));
    json_add_value(&text, metadata, true);
    l->metadata = arena_str(rq->arena, str_text(&text));
}

static int64_t weight_of(const struct request *rq, const struct image_location *l)
{
    const struct store *s = l->store ? stores_by_id(rq->api->stores, l->store) : NULL;

    return s ? store_weight(s) : 0;
}

/* Moves the location at `from` up to `to`; the others keep their order. */
static void move_up(struct image *im, size_t from, size_t to)
{
    struct image_location l = im->locations[from];

    memmove(im->locations + to + 1, im->locations + to, (from - to) * sizeof l);
    im->locations[to] = l;
}

void locations_place(struct request *rq, struct image *im)
{
    if (!stores_several(rq->api->stores))
        return;
    for (size_t i = 0; i < im->n_locations; i++) {
        struct image_location *l = &im->locations[i];
        size_t to = i;

        l->store = store_named(rq, l->metadata);
        if (!l->store || !stores_by_id(rq->api->stores, l->store))
            name_store(rq, l);
        while (to > 0 && weight_of(rq, &im->locations[to - 1]) < weight_of(rq, l))
            to--;
        move_up(im, i, to);
    }
}

static const char *trimmed(struct request *rq, const char *text, size_t n)
{
    while (n > 0 && isspace((unsigned char)*text))
        text++, n--;
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    return arena_strn(rq->arena, text, n);
}

/* "a, b": those that are there come first, in this order. */
static int prefer(struct request *rq, struct image *im, const char *text, struct error *e)
{
    size_t placed = 0;

    for (const char *at = text; *at; at += strcspn(at, ","), at += *at == ',') {
        const char *id = trimmed(rq, at, strcspn(at, ","));

        if (!*id)
            continue;
        if (!stores_by_id(rq->api->stores, id))
            return error_set(e, ERROR_INVALID, "Store '%s' is not configured.", id);
        for (size_t i = placed; i < im->n_locations; i++)
            if (str_eq(im->locations[i].store, id))
                move_up(im, i, placed++);
    }
    return 0;
}

int locations_prefer(struct request *rq, struct image *im, struct error *e)
{
    struct http_param *params;
    ssize_t n = http_query_parse(rq->arena, rq->http->query, &params);
    const char *asked = NULL;

    for (ssize_t i = 0; i < n; i++)
        if (str_eq(params[i].name, "prefer"))
            asked = params[i].value;
    if (!asked || !*asked)
        return 0;
    if (request_allowed(rq, "download_from_store", im, e) < 0)
        return -1;
    if (!stores_several(rq->api->stores))
        return error_set(
            e, ERROR_INVALID,
            "Store selection for download is not available when multiple backends are not enabled.");
    return prefer(rq, im, asked, e);
}
