/* SPDX-License-Identifier: Apache-2.0 */
/* Every route below /v2. 404, 405 with Allow, body rules and metrics fall out of this table. */
#include "api/routes.h"

#include "api/data/data.h"
#include "api/images/images.h"
#include "api/imports/imports.h"
#include "api/members/members.h"
#include "api/stores/stores.h"
#include "api/tasks/tasks.h"

/* clang-format off */
static const struct route routes[] = {
    /* method    template                                  handler               body          quick
     * transfer rule */
    { "GET",    "/v2/images",                             image_list_handle,    BODY_IGNORED, true,  false, "get_images" },
    { "POST",   "/v2/images",                             image_create,         BODY_JSON,    false, false, "add_image" },
    { "GET",    "/v2/images/{image_id}",                  image_show,           BODY_NONE,    true,  false, "get_image" },
    { "PATCH",  "/v2/images/{image_id}",                  image_patch,          BODY_STREAM,  false, false, "modify_image" },
    { "DELETE", "/v2/images/{image_id}",                  image_delete_handle,  BODY_NONE,    false, false, "delete_image" },
    { "GET",    "/v2/images/{image_id}/file",             image_download,       BODY_NONE,    false, true,  "download_image" },
    { "HEAD",   "/v2/images/{image_id}/file",             image_download,       BODY_NONE,    false, false, "download_image" },
    { "PUT",    "/v2/images/{image_id}/file",             image_upload,         BODY_STREAM,  false, true,  "upload_image" },
    { "PUT",    "/v2/images/{image_id}/stage",            image_stage,          BODY_STREAM,  false, true,  "modify_image" },
    { "POST",   "/v2/images/{image_id}/import",           image_import,         BODY_JSON,    false, false, "modify_image" },
    { "POST",   "/v2/images/{image_id}/actions/deactivate", image_deactivate,     BODY_NONE,    false, false, "deactivate" },
    { "POST",   "/v2/images/{image_id}/actions/reactivate", image_reactivate,     BODY_NONE,    false, false, "reactivate" },
    { "GET",    "/v2/images/{image_id}/locations",        location_list,        BODY_NONE,    false, false, "fetch_image_location" },
    { "POST",   "/v2/images/{image_id}/locations",        location_add,         BODY_JSON,    false, false, "add_image_location" },
    { "GET",    "/v2/images/{image_id}/members",          member_list_handle,   BODY_NONE,    false, false, "get_members" },
    { "POST",   "/v2/images/{image_id}/members",          member_create,        BODY_JSON,    false, false, "add_member" },
    { "GET",    "/v2/images/{image_id}/members/{member}", member_show,          BODY_NONE,    false, false, "get_member" },
    { "PUT",    "/v2/images/{image_id}/members/{member}", member_update,        BODY_JSON,    false, false, "modify_member" },
    { "DELETE", "/v2/images/{image_id}/members/{member}", member_delete,        BODY_NONE,    false, false, "delete_member" },
    { "PUT",    "/v2/images/{image_id}/tags/{tag}",       tag_add,              BODY_NONE,    false, false, "modify_image" },
    { "DELETE", "/v2/images/{image_id}/tags/{tag}",       tag_delete,           BODY_NONE,    false, false, "modify_image" },
    { "GET",    "/v2/images/{image_id}/tasks",            image_tasks_show,     BODY_NONE,    true,  false, "get_image" },
    { "GET",    "/v2/tasks",                              task_list_handle,     BODY_IGNORED, false, false, "tasks_api_access" },
    { "POST",   "/v2/tasks",                              task_create,          BODY_STREAM,  false, false, "tasks_api_access" },
    { "GET",    "/v2/tasks/{task_id}",                    task_show,            BODY_NONE,    true,  false, "tasks_api_access" },
    { "DELETE", "/v2/tasks/{task_id}",                    task_delete,          BODY_NONE,    true,  false, "tasks_api_access" },
    { "DELETE", "/v2/stores/{store_id}/{image_id}",       store_image_delete,   BODY_NONE,    false, false, "delete_image_location" },
    { "GET",    "/v2/info/import",                        info_import_show,     BODY_NONE,    true,  false },
    { "GET",    "/v2/info/stores",                        info_stores_show,     BODY_NONE,    true,  false },
    { "GET",    "/v2/info/stores/detail",                 info_stores_detail_show, BODY_NONE, true,  false, "stores_info_detail" },
    { "GET",    "/v2/info/usage",                         info_usage_show,      BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/image",                      schema_image_show,    BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/images",                     schema_images_show,   BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/member",                     schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/members",                    schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/task",                       schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/tasks",                      schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/metadefs/namespace",         schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/metadefs/namespaces",        schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/metadefs/object",            schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/metadefs/objects",           schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/metadefs/properties",        schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/metadefs/property",          schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/metadefs/resource_type",     schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/metadefs/resource_types",    schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/metadefs/tag",               schema_document_show, BODY_NONE,    true,  false },
    { "GET",    "/v2/schemas/metadefs/tags",              schema_document_show, BODY_NONE,    true,  false },
};
/* clang-format on */

static struct route_series series[COUNT(routes) + 1];
const struct route_table api_routes = { routes, COUNT(routes), series };
