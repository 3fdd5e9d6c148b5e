/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <string.h>

static const char *const status_names[IMAGE_STATUSES] = {
    [IMAGE_QUEUED] = "queued",           [IMAGE_SAVING] = "saving",
    [IMAGE_ACTIVE] = "active",           [IMAGE_KILLED] = "killed",
    [IMAGE_DELETED] = "deleted",         [IMAGE_UPLOADING] = "uploading",
    [IMAGE_IMPORTING] = "importing",     [IMAGE_PENDING_DELETE] = "pending_delete",
    [IMAGE_DEACTIVATED] = "deactivated",
};

#define TO(status) (1u << IMAGE_##status)

/* Glance domain/__init__.py, Image.valid_state_targets. Who moves: transfer/upload.c (queued, saving,
 * active), image_delete() (to deleted), the actions deactivate and reactivate. */
static const unsigned status_targets[IMAGE_STATUSES] = {
    [IMAGE_QUEUED] = TO(SAVING) | TO(UPLOADING) | TO(IMPORTING) | TO(ACTIVE) | TO(DELETED),
    [IMAGE_SAVING] = TO(ACTIVE) | TO(KILLED) | TO(DELETED) | TO(QUEUED),
    [IMAGE_UPLOADING] = TO(IMPORTING) | TO(QUEUED) | TO(DELETED),
    [IMAGE_IMPORTING] = TO(ACTIVE) | TO(DELETED) | TO(QUEUED),
    [IMAGE_ACTIVE] = TO(PENDING_DELETE) | TO(DELETED) | TO(DEACTIVATED),
    [IMAGE_KILLED] = TO(DELETED),
    [IMAGE_PENDING_DELETE] = TO(DELETED) | TO(ACTIVE),
    [IMAGE_DEACTIVATED] = TO(ACTIVE) | TO(DELETED),
    [IMAGE_DELETED] = 0,
};

static const char *const visibility_names[IMAGE_VISIBILITIES] = {
    [IMAGE_PRIVATE] = "private",
    [IMAGE_PUBLIC] = "public",
    [IMAGE_SHARED] = "shared",
    [IMAGE_COMMUNITY] = "community",
};

static int find(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *image_status_name(enum image_status s)
{
    return status_names[s];
}

bool image_status_parse(const char *name, enum image_status *ret)
{
    int i = find(status_names, IMAGE_STATUSES, name);

    if (i < 0)
        return false;
    *ret = (enum image_status)i;
    return true;
}

bool image_status_may(enum image_status from, enum image_status to)
{
    return (status_targets[from] >> to) & 1;
}

int image_status_refuse(enum image_status from, enum image_status to, struct error *e)
{
    return error_set(e, ERROR_CONFLICT, "Image status transition from %s to %s is not allowed",
                     status_names[from], status_names[to]);
}

int image_status_check(enum image_status from, enum image_status to, struct error *e)
{
    return image_status_may(from, to) ? 0 : image_status_refuse(from, to, e);
}

const char *image_visibility_name(enum image_visibility v)
{
    return visibility_names[v];
}

bool image_visibility_parse(const char *name, enum image_visibility *ret)
{
    int i = find(visibility_names, IMAGE_VISIBILITIES, name);

    if (i < 0)
        return false;
    *ret = (enum image_visibility)i;
    return true;
}
