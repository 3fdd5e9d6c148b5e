/* SPDX-License-Identifier: Apache-2.0 */
/* Private to imports/: what a caller may take over from another region's image (remote_check.c). All of
 * it fails with ERROR_INVALID; the reason is in the detail, for operators. */
#ifndef IMPORTS_REMOTE_H
#define IMPORTS_REMOTE_H

#include "imports/fetch.h"
#include "json/json.h"

int import_remote_formats_check(const struct import *im, const char *disk_format,
                                const char *container_format, struct error *e) MUST_CHECK;

/* Property protections, as the files are now, for who asked for the import. */
struct remote_rights {
    struct protections *protections; /* NULL: properties are not protected */
    struct policy *policy;
    struct policy_rules *rules;
    struct identity *caller;
    struct property_rights *rights;
};
int import_remote_rights_open(const struct import *im, struct remote_rights *ret, struct error *e) MUST_CHECK;
void import_remote_rights_close(struct remote_rights *r); /* for CLEANUP */
int import_remote_property_check(const struct remote_rights *r, const struct image *now, const char *name,
                                 const char *value, struct error *e) MUST_CHECK;

#endif
