/* SPDX-License-Identifier: Apache-2.0 */
/* Images that are saving, uploading or importing with no process at work, and files of the staging directory.
 */
#include "upkeep/doctor/doctor_private.h"
#include "upkeep/upkeep.h"

#include <stdio.h>
#include <sys/stat.h>

/* Bytes of the staged file; -1: there is none on this host. */
static int64_t staged_size(const struct doctor *d, const char *id)
{
    static const char *const suffixes[] = { "", ".part",
                                            ".new" }; /* transfer/staging.h: an import leaves it so */
    const char *dir = stores_staging_dir(d->o->stores);
    char path[1200];
    struct stat st;

    for (size_t i = 0; dir && i < COUNT(suffixes); i++) {
        snprintf(path, sizeof path, "%s/%s%s", dir, id, suffixes[i]);
        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
            return (int64_t)st.st_size;
    }
    return -1;
}

/* Whether another host may have the image's staged data. */
static int elsewhere(struct doctor *d, struct db_conn *c, const struct image *im, bool *ret, struct error *e)
{
    struct staged *row;

    *ret = hosts_elsewhere(&d->o->hosts, im) != NULL || !stores_staging_dir(d->o->stores);
    if (*ret || d->o->hosts.shared)
        return 0;
    if (staged_get(c, d->arena, im->id, &row, e) < 0)
        return -1;
    *ret = row && *row->host && !host_same(row->host, d->o->hosts.self) &&
           !host_same(row->host, d->o->hosts.place);
    return 0;
}

/* The status to which it can go with nothing lost; false: to none. */
static bool way_back(const struct doctor *d, const struct image *im, enum image_status *ret)
{
    int64_t size = staged_size(d, im->id);

    *ret = IMAGE_QUEUED;
    if (im->n_locations > 0)
        return false;
    if (im->status == IMAGE_IMPORTING && im->size > 0 && size == im->size)
        *ret = IMAGE_UPLOADING; /* what was staged can be imported again */
    return true;
}

static void staged_again(struct doctor *d, struct image *im)
{
    if (*d->o->hosts.self)
        image_property_set(d->arena, im, IMAGE_STAGE_HOST, d->o->hosts.self);
}

static void no_data(struct image *im)
{
    im->size = im->virtual_size = -1;
    im->checksum = im->os_hash_algo = im->os_hash_value = NULL;
    image_property_drop(im, IMAGE_STAGE_HOST);
}

static int put_back(struct doctor *d, struct db_conn *c, struct image *im, enum image_status to,
                    struct finding *f, struct error *e)
{
    enum image_status from = im->status;

    if (to == IMAGE_UPLOADING)
        staged_again(d, im);
    else
        no_data(im);
    im->status = to;
    f->repair = to == IMAGE_UPLOADING ? "put back to uploading: its staged data can be imported again"
                                      : "put back to queued";
    if (image_save(c, im, from, e) < 0)
        return -1;
    return to == IMAGE_QUEUED ? staged_drop(c, im->id, e) : 0;
}

static bool moving(const struct doctor *d, const struct image_claims *c)
{
    return !c->known || c->deleted || c->job || c->lease || c->locked || !doctor_old(d, c->changed_us);
}

/* Whether no process will go on with it. */
static int stuck(struct doctor *d, struct db_conn *c, const struct image *im, bool *ret, struct error *e)
{
    bool other;

    *ret = true;
    if (im->status == IMAGE_SAVING)
        return 0;
    if (elsewhere(d, c, im, &other, e) < 0)
        return -1;
    *ret = !other && (im->status == IMAGE_IMPORTING || staged_size(d, im->id) < 0);
    return 0;
}

static int free_image(struct doctor *d, struct db_conn *c, struct finding *f, bool apply, bool *ret_still,
                      struct error *e)
{
    struct image_claims claims;
    enum image_status to;
    struct image *im;

    *ret_still = false;
    if (image_claims_load(c, d->arena, f->image_id, &claims, e) < 0)
        return -1;
    if (moving(d, &claims) || (claims.status != IMAGE_SAVING && claims.status != IMAGE_UPLOADING &&
                               claims.status != IMAGE_IMPORTING))
        return 0;
    if (image_load_any(c, d->arena, f->image_id, &im, e) < 0 || stuck(d, c, im, ret_still, e) < 0)
        return -1;
    if (!*ret_still || !apply)
        return 0;
    f->repaired = way_back(d, im, &to);
    if (!f->repaired)
        f->repair = "it has data: delete it, or give it what it lacks";
    return f->repaired ? put_back(d, c, im, to, f, e) : 0;
}

static int image_look(struct doctor *d, const char *id, struct error *e)
{
    struct finding f = { .image_id = id };
    struct image_claims claims;

    if (doctor_claims(d, id, &claims, e) < 0)
        return -1;
    if (moving(d, &claims))
        return 0;
    switch (claims.status) {
    case IMAGE_SAVING:
        f.kind = FINDING_SAVING;
        f.text = "the image waits for the end of an upload that nobody does";
        break;
    case IMAGE_UPLOADING:
        f.kind = FINDING_UPLOADING;
        f.text = "the image waits to be imported, and its staged data are not there";
        break;
    case IMAGE_IMPORTING:
        f.kind = FINDING_IMPORTING;
        f.text = "the image waits for the end of an import that nobody does";
        break;
    default:
        return 0;
    }
    return doctor_found(d, &f, free_image, e);
}

int doctor_images(struct doctor *d, struct error *e)
{
    return doctor_ids(d, SURVEY_MOVING, image_look, e);
}

/* ---- staged files ---- */

static struct staging_look staging(const struct doctor *d)
{
    const int64_t most = STAGING_AGE_SECONDS * CLOCK_SECOND;

    return (struct staging_look){ .db = d->o->db,
                                  .dir = stores_staging_dir(d->o->stores),
                                  .age_us = d->o->age_us < most ? d->o->age_us : most };
}

/* Looking again and removing bring their own transaction: see upkeep/staging.c. */
static int staged_tell(void *arg, const char *name, const char *why, struct error *e UNUSED)
{
    struct doctor *d = arg;
    struct staging_look look = staging(d);
    struct finding f = { .kind = FINDING_STAGED, .store = STORE_STAGING };
    char id[UUID_TEXT_MAX], path[1200], text[300];
    struct error one;

    str_copy(id, sizeof id, name);
    snprintf(path, sizeof path, "%s/%s", look.dir, name);
    snprintf(text, sizeof text, "a staged file that nobody needs: %s", why);
    f.image_id = id;
    f.what = path;
    f.text = text;
    if (d->o->repair) {
        if (staging_discard(&look, name, &f.repaired, &one) < 0)
            f.repair = one.message;
        else if (!f.repaired)
            return 0;
        else
            f.repair = "removed";
    }
    d->counts->findings++;
    d->counts->repaired += f.repaired;
    d->o->tell(d->o->arg, &f);
    return 0;
}

int doctor_staged(struct doctor *d, struct error *e)
{
    struct staging_look look = staging(d);

    return look.dir ? staging_leftovers(&look, staged_tell, d, e) : 0;
}
