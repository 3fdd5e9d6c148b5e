/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/inspect.h"

#include <stdio.h>
#include <string.h>

#include "inspect/format.h"

/* The order in which several matching formats are named. */
static const struct inspector *const inspectors[] = {
    &inspect_qcow2, &inspect_qed, &inspect_vhd, &inspect_vhdx, &inspect_vmdk,
    &inspect_vdi,   &inspect_iso, &inspect_gpt, &inspect_luks,
};

_Static_assert(COUNT(inspectors) <= COUNT(((struct inspect_verdict *)0)->formats), "all may match");

struct inspect {
    struct stream_seen seen;
    uint64_t wake; /* the lowest offset that anybody here still wants */
    uint64_t wants[COUNT(inspectors)];
    void *state[COUNT(inspectors)];
};

struct inspect *inspect_begin(void)
{
    struct inspect *in = mem_new(sizeof *in);

    for (size_t i = 0; i < COUNT(inspectors); i++) {
        in->wants[i] = inspectors[i]->feed ? 0 : ENOUGH;
        if (inspectors[i]->state_size)
            in->state[i] = mem_new(inspectors[i]->state_size);
    }
    return in;
}

static void keep_head(struct stream_seen *seen, const uint8_t *bytes, size_t n)
{
    size_t room = HEAD_SIZE - seen->head_len, take = n < room ? n : room;

    memcpy(seen->head + seen->head_len, bytes, take);
    seen->head_len += take;
}

void inspect_feed(struct inspect *in, const void *buf, size_t n)
{
    uint64_t at = in->seen.total;
    const uint8_t *bytes = buf;

    in->seen.total += n;
    if (n == 0 || in->wake >= in->seen.total)
        return;
    if (at < HEAD_SIZE)
        keep_head(&in->seen, bytes, n);
    in->wake = in->seen.head_len < HEAD_SIZE ? in->seen.total : ENOUGH;
    for (size_t i = 0; i < COUNT(inspectors); i++) {
        if (in->wants[i] < in->seen.total)
            in->wants[i] = inspectors[i]->feed(in->state[i], at, bytes, n);
        if (in->wants[i] < in->wake)
            in->wake = in->wants[i];
    }
}

uint64_t inspect_unwanted(const struct inspect *in)
{
    return in->wake > in->seen.total ? in->wake - in->seen.total : 0;
}

void inspect_skip(struct inspect *in, uint64_t n)
{
    in->seen.total += n;
}

void inspect_free(struct inspect **in)
{
    if (!*in)
        return;
    for (size_t i = 0; i < COUNT(inspectors); i++) {
        if (inspectors[i]->done)
            inspectors[i]->done((*in)->state[i]);
        mem_free((*in)->state[i]);
    }
    mem_free(*in);
    *in = NULL;
}

/* A bootable ISO carries a partition table in the area that the ISO format leaves to others. */
static bool is_bootable_iso(const struct inspect_verdict *v)
{
    return v->n_formats == 2 && str_eq(v->formats[0], "iso") && str_eq(v->formats[1], "gpt");
}

static void why(struct inspect_verdict *ret, const struct inspector *format, const char *text)
{
    snprintf(ret->why, sizeof ret->why, "%s: %s", format->name, text);
}

static void tell(const struct inspect *in, size_t i, struct inspect_verdict *ret)
{
    struct finding found = { 0 };

    inspectors[i]->verdict(&in->seen, in->state[i], &found);
    ret->virtual_size = found.virtual_size;
    /* A size that the database cannot hold is as good as none. */
    ret->has_virtual_size = found.complete && found.has_virtual_size && found.virtual_size <= INT64_MAX;
    ret->incomplete = !found.complete;
    ret->unsafe_check = found.complete ? found.unsafe_check : "incomplete";
    ret->safe = !ret->unsafe_check;
    if (!ret->safe)
        why(ret, inspectors[i],
            found.complete ? found.why : "the data ends before the format's structures do");
}

/* A reader that is told one of several formats follows what that one refers to. */
static void tell_reference(const struct inspect *in, size_t i, struct inspect_verdict *ret)
{
    struct finding found = { 0 };

    inspectors[i]->verdict(&in->seen, in->state[i], &found);
    if (found.refers && !ret->refers)
        why(ret, inspectors[i], found.why);
    ret->refers |= found.refers;
}

void inspect_end(struct inspect *in, struct inspect_verdict *ret)
{
    size_t teller = 0;

    *ret = (struct inspect_verdict){ .bytes = in->seen.total, .safe = true };
    for (size_t i = 0; i < COUNT(inspectors); i++) {
        if (!inspectors[i]->match(&in->seen, in->state[i]))
            continue;
        ret->formats[ret->n_formats++] = inspectors[i]->name;
        tell_reference(in, i, ret);
        if (ret->n_formats == 1)
            teller = i;
    }
    if (ret->n_formats == 0) {
        ret->format = "raw";
        ret->virtual_size = in->seen.total;
        ret->has_virtual_size = true;
    } else if (ret->n_formats == 1) {
        ret->format = ret->formats[0];
        tell(in, teller, ret);
    } else if (is_bootable_iso(ret)) {
        tell(in, teller, ret);
    } else {
        ret->safe = false;
        ret->unsafe_check = "formats";
        if (!ret->refers)
            snprintf(ret->why, sizeof ret->why, "the data reads as %zu formats at once", ret->n_formats);
    }
}

/* ---- the decision ---- */

/* Is data of this format told from raw data? Not so ami, ari, aki and ploop. */
static bool has_inspector(const char *disk_format)
{
    for (size_t i = 0; i < COUNT(inspectors); i++)
        if (str_eq(disk_format, inspectors[i]->name))
            return true;
    return false;
}

static int refuse_unsafe(const struct inspect_verdict *v, struct error *e)
{
    error_set(e, ERROR_MEDIA, "Image failed safety checks");
    return error_detail(e, "%s", v->why);
}

/* Data of another format than was declared, where the policy does not ask for the declared one. */
static int let_pass(const struct inspect_verdict *v, struct error *e)
{
    return v->refers ? refuse_unsafe(v, e) : 0;
}

static bool tolerated(const struct inspect_verdict *v, const struct inspect_policy *policy)
{
    if (!str_eq(v->format, "gpt"))
        return false;
    for (size_t i = 0; i < policy->n_gpt_nonfatal; i++)
        if (str_eq(policy->gpt_nonfatal[i], v->unsafe_check))
            return true;
    return false;
}

static int refuse_several(const struct inspect_verdict *v, struct error *e)
{
    CLEANUP(str_done) struct str names = STR_INIT;

    for (size_t i = 0; i < v->n_formats; i++) {
        if (i)
            str_addc(&names, ',');
        str_add(&names, v->formats[i]);
    }
    return error_set(e, ERROR_MEDIA, "Multiple formats detected: %s", str_text(&names));
}

/* The checks of the format that the data has: fatal ones refuse whatever the policy says. */
static int check_safety(const struct inspect_verdict *v, const struct inspect_policy *policy, struct error *e)
{
    if (v->safe || tolerated(v, policy))
        return 0;
    if (!v->incomplete)
        return refuse_unsafe(v, e);
    if (!policy->require_match)
        return 0;
    return error_set(e, ERROR_MEDIA, "Incomplete file cannot be safety checked");
}

int inspect_decide(const struct inspect_verdict *v, const char *disk_format,
                   const struct inspect_policy *policy, int64_t *ret_virtual_size, struct error *e)
{
    bool raw = str_eq(disk_format, "raw");
    const char *format = v->format ? v->format : is_bootable_iso(v) && !raw ? "iso" : NULL;
    uint64_t size;

    *ret_virtual_size = -1;
    if (!format)
        return policy->require_match ? refuse_several(v, e) : let_pass(v, e);
    if (!raw && !str_eq(format, disk_format)) {
        if (!policy->require_match || (str_eq(format, "raw") && !has_inspector(disk_format)))
            return let_pass(v, e);
        return error_set(e, ERROR_MEDIA, "Image disk_format %s does not match stream data %s",
                         disk_format ? disk_format : "None", format);
    }
    if (check_safety(v, policy, e) < 0)
        return -1;
    if (!raw && !v->has_virtual_size)
        return policy->require_match ? error_set(e, ERROR_MEDIA, "Image format inspection failed") : 0;
    size = raw ? v->bytes : v->virtual_size;
    if (size > 0)
        *ret_virtual_size = (int64_t)size;
    return 0;
}
