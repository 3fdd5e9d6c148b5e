/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls, and what they may do. */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "base/base.h"
#include "http/http.h"
#include "model/model.h"

enum { IDENTITY_ROLES_MAX = 64 };

struct identity {
    const char *user, *project;            /* NULL: none */
    const char *roles[IDENTITY_ROLES_MAX]; /* lower case */
    size_t n_roles;
    bool is_admin;     /* rule context_is_admin, or the pipeline says so */
    bool unrestricted; /* is_admin stands in for every policy rule (enforce_new_defaults off) */
    bool read_only;    /* anonymous access */
    bool other_scope;  /* a system or domain token: every rule is for projects, so none lets it */
};

bool identity_has_role(const struct identity *id, const char *role);
struct viewer identity_viewer(const struct identity *id);

/* From trusted headers (X-Identity-Status, X-User-Id, X-Project-Id, X-Roles), as Glance's context filter
 * reads them: status Confirmed or ERROR_UNAUTHENTICATED. allow_anonymous gives a read-only identity instead.
 */
int identity_from_headers(struct http_request *rq, bool allow_anonymous, struct identity *ret,
                          struct error *e) MUST_CHECK;
/* The pipelines without authentication: an administrator without project and roles. */
void identity_unauthenticated(bool enforce_new_defaults, struct identity *ret);

/* What a rule is asked about. NULL image: only the identity counts. */
struct policy_target {
    const char *project; /* the image's owner */
    const char *owner;   /* add_image: the owner asked for */
    const char *member;  /* the caller's project when the image is shared with it by somebody else */
    int visibility;      /* enum image_visibility, or -1 */
};
void policy_target_image(const struct image *im, const struct identity *id, struct policy_target *ret);
/* Whether the rule (Glance 33's defaults, operations.md section 8) lets this identity. An unknown rule is our
 * bug. */
bool policy_allows(const struct identity *id, const char *rule, const struct policy_target *target);

#endif
