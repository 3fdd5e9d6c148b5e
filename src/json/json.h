/* SPDX-License-Identifier: Apache-2.0 */
/* JSON in by jansson, JSON out by appending text; and what the Images API means by its documents. */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include <jansson.h>

#include "base/base.h"
#include "http/limits.h"
#include "model/model.h"

/* ---- out: the look of Python's json.dumps (", " and ": "), so that bytes equal Glance's ---- */

/* Quoted. ascii: non-ASCII becomes \uXXXX (ensure_ascii=True), else raw UTF-8. */
void json_add_text(struct str *out, const char *text, bool ascii);
void json_add_text_or_null(struct str *out, const char *text, bool ascii);
/* A parsed value, in the same look. */
void json_add_value(struct str *out, const json_t *value, bool ascii);

struct image_doc_options {
    bool show_direct_url, show_locations;
    bool hide_locations; /* a deactivated image, and the caller is no administrator */
};
/* The image document, keys in Glance's order. */
void image_doc_write(struct str *out, const struct image *im, const struct image_doc_options *o);

/* One location: {"url": …, "metadata": …}. */
void location_doc_write(struct str *out, const struct image_location *l, bool ascii);

/* ---- in ---- */

/* Parses a whole body, at most HTTP_JSON_DEPTH_MAX deep; NULL when it is not JSON. As Python's json.loads
 * does, any value may stand at the top and of repeated keys the last one wins. Free with json_decref(). */
json_t *json_parse(const char *text, size_t n);
void json_drop(json_t **j); /* json_decref() for CLEANUP; takes NULL */

/* Python's repr() of a parsed value, as the messages of jsonschema show it. */
void json_add_repr(struct str *out, const json_t *value);

/* ---- the image schema: one document that is served, and against which bodies are checked ---- */

struct schema;

struct schema_options {
    const char *const *disk_formats, *const *container_formats;
    size_t n_disk_formats, n_container_formats;
    const char *properties_file; /* schema-image.json, flat or extended form; NULL: the declared properties
                                    that Glance ships */
    bool undeclared;             /* without a file no property is declared, in their place */
};
/* ERROR_INVALID: the file cannot be read, or does not declare properties. */
int schema_open(const struct schema_options *o, struct schema **ret, struct error *e) MUST_CHECK;
void schema_free(struct schema *s); /* takes NULL */

/* The bodies of GET /v2/schemas/image and /v2/schemas/images; live as long as the schema. */
const char *schema_image_text(const struct schema *s);
const char *schema_images_text(const struct schema *s);
/* The other schema documents by what follows /v2/schemas/ ("member", "metadefs/tags"); NULL when there is
 * none. */
const char *schema_document(const char *name);
/* Whether the name is a base attribute of the image (as opposed to an extra property). */
bool schema_is_base(const struct schema *s, const char *name);

/* ERROR_INVALID with the first line of Glance's message ("Provided object does not match schema 'image': …").
 * Of several violations the one reported is python-jsonschema's best match: least deep, then the last by
 * path. */
int schema_check_image(const struct schema *s, const json_t *object, struct error *e) MUST_CHECK;

/* The body of POST /v2/images/{id}/locations, in the same way. */
int schema_check_location(const json_t *body, struct error *e) MUST_CHECK;
/* The body of POST /v2/tasks. */
int schema_check_task(const json_t *body, struct error *e) MUST_CHECK;

/* ---- JSON-patch, Glance's two dialects ---- */

enum patch_dialect { PATCH_V21 /* draft 10: op, path, value */, PATCH_V20 /* draft 4: {"add": path} */ };
enum patch_op { PATCH_ADD, PATCH_REMOVE, PATCH_REPLACE };

struct patch_change {
    enum patch_op op;
    const char *path[2]; /* decoded segments */
    size_t n_path;
    const json_t *value; /* borrowed from the body; NULL for remove */
    enum patch_dialect dialect;
};

/* Parses and checks every operation as Glance does before it looks the image up: shape, pointer, read-only
 * and reserved names (ERROR_FORBIDDEN), values against the schema (ERROR_INVALID). Changes live in the arena,
 * values in the body. */
int patch_parse(struct arena *a, const struct schema *s, enum patch_dialect dialect, const json_t *body,
                struct patch_change **ret, size_t *ret_n, struct error *e) MUST_CHECK;

/* Names no client may set: in PATCH and create (api.md 4.1). */
bool image_name_read_only(const char *name);
bool image_name_reserved(
    const char *name); /* "location", "deleted", "deleted_at", and everything that begins with os_glance */

#endif
