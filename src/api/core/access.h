/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: images as their caller may see them, policy, protected properties, sources that clients
 * name. */
#ifndef API_CORE_ACCESS_H
#define API_CORE_ACCESS_H

#include "api/core/request.h"

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

/* Anonymous readers may not change anything, whatever the rules say: 403. For handlers that change something,
 * where Glance 33 asks (utils.mutating): once the request itself has been understood. */
int request_writes(struct request *rq, struct error *e) MUST_CHECK;

/* Whether a client may name this URL as a source; the log says why not. Waits for the
 * resolver: the request holds no connection. */
bool request_source(struct request *rq, const char *what, const char *url);

/* ---- protected properties ---- */

bool request_may(struct request *rq, const char *property, enum property_right right);
/* As request_may, for a right that the client claims: 403 in Glance's words. */
int request_may_change(struct request *rq, const char *property, enum property_right right,
                       struct error *e) MUST_CHECK;
/* Sets the properties apart that this caller may not read. */
void request_hide(struct request *rq, struct image *im);

#endif
