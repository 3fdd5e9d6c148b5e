/* SPDX-License-Identifier: Apache-2.0 */
/* What clients see of stores: GET /v2/info/…, which store data go to and come from, DELETE
 * /v2/stores/{store_id}/{image_id}. */
#include "api/stores/stores.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "api/core/respond.h"
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
