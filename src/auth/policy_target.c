/* SPDX-License-Identifier: Apache-2.0 */
/* What rules are asked about: attributes under Glance's names, of an image, of a caller, or as given. */
#include "auth/policy_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys of attributes: their places in the table of images, from 1 on, and then this one. */
static const struct {
    const char *name, *rule;
} other_names[] = {
    { "id", "image_id" },
    { "project_id", "owner" },
    { "member_id", "member" },
};

static int member_key(void)
{
    return (int)image_resource.n + 1;
}

int policy_attribute(const char *name)
{
    for (size_t i = 0; i < COUNT(other_names); i++)
        if (str_eq(other_names[i].name, name))
            name = other_names[i].rule;
    for (size_t i = 0; i < image_resource.n; i++)
        if (str_eq(image_resource.attributes[i].rule, name))
            return (int)i + 1;
    return str_eq(name, "member") ? member_key() : 0;
}

static struct policy_value text_value(const char *text)
{
    return (struct policy_value){ .type = text ? POLICY_TEXT : POLICY_NONE, .text = text };
}

static struct policy_value bool_value(bool on)
{
    return (struct policy_value){ .type = POLICY_BOOL, .number = on };
}

static struct policy_value number_value(int64_t n)
{
    return (struct policy_value){ .type = n < 0 ? POLICY_NONE : POLICY_INT, .number = n };
}

static struct policy_value time_value(int64_t us)
{
    return (struct policy_value){ .type = us ? POLICY_TIME : POLICY_NONE, .number = us };
}

/* ---- images ---- */

/* Who a shared image is shared with, as far as this request knows: its caller. */
static const char *member_of(const struct policy_target *t)
{
    bool shared = t->image->visibility == IMAGE_SHARED && !str_eq(t->image->owner, t->identity->project);

    return shared ? t->identity->project : NULL;
}

static struct policy_value attribute_value(struct attribute_value v)
{
    switch (v.null ? ATTRIBUTE_NONE : v.type) {
    case ATTRIBUTE_TEXT:
        return text_value(v.text);
    case ATTRIBUTE_NUMBER:
        return number_value(v.number);
    case ATTRIBUTE_TIME:
        return time_value(v.number);
    case ATTRIBUTE_BOOL:
        return bool_value(v.number != 0);
    default:
        return text_value(NULL);
    }
}

static struct policy_value image_attribute(const struct policy_target *t, int key)
{
    const struct image *im = t->image;
    const struct attribute *a = &image_resource.attributes[key - 1];

    if (key == member_key())
        return text_value(member_of(t));
    if (a->type == ATTRIBUTE_NONE) /* the only one without a column that rules have is tags */
        return (struct policy_value){ .type = POLICY_SET, .items = im->tags, .n_items = im->n_tags };
    return attribute_value(attribute_get(a, im));
}

static bool image_get(const struct policy_target *t, const struct policy_key *key, struct policy_value *ret)
{
    if (key->attribute != 0) {
        *ret = image_attribute(t, key->attribute);
        return true;
    }
    for (size_t i = 0; i < t->image->n_properties; i++) {
        if (!str_eq(t->image->properties[i].name, key->name))
            continue;
        *ret = text_value(t->image->properties[i].value);
        return true;
    }
    return false;
}

/* The keys of all that rules have of an image, by name. */
static struct rule_keys {
    size_t n;
    int keys[64];
} rule_keys;

static const char *rule_name(int key)
{
    return key == member_key() ? "member" : image_resource.attributes[key - 1].rule;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(rule_name(*(const int *)a), rule_name(*(const int *)b));
}

static void rule_keys_make(void)
{
    assert(image_resource.n < COUNT(rule_keys.keys));
    for (int key = 1; key <= member_key(); key++)
        if (rule_name(key))
            rule_keys.keys[rule_keys.n++] = key;
    qsort(rule_keys.keys, rule_keys.n, sizeof rule_keys.keys[0], compare_keys);
}

static bool image_at(const struct policy_target *t, size_t i, struct policy_pair *ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, rule_keys_make);
    if (i < rule_keys.n) {
        *ret = (struct policy_pair){ rule_name(rule_keys.keys[i]), image_attribute(t, rule_keys.keys[i]) };
        return true;
    }
    if (i == rule_keys.n) {
        *ret = (struct policy_pair){ "project_id", text_value(t->image->owner) };
        return true;
    }
    i -= rule_keys.n + 1;
    if (i >= t->image->n_properties)
        return false;
    *ret = (struct policy_pair){ t->image->properties[i].name, text_value(t->image->properties[i].value) };
    return true;
}

void policy_target_image(const struct image *im, const struct identity *id, struct policy_target *ret)
{
    *ret = (struct policy_target){ .get = image_get, .at = image_at, .image = im, .identity = id };
}

/* ---- what is listed, by pairs ---- */

/* For targets that only list what they have. */
static bool listed_get(const struct policy_target *t, const struct policy_key *key, struct policy_value *ret)
{
    struct policy_pair pair;

    for (size_t i = 0; t->at(t, i, &pair); i++) {
        if (!str_eq(pair.name, key->name))
            continue;
        *ret = pair.value;
        return true;
    }
    return false;
}

static bool proposed_at(const struct policy_target *t, size_t i, struct policy_pair *ret)
{
    const struct policy_pair pairs[] = {
        { "project_id", text_value(t->owner) },
        { "owner", text_value(t->owner) },
        { "visibility", text_value(t->visibility) },
    };

    if (i >= COUNT(pairs))
        return false;
    *ret = pairs[i];
    return true;
}

void policy_target_proposed(const char *owner, const char *visibility, struct policy_target *ret)
{
    *ret = (struct policy_target){
        .get = listed_get, .at = proposed_at, .owner = owner, .visibility = visibility
    };
}

/* oslo.context's to_dict(), but for what names the request and not the caller. */
static bool identity_at(const struct policy_target *t, size_t i, struct policy_pair *ret)
{
    const struct identity *id = t->identity;
    const struct policy_pair pairs[] = {
        { "user", text_value(id->user) },
        { "project_id", text_value(id->project) },
        { "system_scope", text_value(id->system_scope) },
        { "project", text_value(id->project) },
        { "domain", text_value(id->domain) },
        { "user_domain", text_value(id->user_domain) },
        { "project_domain", text_value(id->project_domain) },
        { "is_admin", bool_value(id->is_admin) },
        { "read_only", bool_value(id->read_only) },
        { "show_deleted", bool_value(false) },
        { "is_admin_project", bool_value(!id->other_project) },
    };

    if (i >= COUNT(pairs))
        return false;
    *ret = pairs[i];
    return true;
}

void policy_target_identity(const struct identity *id, struct policy_target *ret)
{
    *ret = (struct policy_target){ .get = listed_get, .at = identity_at, .identity = id };
}

static bool pairs_at(const struct policy_target *t, size_t i, struct policy_pair *ret)
{
    if (i >= t->n_pairs)
        return false;
    *ret = t->pairs[i];
    return true;
}

void policy_target_pairs(const struct policy_pair *pairs, size_t n, struct policy_target *ret)
{
    *ret = (struct policy_target){ .get = listed_get, .at = pairs_at, .pairs = pairs, .n_pairs = n };
}

/* ---- values as Python's str() shows them ---- */

static void repr_write(const char *text, struct str *out)
{
    char quote = strchr(text, '\'') && !strchr(text, '"') ? '"' : '\'';

    str_addc(out, quote);
    for (; *text; text++) {
        if (*text == quote || *text == '\\')
            str_addf(out, "\\%c", *text);
        else if (*text == '\n')
            str_add(out, "\\n");
        else if (*text == '\t')
            str_add(out, "\\t");
        else if (*text == '\r')
            str_add(out, "\\r");
        else if ((unsigned char)*text < 0x20 || *text == 0x7F)
            str_addf(out, "\\x%02x", (unsigned)*text);
        else
            str_addc(out, *text);
    }
    str_addc(out, quote);
}

static void time_write(int64_t us, struct str *out)
{
    char text[CLOCK_TEXT_MAX];

    clock_sql(us, text);
    if (us % CLOCK_SECOND == 0)
        text[strcspn(text, ".")] = '\0';
    str_add(out, text);
}

static void set_write(const struct policy_value *v, struct str *out)
{
    if (v->n_items == 0) {
        str_add(out, "set()");
        return;
    }
    for (size_t i = 0; i < v->n_items; i++) {
        str_add(out, i ? ", " : "{");
        repr_write(v->items[i], out);
    }
    str_addc(out, '}');
}

void value_write(const struct policy_value *v, struct str *out)
{
    switch (v->type) {
    case POLICY_NONE:
        str_add(out, "None");
        break;
    case POLICY_TEXT:
        str_add(out, v->text);
        break;
    case POLICY_INT:
        str_addf(out, "%lld", (long long)v->number);
        break;
    case POLICY_BOOL:
        str_add(out, v->number ? "True" : "False");
        break;
    case POLICY_TIME:
        time_write(v->number, out);
        break;
    case POLICY_SET:
        set_write(v, out);
        break;
    }
}

/* ---- filling in ---- */

/* Python counts characters, not bytes. */
static size_t characters(const char *text, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

static void cut_characters(struct str *text, int most)
{
    for (size_t i = 0; i < text->len; i++) {
        if (((unsigned char)text->data[i] & 0xC0) == 0x80 || most-- > 0)
            continue;
        text->len = i;
        text->data[i] = '\0';
    }
}

static void pad(const struct piece *p, const struct str *text, struct str *out)
{
    const char *digits = str_text(text);
    size_t have = characters(digits, text->len), want = (size_t)p->width;
    bool zero = p->zero && !p->left && p->conversion == 'd';

    if (zero && *digits == '-')
        str_addc(out, *digits++);
    for (size_t i = have; i < want && !p->left; i++)
        str_addc(out, zero ? '0' : ' ');
    str_add(out, digits);
    for (size_t i = have; i < want && p->left; i++)
        str_addc(out, ' ');
}

static void number_write(int64_t n, int least, struct str *out)
{
    char digits[32];
    bool negative = n < 0;

    snprintf(digits, sizeof digits, "%lld", (long long)n);
    if (negative)
        str_addc(out, '-');
    for (int i = (int)strlen(digits + negative); i < least; i++)
        str_addc(out, '0');
    str_add(out, digits + negative);
}

static enum verdict piece_format(const struct piece *p, const struct policy_value *v, struct str *out)
{
    CLEANUP(str_done) struct str text = STR_INIT;
    bool number = v->type == POLICY_INT || v->type == POLICY_BOOL;

    if (p->conversion == '?' || (p->conversion == 'd' && !number))
        return VERDICT_BROKEN;
    if (p->conversion == 'd') {
        number_write(v->number, p->precision, &text);
    } else if ((p->conversion == 'r' || p->conversion == 'a') && v->type == POLICY_TEXT) {
        repr_write(v->text, &text);
    } else {
        value_write(v, &text);
    }
    if (p->conversion != 'd' && p->precision >= 0)
        cut_characters(&text, p->precision);
    pad(p, &text, out);
    return VERDICT_YES;
}

enum verdict match_format(const struct match *m, const struct policy_target *t, struct str *out)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct piece *p = &m->pieces[i];
        struct policy_value value;

        if (p->text) {
            str_addn(out, p->text, p->n);
            continue;
        }
        if (!t->get(t, &p->key, &value))
            return VERDICT_NO;
        if (piece_format(p, &value, out) == VERDICT_BROKEN)
            return VERDICT_BROKEN;
    }
    return m->broken ? VERDICT_BROKEN : VERDICT_YES;
}
