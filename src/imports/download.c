/* SPDX-License-Identifier: Apache-2.0 */
/* web-download: the object of a URI, or of one of its mirrors.
 *
 * Beyond Glance the request's method may have `mirrors`, further URIs that are tried in order where one does
 * not give the data, and what the data have to be: `checksum` (MD5), `os_hash_algo` and `os_hash_value`. A
 * source that is no use is not asked again by later tries of the job; where all of them are, it ends. */
#include <stdio.h>
#include <string.h>

#include "imports/fetch.h"
#include "json/json.h"

enum { MIRRORS_MAX = 16, SOURCES_MAX = MIRRORS_MAX + 1, NOTE_MAX = 32 };

/* ---- what a request may ask for ---- */

static const char *member(const json_t *method, const char *name)
{
    return json_string_value(json_object_get(method, name));
}

static bool is_hash(const char *text, size_t bytes)
{
    return text && bytes > 0 && strlen(text) == 2 * bytes &&
           text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

static int hashes_check(const json_t *method, struct error *e)
{
    const json_t *algorithm = json_object_get(method, "os_hash_algo");
    const char *name = json_string_value(algorithm);

    if (json_object_get(method, "checksum") && !is_hash(member(method, "checksum"), 16))
        return error_set(e, ERROR_INVALID, "'checksum' is not an MD5 in hexadecimal digits.");
    if (!algorithm != !json_object_get(method, "os_hash_value"))
        return error_set(e, ERROR_INVALID, "'os_hash_algo' and 'os_hash_value' need each other.");
    if (algorithm && (!name || stream_hash_size(name) == 0))
        return error_set(e, ERROR_INVALID, "'os_hash_algo' is not the name of a supported hash.");
    if (algorithm && !is_hash(member(method, "os_hash_value"), stream_hash_size(name)))
        return error_set(e, ERROR_INVALID, "'os_hash_value' is not a %s in hexadecimal digits.", name);
    return 0;
}

static int not_allowed(const json_t *uri, struct error *e)
{
    CLEANUP(str_done) struct str shown = STR_INIT;

    if (json_is_string(uri))
        str_add(&shown, json_string_value(uri));
    else if (uri)
        json_add_repr(&shown, uri);
    else
        str_add(&shown, "None");
    return error_set(e, ERROR_INVALID, "URI for web-download does not pass filtering: %s", str_text(&shown));
}

static int source_check(struct fetch_rules *sources, const json_t *uri, struct error *e)
{
    struct error why;

    if (json_is_string(uri) && fetch_source_check(sources, json_string_value(uri), &why) == 0)
        return 0;
    if (json_is_string(uri))
        log_info("web-download is refused: %s", why.detail);
    return not_allowed(uri, e);
}

int import_download_check(struct fetch_rules *sources, const json_t *method, struct error *e)
{
    const json_t *mirrors = json_object_get(method, "mirrors");

    if (source_check(sources, json_object_get(method, "uri"), e) < 0 || hashes_check(method, e) < 0)
        return -1;
    if (mirrors && (!json_is_array(mirrors) || json_array_size(mirrors) > MIRRORS_MAX))
        return error_set(e, ERROR_INVALID, "'mirrors' must be a list of at most %d URIs.", MIRRORS_MAX);
    for (size_t i = 0; i < json_array_size(mirrors); i++)
        if (source_check(sources, json_array_get(mirrors, i), e) < 0)
            return -1;
    return 0;
}

/* ---- sources ---- */

static size_t sources_of(const json_t *method, const char *ret[SOURCES_MAX])
{
    const json_t *mirrors = json_object_get(method, "mirrors");
    size_t n = 0;

    ret[n++] = member(method, "uri");
    for (size_t i = 0; i < json_array_size(mirrors) && n < SOURCES_MAX; i++)
        ret[n++] = json_string_value(json_array_get(mirrors, i));
    return n;
}

static const char *note_of(size_t source, char text[NOTE_MAX])
{
    snprintf(text, NOTE_MAX, "useless:%zu", source);
    return text;
}

static int useless_read(struct import *im, size_t source, bool *ret, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct job_run *r = im->run;
    const char *why;
    char name[NOTE_MAX];

    if (db_acquire(r->o->db, DB_WAIT, &c, e) < 0 ||
        job_note_get(c, r->arena, r->job->id, note_of(source, name), &why, e) < 0)
        return -1;
    *ret = why != NULL;
    return 0;
}

static int useless_write(struct import *im, size_t source, const char *why, struct error *e)
{
    char name[NOTE_MAX];

    return import_note_set(im, note_of(source, name), why, e);
}

static void expect(struct import *im, const char *algorithm, const char *value)
{
    if (algorithm && value)
        im->staging.expected[im->staging.n_expected++] = (struct staging_hash){ algorithm, value };
}

/* ---- the step ---- */

/* What is worth telling: that it may work later, else that the data were others, else the first failure. */
static bool outweighs(const struct error *a, const struct error *b)
{
    static const enum error_kind order[] = { ERROR_UNAVAILABLE, ERROR_PRECONDITION };

    for (size_t i = 0; i < COUNT(order); i++)
        if (a->kind == order[i] || b->kind == order[i])
            return b->kind != order[i];
    return b->kind == ERROR_NONE;
}

static bool is_source_failure(const struct error *e)
{
    return e->kind == ERROR_UNAVAILABLE || e->kind == ERROR_INVALID || e->kind == ERROR_PRECONDITION;
}

/* Whether there is anything to gain from another source, after *e. */
static int source_failed(struct import *im, size_t source, struct error *worst, struct error *e)
{
    if (!is_source_failure(e))
        return -1;
    log_info("job %s: source %zu: %s (%s)", im->run->job->id, source, e->message, e->detail);
    if (outweighs(e, worst))
        *worst = *e;
    return e->kind == ERROR_UNAVAILABLE ? 0 : useless_write(im, source, e->message, e);
}

static int try_all(struct import *im, const char *const *urls, size_t n, struct error *e)
{
    struct error worst;
    const char *begun;
    size_t first = 0;

    if (import_fetch_begun(im, &begun, e) < 0)
        return -1;
    for (size_t i = 0; begun && i < n; i++)
        if (str_eq(urls[i], begun))
            first = i;
    error_clear(&worst);
    for (size_t i = first; i < first + n; i++) {
        bool useless = !urls[i % n];

        if (!useless && useless_read(im, i % n, &useless, e) < 0)
            return -1;
        if (useless)
            continue;
        if (import_fetch(im, &(struct import_source){ .url = urls[i % n], .size = -1 }, e) == 0)
            return 0;
        if (source_failed(im, i % n, &worst, e) < 0)
            return -1;
    }
    if (worst.kind == ERROR_NONE)
        return error_set(e, ERROR_INVALID, IMPORT_FAILED);
    *e = worst;
    return -1;
}

int import_download(struct import *im, struct error *e)
{
    const json_t *method = json_object_get(im->request, "method");
    const char *urls[SOURCES_MAX];
    size_t n = sources_of(method, urls);

    im->staging.n_expected = 0;
    expect(im, "md5", member(method, "checksum"));
    expect(im, member(method, "os_hash_algo"), member(method, "os_hash_value"));
    return try_all(im, urls, n, e);
}
