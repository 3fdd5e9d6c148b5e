/* SPDX-License-Identifier: Apache-2.0 */
/* What another region says of its image is checked as if the caller had created the image here: formats are
 * those that the configuration knows, texts can be stored, and property protections decide by the caller's
 * roles. */
#include "imports/remote.h"

#include <string.h>

#include "auth/auth.h"
#include "conf/conf.h"

enum { VALUE_MAX = 65535, NAME_MAX_CHARS = 255 };

static int refuse(struct error *e, const char *what, const char *name)
{
    error_set(e, ERROR_INVALID, "The other service's image has a %s that the caller may not set: %.60s", what,
              name);
    return import_unreached(e);
}

/* ---- formats and texts ---- */

static bool is_known(const struct config *c, const char *option, const char *format)
{
    const char *const *known;
    size_t n = config_list(c, "image_format", option, &known);

    for (size_t i = 0; i < n; i++)
        if (str_eq(known[i], format))
            return true;
    return false;
}

int import_remote_formats_check(const struct import *im, const char *disk_format,
                                const char *container_format, struct error *e)
{
    const struct config *c = im->settings->config;

    if (!is_known(c, "disk_formats", disk_format))
        return refuse(e, "disk_format", disk_format);
    return is_known(c, "container_formats", container_format)
               ? 0
               : refuse(e, "container_format", container_format);
}

/* Well-formed, not too long, and within what every database stores. */
static bool is_storable(const char *text, ssize_t most)
{
    ssize_t n = str_utf8_len(text, strlen(text));

    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p >= 0xF0)
            return false;
    return n >= 0 && n <= most;
}

/* ---- protections ---- */

static void say(enum log_level level, const char *text)
{
    log_write(level, "%s", text);
}

static void caller_read(const struct import *im, struct identity *ret)
{
    *ret = (struct identity){
        .user = json_string_value(json_object_get(im->arguments, "user")),
        .project = im->owner && *im->owner ? im->owner : NULL,
    };
    for (size_t i = 0; i < im->n_roles && ret->n_roles < IDENTITY_ROLES_MAX; i++)
        ret->roles[ret->n_roles++] = im->roles[i];
}

int import_remote_rights_open(const struct import *im, struct remote_rights *ret, struct error *e)
{
    const struct config *c = im->settings->config;
    struct arena *a = im->run->arena;
    const char *const *search = conf_search_dirs(c, a);
    struct protection_options o = {
        .search = search,
        .file = config_str(c, "DEFAULT", "property_protection_file"),
        .origin = config_origin(c, "DEFAULT", "property_protection_file", NULL),
        .policies = str_eq(config_str(c, "DEFAULT", "property_protection_rule_format"), "policies"),
        .say = say,
    };
    struct policy_options p;
    struct policy_target target;

    *ret = (struct remote_rights){ .protections = NULL };
    if (!o.file || !*o.file)
        return 0;
    if (protections_open(&o, &ret->protections, e) < 0)
        return import_unreached(e);
    policy_options_read(c, search, &p);
    p.say = say;
    p.n_added = protections_rules(ret->protections, &p.added);
    if (policy_open(&p, &ret->policy, e) < 0)
        return import_unreached(e);
    ret->rules = policy_hold(ret->policy);
    ret->caller = arena_new(a, struct identity);
    caller_read(im, ret->caller);
    policy_target_identity(ret->caller, &target);
    ret->caller->is_admin = policy_allows(ret->rules, ret->caller, "context_is_admin", &target);
    ret->rights = property_rights_make(a, ret->protections, ret->rules, ret->caller);
    return 0;
}

void import_remote_rights_close(struct remote_rights *r)
{
    policy_release(r->rules);
    policy_close(r->policy);
    protections_close(r->protections);
}

int import_remote_property_check(const struct remote_rights *r, const struct image *now, const char *name,
                                 const char *value, struct error *e)
{
    enum property_right right = image_property_get(now, name) ? PROPERTY_UPDATE : PROPERTY_CREATE;

    if (!is_storable(name, NAME_MAX_CHARS) || !is_storable(value, VALUE_MAX))
        return refuse(e, "property", name);
    return r->rights && !property_allowed(r->rights, name, right) ? refuse(e, "property", name) : 0;
}
