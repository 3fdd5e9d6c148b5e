/* SPDX-License-Identifier: Apache-2.0 */
/* glint check-deploy: what its checks share. One thread; texts are the arena's or static. */
#ifndef MAIN_DEPLOY_H
#define MAIN_DEPLOY_H

#include "main/probe.h"

enum { DEPLOY_DATA = 3 * 1024 * 1024 + 17, DEPLOY_CHUNK_LARGE = 4 * 1024 * 1024 };

/* What earlier checks have shown to work, and later ones need. */
enum deploy_have {
    HAVE_IMAGE = 1,     /* one can be created */
    HAVE_DATA = 2,      /* deploy->image has DEPLOY_DATA bytes of deploy->data */
    HAVE_CONTINUE = 4,  /* 100 Continue comes */
    HAVE_SIZE = 8,      /* no server refuses large bodies */
    HAVE_LINKS = 16,    /* the versions' links are right */
    HAVE_PARALLEL = 32, /* a client is served while another one uploads */
    HAVE_STREAM = 64,   /* uploads reach the service as they are sent */
    HAVE_PATIENCE = 128 /* an upload may pause */
};

struct deploy {
    struct probe_place place;
    struct arena *arena;
    struct str why, note; /* of the check that runs: what is wrong; what is worth knowing */
    const char *same;     /* the check that has told the cause */
    const char *advice;   /* of that check, where its usual one does not fit */
    const char *image, *location;
    char *data;         /* DEPLOY_CHUNK_LARGE bytes */
    const char *server; /* what the front end calls itself, "" when it does not */
    unsigned have;      /* enum deploy_have */
    unsigned pause_s;   /* how long an upload pauses */
    bool identity;      /* --header gives an identity, as a front end would */
};

/* What is asked, and what to do about it by server. */
struct deploy_check {
    const char *title;
    bool (*run)(struct deploy *d);
    bool required;  /* else it is only advice */
    unsigned needs; /* enum deploy_have: not tried where these are missing, as one cause is told once */
    unsigned gives; /* when all was well */
    const char *advice;
};
extern const struct deploy_check deploy_checks[]; /* the last one has no title */

/* ---- deploy_ask.c ---- */

/* Notes what is wrong; false, so that a check can end with it. */
bool deploy_seen(struct deploy *d, const char *format, ...) PRINTF(2, 3);
/* The same for a cause that has advice of its own. */
bool deploy_blame(struct deploy *d, const char *advice, const char *format, ...) PRINTF(3, 4);
/* Notes that another check has told the cause; false. */
bool deploy_same(struct deploy *d, const char *title);
/* Notes what is no fault; true. */
bool deploy_note(struct deploy *d, const char *format, ...) PRINTF(2, 3);
/* Whether the service itself answered; a refusal by the server before it lacks the request id. */
bool deploy_is_ours(const struct probe_answer *answer);
/* " by the service" or " by the server before it", for messages. */
const char *deploy_by(const struct probe_answer *answer);
/* One request with a small body (or NULL) on a connection of its own; false after deploy_seen(). */
bool deploy_ask(struct deploy *d, const char *method, const char *path, const char *fields, const char *body,
                struct probe_answer *ret);
/* The id of a new image, NULL after deploy_seen(). The first one's Location is kept. */
const char *deploy_image_make(struct deploy *d);
void deploy_image_drop(struct deploy *d, const char *id); /* takes NULL */
/* An image's attribute as text; numbers in decimal. NULL: there is none, or no answer. */
const char *deploy_image_get(struct deploy *d, const char *id, const char *name);
const char *deploy_path(struct deploy *d, const char *image, const char *below); /* "/file" */
/* Sends n bytes in chunks of a size; false when the other side takes no more. */
bool deploy_send_chunks(struct probe *p, const char *data, size_t n, size_t chunk);
/* The words of an answer, which may be a page, within one line. */
const char *deploy_one_line(struct arena *a, const char *text);

#define DEPLOY_STREAM "Content-Type: application/octet-stream\r\n"

/* ---- the checks: deploy_links.c ---- */
bool deploy_answers(struct deploy *d);
bool deploy_links(struct deploy *d);
bool deploy_spoofing(struct deploy *d);
bool deploy_real_links(struct deploy *d);
bool deploy_large_header(struct deploy *d);
bool deploy_encoded_path(struct deploy *d);
bool deploy_keep_alive(struct deploy *d);
/* ---- deploy_identity.c ---- */
bool deploy_identity(struct deploy *d);
bool deploy_create(struct deploy *d);
bool deploy_methods(struct deploy *d);
/* ---- deploy_data.c ---- */
bool deploy_continue(struct deploy *d);
bool deploy_large_body(struct deploy *d);
bool deploy_upload(struct deploy *d);
bool deploy_chunked(struct deploy *d);
bool deploy_download(struct deploy *d);
bool deploy_range(struct deploy *d);
bool deploy_early_refusal(struct deploy *d);
/* ---- deploy_time.c ---- */
bool deploy_parallel(struct deploy *d);
bool deploy_streams(struct deploy *d);
bool deploy_slow(struct deploy *d);
bool deploy_slow_reader(struct deploy *d);
bool deploy_import(struct deploy *d);
/* ---- deploy_http2.c ---- */
bool deploy_http2(struct deploy *d);

#endif
