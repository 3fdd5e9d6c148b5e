/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls, and what they may do. */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "base/base.h"
#include "http/http.h"
#include "model/model.h"

enum { IDENTITY_ROLES_MAX = 64, IDENTITY_SERVICE_ROLES_MAX = 16 };

struct identity {
    const char *user, *project;            /* NULL: none */
    const char *roles[IDENTITY_ROLES_MAX]; /* lower case */
    size_t n_roles;
    /* What else policy rules may ask for; NULL: none. */
    const char *user_domain, *project_domain, *domain, *system_scope;
    const char *service_user, *service_user_domain, *service_project, *service_project_domain;
    const char *service_roles[IDENTITY_SERVICE_ROLES_MAX]; /* as sent */
    size_t n_service_roles;
    bool other_project; /* X-Is-Admin-Project says no */
    bool is_admin;      /* rule context_is_admin, or the pipeline says so */
    bool read_only;     /* anonymous access */
};

bool identity_has_role(const struct identity *id, const char *role);
struct viewer identity_viewer(const struct identity *id);

/* From trusted headers (X-Identity-Status, X-User-Id, X-Project-Id, X-Roles …), as Glance's context filter
 * reads them: status Confirmed or ERROR_UNAUTHENTICATED. allow_anonymous gives a read-only identity instead.
 * is_admin stays false: that is for a rule to say.
 */
int identity_from_headers(struct http_request *rq, bool allow_anonymous, struct identity *ret,
                          struct error *e) MUST_CHECK;
/* The same as lines of another request ("Name: value", NULL at the end), which another instance of the
 * service is to answer for the same caller: the caller's tokens and, where the headers were believed here,
 * what they say. */
const char *const *identity_headers(struct http_request *rq, bool believed);
/* The pipelines without authentication: an administrator without project and roles. */
void identity_unauthenticated(struct identity *ret);
/* The only user of a service without a configuration: it has every role, so every rule allows it. */
void identity_sole_user(struct identity *ret);

/* ---- what a rule is asked about ----
 *
 * Attributes by name, looked up only when a rule names them; nothing is copied, so what a target was made of
 * must outlive it. */

enum policy_type { POLICY_NONE, POLICY_TEXT, POLICY_INT, POLICY_BOOL, POLICY_TIME, POLICY_SET };
struct policy_value {
    enum policy_type type;
    const char *text;
    int64_t number; /* INT; BOOL 0 or 1; TIME µs */
    const char *const *items;
    size_t n_items; /* SET */
};

/* The name in %(name)s; known names were numbered when the rule was read. */
struct policy_key {
    const char *name;
    int attribute; /* of policy_target.c; 0: some other name */
};

struct policy_pair {
    const char *name;
    struct policy_value value;
};

struct policy_target {
    /* False: there is no such attribute. */
    bool (*get)(const struct policy_target *t, const struct policy_key *key, struct policy_value *ret);
    /* The attributes one by one; false after the last. */
    bool (*at)(const struct policy_target *t, size_t i, struct policy_pair *ret);
    const struct image *image;
    const struct identity *identity;
    const char *owner, *visibility;
    const struct policy_pair *pairs;
    size_t n_pairs;
};

/* An image: its attributes but for the locations, its properties, and Glance's other names for some: id,
 * project_id (its owner), member_id (the caller's project when the image is shared with it by somebody else).
 */
void policy_target_image(const struct image *im, const struct identity *id, struct policy_target *ret);
/* No image, or none yet: project_id and owner, and a visibility. */
void policy_target_proposed(const char *owner, const char *visibility, struct policy_target *ret);
/* The caller, for the rule context_is_admin. */
void policy_target_identity(const struct identity *id, struct policy_target *ret);
/* Whatever the caller says. */
void policy_target_pairs(const struct policy_pair *pairs, size_t n, struct policy_target *ret);

/* ---- rules: oslo.policy's language ----
 *
 * 1. A set of rules never changes: when files change a whole new set is made and takes the old one's place,
 * so a request decides by one set from its first check to its last.
 * 2. New files that cannot be read, or are none, leave the set that is there.
 * 3. What cannot be decided (an unknown literal, a cycle, a remote check without an answer) is denied, also
 *    below "not".
 */

/* A rule that comes from elsewhere and counts before the policy files. What it says must be understood and
 * refer to rules that somebody defines, else the files are refused: policy_default_rule does not stand in. */
struct policy_added {
    const char *name, *expression;
    const char *file;
    unsigned line;
};

struct policy_options {        /* borrowed; must outlive the policy */
    const char *const *search; /* directories where relative names are looked for; ends with NULL */
    const char *file;          /* NULL or "": none */
    const char *const *dirs;   /* every file in them that is not hidden, sorted */
    size_t n_dirs;
    const char *default_rule; /* what stands in for a rule that is nowhere defined */
    const struct policy_added *added;
    size_t n_added;
    bool enforce_new_defaults; /* false: a default that replaced another lets whom either lets */
    bool remote_json;          /* http: checks send JSON instead of a form */
    int64_t remote_timeout_ms;
    bool remote_verify; /* https: checks look at the server's certificate */
    const char *remote_ca, *remote_cert, *remote_key;
    void (*say)(enum log_level level, const char *text); /* what an operator should know; NULL: dropped */
};
/* As the [oslo_policy] section has it. */
void policy_options_read(const struct config *c, const char *const *search, struct policy_options *ret);

struct policy;
struct policy_rules;

/* ERROR_INVALID names file and line. */
int policy_open(const struct policy_options *o, struct policy **ret, struct error *e) MUST_CHECK;
void policy_close(struct policy *p); /* takes NULL; sets that are held stay */

/* The rules as the files are now, which are looked at no more than once a second. From any thread; waits for
 * no other reader. */
struct policy_rules *policy_hold(struct policy *p);
void policy_release(struct policy_rules *r); /* takes NULL */

bool policy_allows(const struct policy_rules *r, const struct identity *id, const char *rule,
                   const struct policy_target *target);
/* Whether some rule asks a server: then a decision may take as long as that server. */
bool policy_is_remote(const struct policy_rules *r);

/* ---- property protections: whom a file lets create, read, update and delete which properties ----
 *
 * A section of the file is a pattern, searched for in a property's name; the first section that matches
 * decides, and where none does nobody may, administrators too. Names that begin with os_glance are the
 * service's own and open. A set never changes; a reload makes a new one. */

enum property_right { PROPERTY_CREATE, PROPERTY_READ, PROPERTY_UPDATE, PROPERTY_DELETE, PROPERTY_RIGHTS };

struct protection_options {
    const char *const *search; /* directories where a relative name is looked for; ends with NULL */
    const char *file;
    const char *origin;                                  /* file and line that name it, for messages */
    bool policies;                                       /* the file names rules of the policy; else roles */
    void (*say)(enum log_level level, const char *text); /* as in policy_options */
};

struct protections;

/* ERROR_INVALID with file and line: cannot be read, no ConfigParser file, a section twice or without one of
 * the four operations, no regular expression, "@" beside "!". */
int protections_open(const struct protection_options *o, struct protections **ret,
                     struct error *e) MUST_CHECK;
void protections_close(struct protections *p); /* takes NULL */
/* What the policy has to be opened with (policy_options.added) so that the rights can be asked for; lives as
 * long as p. 0 for NULL, and for files that name roles. */
size_t protections_rules(const struct protections *p, const struct policy_added **ret);

/* What one caller may, remembered while a request lasts. Of one thread; what it is made of must outlive it. A
 * service that asks for somebody (X-Service-Roles) adds its roles to his. */
struct property_rights;
struct property_rights *property_rights_make(struct arena *a, const struct protections *p,
                                             const struct policy_rules *rules, const struct identity *id);
bool property_allowed(struct property_rights *r, const char *name, enum property_right right);

/* ---- for people ---- */

struct policy_operation {
    const char *method, *path;
};
struct policy_default {
    const char *name, *expression;
    const char *before; /* the expression that enforce_new_defaults = false adds; NULL: none */
    bool any_scope;     /* else for projects only */
    const char *description;
    struct policy_operation operations[4]; /* as many as have a method */
};
extern const struct policy_default policy_defaults[]; /* Glance 33's; ends with a NULL name */

struct policy_rule_info {
    const char *name, *expression;
    const char *file; /* NULL: a default */
    unsigned line;
    bool widened; /* enforce_new_defaults is off and has added to the expression */
};
/* By name; false after the last. */
bool policy_rule_at(const struct policy_rules *r, size_t i, struct policy_rule_info *ret);

#endif
