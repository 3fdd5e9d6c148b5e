/* SPDX-License-Identifier: Apache-2.0 */
/* Glance 33's default rules for what this service offers, as a table of who is let through; each bit is
 * one alternative of the rule. */
#include "auth/auth.h"

#include <stdlib.h>

enum {
    BY_ADMIN = 1 << 0,  /* rule:context_is_admin, which is role:admin */
    BY_MEMBER = 1 << 1, /* role:member of the owning project */
    BY_READER = 1 << 2, /* role:reader of the owning project */
    BY_MEMBER_SEES =
        1 << 3, /* role:member, and the image is its project's, shared with it, shared, public or community */
    BY_READER_SEES = 1 << 4,  /* role:reader, likewise */
    BY_MEMBER_OWNER = 1 << 5, /* role:member, and the owner asked for is its own project */
    BY_MEMBER_SHARED = 1 << 6, /* role:member, and the image is shared with its project */
    BY_READER_SHARED = 1 << 7, /* role:reader, likewise */
};

static const struct {
    const char *rule;
    int let;
} rules[] = {
    { "add_image", BY_ADMIN | BY_MEMBER_OWNER },    { "communitize_image", BY_ADMIN | BY_MEMBER },
    { "delete_image", BY_ADMIN | BY_MEMBER },       { "download_image", BY_ADMIN | BY_MEMBER_SEES },
    { "get_image", BY_ADMIN | BY_READER_SEES },     { "get_images", BY_ADMIN | BY_READER },
    { "modify_image", BY_ADMIN | BY_MEMBER },       { "publicize_image", BY_ADMIN },
    { "set_image_location", BY_ADMIN | BY_MEMBER }, { "delete_image_location", BY_ADMIN },
    { "upload_image", BY_ADMIN | BY_MEMBER },       { "deactivate", BY_ADMIN | BY_MEMBER },
    { "reactivate", BY_ADMIN | BY_MEMBER },         { "add_member", BY_ADMIN | BY_MEMBER },
    { "delete_member", BY_ADMIN | BY_MEMBER },      { "modify_member", BY_ADMIN | BY_MEMBER_SHARED },
    { "get_member", BY_ADMIN | BY_READER | BY_READER_SHARED },
    { "get_members", BY_ADMIN | BY_READER | BY_READER_SHARED },
};

void policy_target_image(const struct image *im, const struct identity *id, struct policy_target *ret)
{
    ret->project = im->owner;
    ret->owner = im->owner;
    ret->visibility = im->visibility;
    ret->member = im->visibility == IMAGE_SHARED && !str_eq(im->owner, id->project) ? id->project : NULL;
}

static bool sees(const struct identity *id, const struct policy_target *t)
{
    return str_eq(id->project, t->project) || (id->project && str_eq(id->project, t->member)) ||
           t->visibility == IMAGE_PUBLIC || t->visibility == IMAGE_COMMUNITY || t->visibility == IMAGE_SHARED;
}

static bool lets(int let, const struct identity *id, const struct policy_target *t)
{
    bool member = identity_has_role(id, "member"), reader = identity_has_role(id, "reader");
    bool own = str_eq(id->project, t->project);

    if ((let & BY_ADMIN) && identity_has_role(id, "admin"))
        return true;
    if ((let & BY_MEMBER) && member && own)
        return true;
    if ((let & BY_READER) && reader && own)
        return true;
    if ((let & BY_MEMBER_OWNER) && member && str_eq(id->project, t->owner))
        return true;
    if ((let & BY_MEMBER_SEES) && member && sees(id, t))
        return true;
    if (id->project && str_eq(id->project, t->member) &&
        (((let & BY_MEMBER_SHARED) && member) || ((let & BY_READER_SHARED) && reader)))
        return true;
    return (let & BY_READER_SEES) && reader && sees(id, t);
}

bool policy_allows(const struct identity *id, const char *rule, const struct policy_target *target)
{
    if (id->unrestricted)
        return true;
    if (id->other_scope)
        return false;
    for (size_t i = 0; i < COUNT(rules); i++)
        if (str_eq(rules[i].rule, rule))
            return lets(rules[i].let, id, target);
    abort();
}
