/* SPDX-License-Identifier: Apache-2.0 */
/* What a request needs to know of the configuration, read once. A reload makes new
 * settings; requests keep the ones they began with. */
#ifndef API_CORE_SETTINGS_H
#define API_CORE_SETTINGS_H

#include <stdatomic.h>

#include "auth/auth.h"
#include "base/base.h"
#include "conf/conf.h"
#include "inspect/inspect.h"
#include "peers/hosts.h"
#include "json/json.h"

enum identity_source { IDENTITY_NOBODY, IDENTITY_UNAUTHENTICATED, IDENTITY_TRUSTED_HEADERS };

struct settings {
    _Atomic int refs;
    struct config *config;
    struct schema *schema;
    struct arena *arena;
    struct policy *policy;           /* the rules, which follow their files without a reload */
    struct protections *protections; /* NULL: properties are not protected */

    enum identity_source identity;
    bool allow_anonymous, enforce_new_defaults, proxy_headers, version_negotiation;
    const struct cors *cors; /* NULL: no such filter */
    const struct healthcheck **healthchecks;
    size_t n_healthchecks;
    const char *public_endpoint; /* without the last '/'; NULL: from the request */
    const char *import_methods;  /* comma-joined, as the header shows them; "" */
    const char *hashing_algorithm;
    int64_t max_request_id, limit_default, limit_max;
    int64_t task_hours; /* for how long what has ended is remembered */
    int64_t property_quota, tag_quota, location_quota, storage_quota;
    uint64_t size_cap;
    bool access_log, standalone, head_image_data;
    bool show_direct_url, show_locations, cache_on;
    bool secure_hash; /* hashes of locations are computed, not believed */
    struct inspect_policy inspect;
    struct fetch_rules *sources; /* which URLs clients may name */
    struct hosts hosts;
};

int settings_make(struct config *c, const struct pipeline *p, struct settings **ret,
                  struct error *e) MUST_CHECK;
void settings_free(struct settings *s); /* drops one reference; takes NULL */
bool import_method_enabled(const struct settings *s, const char *name);

#endif
