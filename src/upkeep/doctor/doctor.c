/* SPDX-License-Identifier: Apache-2.0 */
#include "upkeep/doctor/doctor_private.h"
#include "upkeep/upkeep.h"

#include <string.h>

static const char *const names[FINDING_KINDS] = {
    [FINDING_LEASE] = "resting-lease",
    [FINDING_TRASH] = "resting-trash",
    [FINDING_JOB] = "resting-job",
    [FINDING_LOCK] = "stale-lock",
    [FINDING_TASK] = "dead-task",
    [FINDING_NOTE] = "lost-note",
    [FINDING_SAVING] = "stuck-saving",
    [FINDING_UPLOADING] = "stuck-uploading",
    [FINDING_IMPORTING] = "stuck-importing",
    [FINDING_STAGED] = "dead-staged-file",
    [FINDING_BARE] = "no-location",
    [FINDING_NO_STORE] = "unknown-store",
    [FINDING_MISSING] = "missing-data",
    [FINDING_UNREADABLE] = "unreadable-data",
    [FINDING_SIZE] = "wrong-size",
    [FINDING_HASH] = "wrong-hash",
    [FINDING_ORPHAN] = "orphan-object",
};

const char *finding_name(enum finding_kind k)
{
    return names[k];
}

static void trouble(struct doctor *d, const char *check, const struct error *e)
{
    d->counts->troubles++;
    d->o->trouble(d->o->arg, check, e);
}

/* What the worker does anyway, after it was told of. */
static int clean_up(struct doctor *d, struct error *e)
{
    struct upkeep_counts counts;

    return d->o->repair ? upkeep_round(d->o->db, d->o->stores, &counts, e) : 0;
}

/* In the order in which one repair makes the next thing clear: what a broken lock held is stuck, and what a
 * stuck image had is nobody's. */
static const struct {
    const char *name;
    doctor_check *run;
    bool of_stores; /* also where only one store is asked about */
} checks[] = {
    { "leases", doctor_leases, false }, { "trash", doctor_trash, false },
    { "jobs", doctor_jobs, false },     { "locks", doctor_locks, false },
    { "tasks", doctor_tasks, false },   { "notes", doctor_notes, false },
    { "images", doctor_images, false }, { "staging", doctor_staged, false },
    { "cleaning up", clean_up, false }, { "locations", doctor_bare, false },
    { "data", doctor_copies, true },    { "objects", doctor_orphans, true },
};

void doctor_run(const struct doctor_options *o, struct doctor_counts *ret)
{
    struct doctor d = { .o = o, .counts = ret, .arena = arena_make(64 * 1024) };
    struct error e;

    *ret = (struct doctor_counts){ 0 };
    for (size_t i = 0; i < COUNT(checks); i++) {
        arena_reset(d.arena);
        if ((checks[i].of_stores || !o->store) && checks[i].run(&d, &e) < 0)
            trouble(&d, checks[i].name, &e);
    }
    arena_free(d.arena);
}

/* ---- what the checks share ---- */

bool doctor_old(const struct doctor *d, int64_t changed_us)
{
    return changed_us <= clock_now_us() - d->o->age_us;
}

int doctor_claims(struct doctor *d, const char *image_id, struct image_claims *ret, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    if (db_acquire(d->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return image_claims_load(c, d->arena, image_id, ret, e);
}

static int page(struct doctor *d, enum survey_kind kind, const char *after, const char ***ret, size_t *ret_n,
                struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    arena_reset(d->arena);
    if (db_acquire(d->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return survey_ids(c, d->arena, kind, after, DOCTOR_PAGE, ret, ret_n, e);
}

int doctor_ids(struct doctor *d, enum survey_kind kind, doctor_each *each, struct error *e)
{
    char after[UUID_TEXT_MAX] = "";
    const char **ids;
    size_t n;

    do {
        if (page(d, kind, after, &ids, &n, e) < 0)
            return -1;
        if (n > 0)
            str_copy(after, sizeof after, ids[n - 1]);
        for (size_t i = 0; i < n; i++)
            if (each(d, ids[i], e) < 0)
                return -1;
    } while (n == DOCTOR_PAGE);
    return 0;
}

struct settling {
    struct doctor *doctor;
    struct finding *finding;
    doctor_fix *fix;
    bool still;
};

static int repair_run(struct db_conn *c, void *arg, struct error *e)
{
    struct settling *s = arg;

    s->still = s->finding->repaired = true;
    return s->fix(s->doctor, c, s->finding, true, &s->still, e);
}

/* It was wrong when the unit ran, and is not any more. */
static int repaired(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    struct settling *s = arg;
    bool still = true;

    if (s->fix(s->doctor, c, s->finding, false, &still, e) < 0)
        return -1;
    *ret = s->still && !still;
    return 0;
}

static int settle(struct doctor *d, struct finding *f, doctor_fix *fix, bool apply, bool *ret_still,
                  struct error *e)
{
    static const struct db_unit unit = { "doctor.repair", repair_run, repaired };
    struct settling s = { d, f, fix, true };
    CLEANUP(db_release) struct db_conn *c = NULL;

    if (apply) {
        if (db_write(d->o->db, &unit, &s, e) < 0)
            return -1;
        *ret_still = s.still;
        return 0;
    }
    f->repaired = false;
    if (db_acquire(d->o->db, DB_WAIT, &c, e) < 0 || db_begin_read(c, e) < 0 ||
        fix(d, c, f, false, ret_still, e) < 0)
        return -1;
    return db_commit(c, e);
}

int doctor_found(struct doctor *d, struct finding *f, doctor_fix *fix, struct error *e)
{
    bool still = true;
    struct error why;

    if (d->o->repair && settle(d, f, fix, true, &still, &why) < 0) {
        f->repaired = false;
        f->repair = arena_str(d->arena, why.message);
        still = true;
    } else if (!d->o->repair && settle(d, f, fix, false, &still, e) < 0) {
        return -1;
    }
    if (!still)
        return 0;
    d->counts->findings++;
    d->counts->repaired += f->repaired;
    d->o->tell(d->o->arg, f);
    return 0;
}
