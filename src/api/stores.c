/* SPDX-License-Identifier: Apache-2.0 */
/* What clients see of stores: GET /v2/info/…, which store data go to and come from, DELETE
 * /v2/stores/{store_id}/{image_id}. */
#include "api/request.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "db/db.h"
#include "store/store.h"
#include "transfer/remove.h"

int info_import_show(struct request *rq, struct error *e UNUSED)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    const char *const *methods;
    size_t n = config_list(rq->settings->config, "DEFAULT", "enabled_import_methods", &methods);

    str_add(&out,
            "{\"import-methods\": {\"description\": \"Import methods available.\", \"type\": \"array\", "
            "\"value\": [");
    for (size_t i = 0; i < n; i++) {
        str_add(&out, i ? ", " : "");
        json_add_text(&out, methods[i], true);
    }
    str_add(&out, "]}}");
    return respond_json(rq, 200, &out);
}

/* Limits of Keystone's are not supported, so that there is no usage to be compared with them. */
int info_usage_show(struct request *rq, struct error *e UNUSED)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    str_add(&out, "{\"usage\": {}}");
    return respond_json(rq, 200, &out);
}

static int several_only(const struct request *rq, struct error *e)
{
    if (stores_several(rq->api->stores))
        return 0;
    return error_set(e, ERROR_NOT_FOUND, "Multi backend is not supported at this site.");
}

struct facts {
    struct str *out;
    const char *between;
};

static void add_fact(void *arg, const struct store_fact *fact)
{
    struct facts *f = arg;

    str_addf(f->out, "%s\"%s\": ", f->between, fact->name);
    switch (fact->type) {
    case STORE_FACT_TEXT:
        json_add_text(f->out, fact->text, true);
        break;
    case STORE_FACT_NUMBER:
        str_addf(f->out, "%" PRId64, fact->number);
        break;
    case STORE_FACT_FLAG:
        str_add(f->out, fact->number ? "true" : "false");
        break;
    }
    f->between = ", ";
}

static void add_store(struct str *out, const struct stores *all, const struct store *s, bool detail)
{
    struct facts facts = { out, "" };

    str_add(out, "{\"id\": ");
    json_add_text(out, store_id(s), true);
    if (store_description(s)) {
        str_add(out, ", \"description\": ");
        json_add_text(out, store_description(s), true);
    }
    if (s == stores_default(all))
        str_add(out, ", \"default\": \"true\"");
    if (store_read_only(s))
        str_add(out, ", \"read-only\": \"true\"");
    if (detail) {
        str_addf(out, ", \"type\": \"%s\", \"properties\": {", store_type(s));
        store_describe(s, add_fact, &facts);
        str_addf(out, "}, \"weight\": %" PRId64, store_weight(s));
    }
    str_addc(out, '}');
}

static int stores_show(struct request *rq, bool detail)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    const struct stores *all = rq->api->stores;

    str_add(&out, "{\"stores\": [");
    for (size_t i = 0; i < stores_count(all); i++) {
        str_add(&out, i ? ", " : "");
        add_store(&out, all, stores_at(all, i), detail);
    }
    str_add(&out, "]}");
    return respond_json(rq, 200, &out);
}

int info_stores_show(struct request *rq, struct error *e)
{
    return several_only(rq, e) < 0 ? -1 : stores_show(rq, false);
}

int info_stores_detail_show(struct request *rq, struct error *e)
{
    if (several_only(rq, e) < 0 || request_allowed(rq, rq->route->rule, NULL, e) < 0)
        return -1;
    return stores_show(rq, true);
}

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

/* ---- one copy of several ---- */

static int drop_image(struct request *rq, struct image **ret, struct error *e)
{
    const char *store = rq->args[0], *id = rq->args[1];

    if (!stores_several(rq->api->stores))
        return error_set(e, ERROR_NOT_FOUND, "%s", "");
    if (!stores_by_id(rq->api->stores, store))
        return error_set(e, ERROR_CONFLICT, "The selected store %s is not available on this node.", store);
    if (request_image_of(rq, id, ret, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? error_set(e, ERROR_NOT_FOUND, "Failed to find image %s", id) : -1;
    return 0;
}

static int drop_find(const struct request *rq, const struct image *im, size_t *ret, struct error *e)
{
    if (im->status != IMAGE_ACTIVE)
        return error_set(e, ERROR_CONFLICT,
                         "It's not allowed to remove image data from store if image status is not 'active'");
    if (im->n_locations == 1)
        return error_set(e, ERROR_FORBIDDEN,
                         "Cannot delete image data from the only store containing it. Consider deleting the "
                         "image instead.");
    for (*ret = 0; *ret < im->n_locations; (*ret)++)
        if (str_eq(im->locations[*ret].store, rq->args[0]))
            return 0;
    return error_set(e, ERROR_NOT_FOUND, "Image %s is not stored in store %s.", im->id, rq->args[0]);
}

static int drop_allowed(struct request *rq, const struct image *im, size_t *ret, struct error *e)
{
    if (request_allowed(rq, "get_image_location", im, e) < 0 ||
        request_allowed(rq, rq->route->rule, im, e) < 0)
        return -1;
    return drop_find(rq, im, ret, e);
}

struct dropping {
    struct request *rq;
    struct leftovers left;
};

/* The image as it is now, without that copy. */
static int drop_row(struct db_conn *c, void *arg, struct error *e)
{
    struct dropping *d = arg;
    struct request *rq = d->rq;
    struct image *im;
    size_t at;

    d->left.n = 0;
    if (drop_image(rq, &im, e) < 0 || drop_allowed(rq, im, &at, e) < 0 ||
        request_conditions_on_nothing(rq, e) < 0 ||
        leftovers_note(&d->left, c, rq->arena, &im->locations[at], e) < 0)
        return -1;
    memmove(im->locations + at, im->locations + at + 1, (--im->n_locations - at) * sizeof *im->locations);
    return image_save(c, im, IMAGE_ACTIVE, e);
}

/* The copy was there when the unit ran, and is not any more: as asked, by whomever. */
static int dropped(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    struct dropping *d = arg;
    struct image *im;

    if (drop_image(d->rq, &im, e) < 0)
        return -1;
    *ret = true;
    for (size_t i = 0; i < im->n_locations; i++)
        *ret &= !str_eq(im->locations[i].store, d->rq->args[0]);
    return *ret ? leftovers_confirm(&d->left, c, e) : 0;
}

int store_image_delete(struct request *rq, struct error *e)
{
    static const struct db_unit unit = { "store.image_delete", drop_row, dropped };
    struct dropping d = { rq, { .stores = rq->api->stores } };
    struct image *im;
    size_t at;

    if (request_writes(rq, e) < 0 || drop_image(rq, &im, e) < 0 || drop_allowed(rq, im, &at, e) < 0 ||
        leftovers_check(rq->api->stores, &im->locations[at], e) < 0)
        return -1;
    if (request_write(rq, &unit, &d, e) < 0)
        return -1;
    leftovers_remove(&d.left, rq->conn);
    return respond_empty(rq, 204, "text/html; charset=UTF-8");
}
