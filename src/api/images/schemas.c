/* SPDX-License-Identifier: Apache-2.0 */
#include "api/images/images.h"

#include <string.h>

#include "api/core/respond.h"

static int schema_show(struct request *rq, const char *text)
{
    return respond_text(rq, 200, "application/json", text, strlen(text));
}

/* The path is the route's own, so the document is there. */
int schema_document_show(struct request *rq, struct error *e)
{
    const char *text = schema_document(rq->path + strlen("/v2/schemas/"));

    if (!text)
        return error_set(e, ERROR_NOT_FOUND, "%s", "");
    return schema_show(rq, text);
}

int schema_image_show(struct request *rq, struct error *e UNUSED)
{
    return schema_show(rq, schema_image_text(rq->settings->schema));
}

int schema_images_show(struct request *rq, struct error *e UNUSED)
{
    return schema_show(rq, schema_images_text(rq->settings->schema));
}
