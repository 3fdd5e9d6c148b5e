/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of HTTP/2 that a client has reset.
 *
 * mod_http2 (2.0, in httpd 2.4.71) ends the body of such a stream like that of any other, and marks its
 * connection as aborted just after that, in another thread. Where the body has a length httpd notices what is
 * missing; without one the mark has to be waited for before the body is taken for complete. */
#ifndef EMBED_HTTPD_RESET_H
#define EMBED_HTTPD_RESET_H

#include <stdbool.h>
#include <stddef.h> /* before APR, whose own offsetof goes through a null pointer */

#include <apr_time.h>
#include <httpd.h>

enum {
    RESET_MARK_MS = 50, /* the other thread may be scheduled late on a busy machine */
    RESET_STEP_MS = 5,
};

/* At the end of a body without a length. Waits only over HTTP/2. */
static inline bool stream_was_reset(const conn_rec *c)
{
    for (int waited = 0; c->master && !c->aborted && waited < RESET_MARK_MS; waited += RESET_STEP_MS)
        apr_sleep(apr_time_from_msec(RESET_STEP_MS));
    return c->master && c->aborted;
}

#endif
