/* SPDX-License-Identifier: Apache-2.0 */
/* /v2/images/{image_id}/members. The order of the checks is Glance 33's: body, image, is it shared, may the
 * caller see it, the member, the rule. */
#include "api/members/members.h"

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "api/core/respond.h"
#include "api/core/values.h"
#include "db/db.h"

static void member_write(struct str *out, const struct image *im, const struct member *m,
                         const json_t *as_given)
{
    char when[CLOCK_TEXT_MAX];

    str_add(out, "{\"member_id\": ");
    if (as_given)
        json_add_value(out, as_given, false);
    else
        json_add_text(out, m->project, false);
    str_addf(out, ", \"image_id\": \"%s\", \"status\": \"%s\", ", im->id, m->status);
    str_addf(out, "\"created_at\": \"%s\", ", clock_iso(m->created_us, when));
    str_addf(out, "\"updated_at\": \"%s\", \"schema\": \"/v2/schemas/member\"}",
             clock_iso(m->updated_us, when));
}

static int member_answer(struct request *rq, const struct image *im, const struct member *m,
                         const json_t *as_given)
{
    CLEANUP(str_done) struct str body = STR_INIT;

    member_write(&body, im, m, as_given);
    if (str_eq(rq->http->method, "PUT")) /* a POST is to the list */
        request_version_add(rq, document_etag(rq, &body));
    return respond_json(rq, 200, &body);
}

/* The member as it is now must be what the request's conditions want. */
static int member_conditions(struct request *rq, struct db_conn *c, const struct image *im, struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct member *m;

    if (!request_is_conditional(rq))
        return 0;
    if (member_load(c, rq->arena, im->id, rq->args[1], &m, e) < 0)
        return -1;
    member_write(&body, im, m, NULL);
    return request_document_conditions(rq, &body, m->updated_us, e);
}

/* What a handler does with the memberships, and whose it is where the older defaults, which let everybody,
 * count: the owner shares, who is shared with answers (Glance 33 image_members.py). */
enum sharing { SHARING_SEE, SHARING_CREATE, SHARING_UPDATE, SHARING_DELETE };

static const char *const sharing_verbs[] = {
    [SHARING_CREATE] = "create", [SHARING_UPDATE] = "update", [SHARING_DELETE] = "delete"
};

static bool is_ours_to_do(const struct request *rq, const struct image *im, enum sharing what)
{
    bool owns = str_eq(im->owner, rq->identity.project);

    if (rq->settings->enforce_new_defaults || rq->identity.is_admin)
        return true;
    switch (what) {
    case SHARING_CREATE:
        return owns && im->owner;
    case SHARING_UPDATE:
        return !owns;
    case SHARING_DELETE:
        return owns;
    case SHARING_SEE:
        break;
    }
    return true;
}

/* The image, when it has members and the caller may see it; kind and text: what to say when it has none. */
static int load(struct request *rq, enum sharing what, enum error_kind kind, const char *text,
                struct image **ret, struct error *e)
{
    if (request_image(rq, ret, e) < 0) {
        if (e->kind == ERROR_NOT_FOUND)
            error_as(e, 404, "Image %s not found.", rq->args[0]);
        return -1;
    }
    if ((*ret)->visibility != IMAGE_SHARED || !is_ours_to_do(rq, *ret, what))
        return error_set(e, kind, "%s", text);
    return request_allowed(rq, "get_image", *ret, e);
}

static int load_shared(struct request *rq, enum sharing what, struct image **ret, struct error *e)
{
    const char *text =
        arena_printf(rq->arena, "Not allowed to %s members for image %s.", sharing_verbs[what], rq->args[0]);

    return load(rq, what, ERROR_FORBIDDEN, text, ret, e);
}

/* Whose memberships the caller sees: NULL is everybody's, for the owner and the administrator. */
static const char *sees_only(const struct request *rq, const struct image *im)
{
    if (rq->identity.is_admin || str_eq(im->owner, rq->identity.project))
        return NULL;
    return rq->identity.project ? rq->identity.project : "";
}

static int load_member(struct request *rq, struct db_conn *c, const struct image *im, struct member **ret,
                       struct error *e)
{
    const char *only = sees_only(rq, im), *project = rq->args[1];

    if (only && !str_eq(only, project))
        return error_set(e, ERROR_NOT_FOUND, "%s not found in the member list of the image %s.", project,
                         im->id);
    return member_load(c, rq->arena, im->id, project, ret, e);
}

int member_list_handle(struct request *rq, struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct member *members;
    const char *unshared;
    struct image *im;
    struct db_conn *c;
    size_t n;

    unshared = arena_printf(
        rq->arena, "Not allowed to list members for image %s: Only shared images have members.", rq->args[0]);
    if (load(rq, SHARING_SEE, ERROR_FORBIDDEN, unshared, &im, e) < 0)
        return -1;
    if (request_allowed(rq, rq->route->rule, im, e) < 0 || request_db(rq, &c, e) < 0 ||
        member_list(c, rq->arena, im->id, sees_only(rq, im), &members, &n, e) < 0)
        return -1;
    str_add(&body, "{\"members\": [");
    for (size_t i = 0; i < n; i++) {
        str_add(&body, i ? ", " : "");
        member_write(&body, im, &members[i], NULL);
    }
    str_add(&body, "], \"schema\": \"/v2/schemas/members\"}");
    return respond_document(rq, &body, e);
}

int member_show(struct request *rq, struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct member *m;
    struct image *im;
    struct db_conn *c;

    if (load(rq, SHARING_SEE, ERROR_NOT_FOUND, "Only shared images have members.", &im, e) < 0)
        return -1;
    if (request_db(rq, &c, e) < 0 || load_member(rq, c, im, &m, e) < 0)
        return -1;
    if (request_allowed(rq, rq->route->rule, im, e) < 0)
        return e->kind == ERROR_FORBIDDEN ? error_set(e, ERROR_NOT_FOUND, "%s", "") : -1;
    member_write(&body, im, m, NULL);
    return respond_document(rq, &body, e);
}

/* The project's name out of the body. Numbers are taken as their text and shown as they came. */
static int project_read(struct request *rq, const json_t **ret_given, const char **ret, struct error *e)
{
    const json_t *given = json_object_get(rq->body, "member");
    CLEANUP(str_done) struct str text = STR_INIT;

    if (!json_is_object(rq->body))
        return error_set(e, ERROR_INVALID, "Expected a member in the form: {\"member\": \"image_id\"}");
    if (!given)
        return error_set(e, ERROR_INVALID, "Member to be added not specified");
    if (json_is_string(given))
        str_add(&text, json_string_value(given));
    else if (json_is_true(given))
        str_add(&text, "1");
    else if (json_is_number(given) && (json_number_value(given) < 0 || json_number_value(given) > 0))
        json_add_value(&text, given, false);
    else if (json_array_size(given) > 0 || json_object_size(given) > 0)
        return error_set(e, ERROR_INVALID, "Expected a member in the form: {\"member\": \"image_id\"}");
    if (text.len == 0)
        return error_set(e, ERROR_INVALID, "Member can't be empty");
    if (str_utf8_len(str_text(&text), text.len) > 255)
        return error_set(e, ERROR_INVALID, "Member can't be longer than 255 characters.");
    *ret_given = given;
    *ret = arena_str(rq->arena, str_text(&text));
    return text_storable(*ret, "member", e);
}

static int quota_member_check(struct request *rq, const struct image *im, int64_t n, struct error *e)
{
    int64_t quota = config_int(rq->settings->config, "DEFAULT", "image_member_quota");

    if (quota < 0 || n <= quota)
        return 0;
    return error_set(e, ERROR_TOO_LARGE,
                     "Image member limit exceeded for image %s: The limit has been exceeded on the number of "
                     "allowed image members for this image. Attempted: %lld, Maximum: %lld:",
                     im->id, (long long)n, (long long)quota);
}

struct change {
    struct request *rq;
    const char *project, *status;
    struct member *member; /* as the unit left it */
};

/* To the image as it is now: what was deleted, or is not shared any more, gets no members. The image's row,
 * which is locked, stands for the number of its members. */
static int add(struct db_conn *c, void *arg, struct error *e)
{
    struct change *ch = arg;
    struct request *rq = ch->rq;
    struct image *im;
    int64_t n;

    ch->member = NULL;
    if (load_shared(rq, SHARING_CREATE, &im, e) < 0 || request_allowed(rq, rq->route->rule, im, e) < 0 ||
        member_count(c, im->id, &n, e) < 0 || quota_member_check(rq, im, n + 1, e) < 0 ||
        member_add(c, rq->arena, im->id, ch->project, e) < 0)
        return -1;
    return member_load(c, rq->arena, im->id, ch->project, &ch->member, e);
}

/* The time of the change tells it from another's. */
static int changed(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct change *ch = arg;
    struct member *now;

    *ret = member_load(c, ch->rq->arena, ch->rq->args[0], ch->project, &now, e) == 0;
    if (*ret)
        *ret = ch->member && now->updated_us == ch->member->updated_us &&
               str_eq(now->status, ch->member->status);
    else if (e->kind != ERROR_NOT_FOUND)
        return -1;
    return 0;
}

int member_create(struct request *rq, struct error *e)
{
    const json_t *given = NULL;
    static const struct db_unit unit = { "member.add", add, changed };
    struct change ch = { .rq = rq };
    struct image *im;

    if (project_read(rq, &given, &ch.project, e) < 0 || request_writes(rq, e) < 0 ||
        load_shared(rq, SHARING_CREATE, &im, e) < 0 || request_allowed(rq, rq->route->rule, im, e) < 0 ||
        request_write(rq, &unit, &ch, e) < 0)
        return -1;
    return member_answer(rq, im, ch.member, json_is_string(given) ? NULL : given);
}

/* The image and the member as they are, and whether the caller may change this membership. */
static int load_to_change(struct request *rq, struct db_conn *c, enum sharing what, struct image **ret,
                          struct error *e)
{
    struct member *m;

    if (load_shared(rq, what, ret, e) < 0 || load_member(rq, c, *ret, &m, e) < 0)
        return -1;
    return request_allowed(rq, rq->route->rule, *ret, e);
}

static int set_status(struct db_conn *c, void *arg, struct error *e)
{
    struct change *ch = arg;
    struct request *rq = ch->rq;
    struct image *im;

    ch->member = NULL;
    if (load_to_change(rq, c, SHARING_UPDATE, &im, e) < 0 || member_conditions(rq, c, im, e) < 0 ||
        member_status_set(c, im->id, ch->project, ch->status, e) < 0)
        return -1;
    return member_load(c, rq->arena, im->id, ch->project, &ch->member, e);
}

int member_update(struct request *rq, struct error *e)
{
    static const struct db_unit unit = { "member.status", set_status, changed };
    const json_t *status = json_object_get(rq->body, "status");
    struct change ch = { .rq = rq, .project = rq->args[1], .status = json_string_value(status) };
    struct image *im;
    struct db_conn *c;

    if (!json_is_object(rq->body))
        return error_set(e, ERROR_INVALID, "Expected a status in the form: {\"status\": \"status\"}");
    if (!status)
        return error_set(e, ERROR_INVALID, "Status not specified");
    if (request_writes(rq, e) < 0 || request_db(rq, &c, e) < 0 ||
        load_to_change(rq, c, SHARING_UPDATE, &im, e) < 0)
        return -1;
    if (!json_is_string(status) || !member_status_valid(json_string_value(status)))
        return error_set(e, ERROR_INVALID,
                         "Incorrect request: Status must be \"pending\", \"accepted\" or \"rejected\".");
    if (request_write(rq, &unit, &ch, e) < 0)
        return -1;
    return member_answer(rq, im, ch.member, NULL);
}

static int drop(struct db_conn *c, void *arg, struct error *e)
{
    struct request *rq = arg;
    struct image *im;

    if (load_to_change(rq, c, SHARING_DELETE, &im, e) < 0 || member_conditions(rq, c, im, e) < 0)
        return -1;
    return member_remove(c, im->id, rq->args[1], e);
}

/* The member was there when the unit ran, and is not any more: as asked, by whomever. */
static int dropped(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    struct request *rq = arg;
    struct member *m;

    *ret = false;
    if (member_load(c, rq->arena, rq->args[0], rq->args[1], &m, e) == 0)
        return 0;
    *ret = e->kind == ERROR_NOT_FOUND;
    return *ret ? 0 : -1;
}

int member_delete(struct request *rq, struct error *e)
{
    static const struct db_unit unit = { "member.delete", drop, dropped };
    struct image *im;
    struct db_conn *c;

    if (request_writes(rq, e) < 0 || request_db(rq, &c, e) < 0 ||
        load_to_change(rq, c, SHARING_DELETE, &im, e) < 0 || request_write(rq, &unit, rq, e) < 0)
        return -1;
    return respond_empty(rq, 204, NULL);
}
