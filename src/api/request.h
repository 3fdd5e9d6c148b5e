/* SPDX-License-Identifier: Apache-2.0 */
/* Private to api/: one request on its way through a handler, and how handlers answer. */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include "api/settings.h"
#include "auth/auth.h"
#include "http/http.h"
#include "json/json.h"

struct route;

struct api {
    struct db *db;
    struct stores *stores;
    int64_t attached_us;  /* monotonic */
    pthread_mutex_t lock; /* of settings */
    struct settings *settings;
    void (*after)(void *arg); /* NULL: nothing */
    void *after_arg;
};

enum { ROUTE_ARGS_MAX = 2 };

/* What a location's store said about it in this request. */
struct probe {
    const char *url;
    uint64_t size;
    enum error_kind kind; /* ERROR_NONE: size is known */
};

struct request {
    struct http_request *http;
    struct api *api;
    struct settings *settings;
    struct arena *arena;
    struct policy_rules *rules; /* the same from the first check to the last */
    struct identity identity;
    struct property_rights *rights; /* request_may()'s */
    bool in_pipeline;               /* past the healthcheck application: the filters see the answer */
    const struct route *route;
    const char *args[ROUTE_ARGS_MAX]; /* decoded path segments of the route's {names} */
    const char *path;                 /* with the version prefix normalised to /v2 */
    const char *request_id;
    const char *scheme, *host, *prefix; /* after proxy headers, where those are trusted */
    json_t *body;                       /* of BODY_JSON routes; borrowed */
    struct db_conn *conn;               /* request_db()'s */
    struct http_headers headers;        /* extra ones of the answer */
    struct probe *probes;               /* location_probe()'s */
    size_t n_probes, cap_probes;
};

typedef int handler(struct request *rq, struct error *e);

enum route_body {
    BODY_NONE,    /* a body is refused: 400 */
    BODY_IGNORED, /* one may come and is not looked at */
    BODY_JSON,    /* must come and parse */
    BODY_STREAM   /* the handler reads it */
};

struct route {
    const char *method;
    const char *template; /* segments; {name} takes one */
    handler *handle;
    enum route_body body;
    bool quick;       /* may run on an event loop; the handler may still send itself to a worker */
    bool transfer;    /* moves bulk data */
    const char *rule; /* who may, beside what a handler asks on top; NULL: everybody */
};
extern const struct route routes[];
extern const size_t routes_n;

/* The metric series of each route, NULL until first used (metrics.c). Defined with the table, so that it has
 * its size; the last one, at routes_n, counts requests without a route. */
enum { STATUS_MIN = 200, STATUS_MAX = 600 };
struct route_series {
    struct metric_series *_Atomic requests[STATUS_MAX - STATUS_MIN], *_Atomic seconds;
};
extern struct route_series route_series[];

/* Reads and parses the body into rq->body; for routes that check something before it. */
int request_json(struct request *rq, struct error *e) MUST_CHECK;

/* The connection of this request, acquired once; ERROR_WOULD_BLOCK on an event loop that would have to wait.
 */
int request_db(struct request *rq, struct db_conn **ret, struct error *e) MUST_CHECK;
void request_db_release(struct request *rq);
/* A unit of work (db/db.h) with that connection. What the unit reads through the request, it reads within its
 * transaction. */
struct db_unit;
int request_write(struct request *rq, const struct db_unit *unit, void *arg, struct error *e) MUST_CHECK;

/* The image of the route's {image_id} as this caller may see it, in Glance's words when it is not there for
 * him. */
int request_image(struct request *rq, struct image **ret, struct error *e) MUST_CHECK;
/* … of another id. */
int request_image_of(struct request *rq, const char *id, struct image **ret, struct error *e) MUST_CHECK;
/* What both do to an image as the database has it, for this caller: properties are hidden, stores named. In
 * place: other readers of its properties and locations need their own. */
void request_prepare(struct request *rq, struct image *im);
/* The rule must let the caller, or: 404 where get_image is denied too, else 403 in Glance's words. */
int request_allowed(struct request *rq, const char *rule, const struct image *im, struct error *e) MUST_CHECK;
/* As request_allowed, for rules about changing an image; where the older defaults still count (let everybody)
 * it must be the caller's own, or the caller an administrator. */
int request_owns(struct request *rq, const char *rule, const struct image *im, struct error *e) MUST_CHECK;

/* Whether a client may name this URL as a source; the log says why not. Waits for the
 * resolver: the request holds no connection. (sources.c) */
bool request_source(struct request *rq, const char *what, const char *url);

/* ---- protected properties (protect.c) ---- */

bool request_may(struct request *rq, const char *property, enum property_right right);
/* As request_may, for a right that the client claims: 403 in Glance's words. */
int request_may_change(struct request *rq, const char *property, enum property_right right,
                       struct error *e) MUST_CHECK;
/* Sets the properties apart that this caller may not read. */
void request_hide(struct request *rq, struct image *im);

/* Anonymous readers may not change anything, whatever the rules say: 403. For handlers that change something,
 * where Glance 33 asks (utils.mutating): once the request itself has been understood. */
int request_writes(struct request *rq, struct error *e) MUST_CHECK;

/* Answers. Each sends head and body and returns 0; a client that went away is not the handler's problem. */
int respond_json(struct request *rq, int status, const struct str *body);
int respond_text(struct request *rq, int status, const char *type, const char *body, size_t n);
int respond_empty(struct request *rq, int status, const char *type);
/* What a read asks for, with its ETag; 304 or 412 where the request has conditions. */
int respond_document(struct request *rq, const struct str *body, struct error *e) MUST_CHECK;
/* Adds the request id and sends the head; for handlers that send the body themselves. */
int respond_head(struct request *rq, int status, int64_t length);
/* As error_set, for the messages that Glance raises without naming them the explanation: the status's stock
 * text comes first. */
int error_in_detail(struct error *e, enum error_kind kind, const char *message, ...) PRINTF(3, 4);
/* The failure, in the form the client accepts (api/fault.c). */
void respond_error(struct request *rq, const struct error *e);

/* Conditions of the request (RFC 9110 section 13), to be asked when nothing else speaks against it; where
 * something is changed, inside its transaction. -1: ERROR_PRECONDITION (conditional.c). */
bool request_is_conditional(struct request *rq);
int request_conditions(struct request *rq, const struct http_validators *v, bool *ret_unchanged,
                       struct error *e) MUST_CHECK;
/* Of a change to the image, whose version is the document that the caller would be shown; to the resource
 * with this document; to what has no version that could be read. */
int request_image_conditions(struct request *rq, const struct image *im, struct error *e) MUST_CHECK;
int request_document_conditions(struct request *rq, const struct str *body, int64_t modified_us,
                                struct error *e) MUST_CHECK;
int request_conditions_on_nothing(struct request *rq, struct error *e) MUST_CHECK;
/* The ETag of a document, and of the one that the caller would be shown of the image; NULL: none could be
 * made. */
const char *document_etag(struct request *rq, const struct str *body);
const char *image_etag(struct request *rq, const struct image *im);
/* For the answer to a read, and for the answer to a change: which version there is now. */
void request_validators_add(struct request *rq, const struct http_validators *v);
void request_version_add(struct request *rq, const char *etag);
int respond_unchanged(struct request *rq, const struct http_validators *v); /* 304 */

/* What stands before the routes. *ret_done: answered; on failure no other handler may answer. */
int healthcheck_answer(struct request *rq, bool *ret_done, struct error *e) MUST_CHECK;
bool versions_asked(const struct request *rq); /* the path is the versions document's own */
bool versions_answer(struct request *rq);      /* true: answered */
void forwarded_read(struct request *rq);
/* http_service.holder. */
uint64_t request_holder(const struct settings *s, struct http_request *http);
/* Where the client reaches this service, without a '/' at the end. */
const char *request_base(struct request *rq);

/* An import or a deletion of an image whose data another host has staged is passed on to it (elsewhere.c).
 * *ret_done: that host has done it, and this one answers as if it had been here. -1: its refusal, or 502 and
 * 504 where an import could not be passed on; a deletion goes on here then. Waits for the other host, at most
 * a minute, with no database connection held. */
int request_elsewhere(struct request *rq, const struct image *im, bool *ret_done, struct error *e) MUST_CHECK;

/* Handlers, by file. */
handler image_create, image_show, image_delete_handle;  /* images.c */
handler image_list_handle;                              /* image_list.c */
handler location_list, location_add;                    /* location_jobs.c */
handler image_patch;                                    /* image_patch.c */
handler image_deactivate, image_reactivate;             /* actions.c */
handler member_list_handle, member_create, member_show; /* members.c */
handler member_update, member_delete;
handler tag_add, tag_delete;                                         /* tags.c */
handler image_upload, image_download;                                /* image_data.c */
handler image_stage;                                                 /* stage.c */
handler image_import;                                                /* import.c */
handler schema_image_show, schema_images_show, schema_document_show; /* schemas.c */

handler task_list_handle, task_show, task_delete, image_tasks_show; /* tasks.c */
handler task_create;                                                /* task_import.c */
/* 201 and the task as it is at first. */
int task_created(struct request *rq, const struct task *t);

handler info_import_show, info_stores_show, info_stores_detail_show, info_usage_show; /* stores.c */
handler store_image_delete;

/* What uploads and staging have in common (image_data.c): the media type, the size that is announced (-1:
 * none), the project's quota, and the body's way with its answer. */
struct upload;
int upload_type_check(struct request *rq, struct error *e) MUST_CHECK;
int upload_size_read(struct request *rq, int64_t *ret, struct error *e) MUST_CHECK;
struct upload_options;
int upload_quota_read(struct request *rq, const struct image *im, struct upload_options *o,
                      struct error *e) MUST_CHECK;
int upload_body(struct request *rq, struct upload **up, struct error *e) MUST_CHECK;

bool import_method_enabled(const struct request *rq, const char *name); /* import.c */

/* The ids of the stores, where clients know stores by id. */
void stores_add_header(struct request *rq);
/* Where new data goes: to the store that the request names, or to the default. */
struct store;
int store_asked_for(struct request *rq, struct store **ret, struct error *e) MUST_CHECK;
/* The metadata of a new location in that store. */
const char *location_metadata_of(struct request *rq, const struct store *s);

/* Names the store of each location and puts the heaviest first, where there are several stores. */
void locations_place(struct request *rq, struct image *im);
/* The stores that the download's query prefers, before the others. */
int locations_prefer(struct request *rq, struct image *im, struct error *e) MUST_CHECK;

/* Shared by create and patch (image_rules.c). */
int image_set_base(struct request *rq, struct image *im, const char *name, const json_t *value,
                   struct error *e) MUST_CHECK;
/* What Glance's database layer refuses of an image, after everything else: 4-byte characters and numbers that
 * do not fit. To be asked before an image is written whose values a client has set: ERROR_INVALID. */
int image_storable_check(const struct image *im, struct error *e) MUST_CHECK;
/* 4-byte characters cannot be stored everywhere: 400 with Glance's text, which begins with the attribute's
 * name.
 */
int text_storable(const char *text, const char *name, struct error *e) MUST_CHECK;
bool text_has_4byte(const char *text); /* UTF-8 */
/* How many properties count against image_property_quota: also those that this caller cannot see, and none of
 * the service's own. */
size_t image_properties_counted(const struct image *im);
int quota_check(int64_t limit, size_t n, const char *what, struct error *e) MUST_CHECK;
int image_visibility_allowed(struct request *rq, const struct policy_target *target, enum image_visibility to,
                             struct error *e) MUST_CHECK;
struct image_doc_options image_doc_options(const struct request *rq, const struct image *im);

/* One change of /locations (locations.c), to the image in memory. Stores are asked only outside a write
 * transaction; inside one the answers of before count. */
int locations_change(struct request *rq, struct image *im, const struct patch_change *c,
                     struct error *e) MUST_CHECK;
/* Bytes that Python's bytearray.fromhex() makes of the text: blanks may stand between two; -1 when it
 * refuses. */
ssize_t hex_size(const char *text);

/* metrics.c */
void metrics_count(const struct request *rq, const struct route *route, int64_t us);

#endif
