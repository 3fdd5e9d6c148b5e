/* SPDX-License-Identifier: Apache-2.0 */
#include "api/request.h"

#include <string.h>

static int schema_show(struct request *rq, const char *text)
{
    return respond_text(rq, 200, "application/json", text, strlen(text));
}

int schema_image_show(struct request *rq, struct error *e UNUSED)
{
    return schema_show(rq, schema_image_text(rq->settings->schema));
}

int schema_images_show(struct request *rq, struct error *e UNUSED)
{
    return schema_show(rq, schema_images_text(rq->settings->schema));
}
