/* SPDX-License-Identifier: Apache-2.0 */
/* An import whose store or staging directory is away (unmounted, renamed) waits until it is back, and its
 * task says so. What is not found in a directory that is away is not missing. */
#include "imports/import.h"

#include <stdio.h>

bool import_store_away(struct store *s)
{
    struct error e;

    return store_check(s, &e) < 0 && e.kind == ERROR_UNAVAILABLE;
}

static int await(struct import *im, const char *waiting, struct error *e)
{
    im->run->store_away = true;
    im->told_us = 0;
    return import_progress(im, waiting, e);
}

int import_await_store(struct import *im, const struct store *s, struct error *e)
{
    char text[128];

    snprintf(text, sizeof text, "Waiting for store %.60s, which is not available", store_id(s));
    if (await(im, text, e) < 0)
        return -1;
    return error_set(e, ERROR_UNAVAILABLE, "The store %s is not available now.", store_id(s));
}

int import_staging_check(struct import *im, struct error *e)
{
    const struct stores *all = im->run->o->stores;
    struct store *s = stores_staging(all);
    struct error why;

    /* A task's work_dir holds nothing that cannot be fetched again. */
    if (!s || !str_eq(im->staging.dir, stores_staging_dir(all)) || store_check(s, &why) == 0 ||
        why.kind != ERROR_UNAVAILABLE)
        return 0;
    if (await(im, "Waiting for the staging directory, which is not available", e) < 0)
        return -1;
    error_set(e, ERROR_UNAVAILABLE, "The staging directory is not available now.");
    return error_detail(e, "%s", why.detail);
}
