/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may make us hold, all in one place. Bytes unless named otherwise. */
#ifndef HTTP_LIMITS_H
#define HTTP_LIMITS_H

enum {
    HTTP_HEAD_MAX = 64 * 1024,      /* request line and header section together */
    HTTP_LINE_MAX = 32 * 1024,      /* one line of it */
    HTTP_HEADERS_MAX = 128,         /* number of fields */
    HTTP_TARGET_MAX = 16 * 1024,    /* the request target */
    HTTP_CHUNK_LINE_MAX = 4 * 1024, /* chunk size line with its extensions */
    HTTP_TRAILER_MAX = 16 * 1024,   /* trailer section */
    HTTP_PARAMS_MAX = 512,          /* query parameters */
    HTTP_JSON_BODY_MAX = 4 * 1024 * 1024,
    HTTP_JSON_DEPTH_MAX = 64,
    HTTP_DOCUMENT_SECONDS_MAX = 600,       /* for a JSON body from its head to its end */
    HTTP_DOCUMENT_FREE = 16 * 1024,        /* of each JSON body in memory that counts for nothing */
    HTTP_DOCUMENTS_MAX = 64 * 1024 * 1024, /* JSON bodies in memory, all together */
    HTTP_DOCUMENTS_SHARE = 50,             /* percent of it that one project or address may have */
    HTTP_RETRY_AFTER = 5,                  /* seconds: when to come again after a 503 */
};

#endif
