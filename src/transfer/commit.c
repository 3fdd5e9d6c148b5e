/* SPDX-License-Identifier: Apache-2.0 */
/* What a request or a job decided before its bytes moved, asked once more in the transaction that writes. */
#include "transfer/commit.h"

#include <stdio.h>

int image_formats_check(const struct image *im, struct error *e)
{
    if (!im->disk_format && !im->container_format)
        return error_set(e, ERROR_INVALID,
                         "Properties disk_format, container_format must be set prior to saving data.");
    if (!im->disk_format || !im->container_format)
        return error_set(e, ERROR_INVALID, "Property %s must be set prior to saving data.",
                         im->disk_format ? "container_format" : "disk_format");
    return 0;
}

int storage_left(struct db_conn *c, int64_t quota, const char *project, const char *image_id, int64_t *ret,
                 struct error *e)
{
    char lock[320];
    int64_t used;

    *ret = INT64_MAX;
    if (quota <= 0)
        return 0;
    snprintf(lock, sizeof lock, "storage of %.255s", project ? project : "");
    if (db_lock(c, lock, e) < 0)
        return -1;
    if (image_storage_used(c, project, image_id, &used, e) < 0)
        return -1;
    *ret = used < quota ? quota - used : 0;
    return 0;
}
