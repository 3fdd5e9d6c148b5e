/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The code point of a valid sequence of len bytes. */
static unsigned code_point(const char *p, size_t len)
{
    unsigned c = (unsigned char)p[0] & (len == 1 ? 0x7Fu : 0xFFu >> (len + 1));

    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3F);
    return c;
}

static void add_escape(struct str *out, unsigned c)
{
    static const struct {
        char raw, letter;
    } letters[] = { { '"', '"' },  { '\\', '\\' }, { '\n', 'n' }, { '\r', 'r' },
                    { '\t', 't' }, { '\b', 'b' },  { '\f', 'f' } };

    for (size_t i = 0; i < COUNT(letters); i++) {
        if (c == (unsigned char)letters[i].raw) {
            str_addc(out, '\\');
            str_addc(out, letters[i].letter);
            return;
        }
    }
    if (c >= 0x10000) {
        str_addf(out, "\\u%04x", 0xD800 + ((c - 0x10000) >> 10));
        c = 0xDC00 + ((c - 0x10000) & 0x3FF);
    }
    str_addf(out, "\\u%04x", c);
}

/* What stands for itself between quotes. Python leaves DEL alone. */
static const bool plain[256] = { [' ' ... '!'] = true, ['#' ... '['] = true, [']' ... 0x7F] = true };

/* What is not UTF-8 (it can only come from outside, in a header or a path) becomes U+FFFD: the document stays
 * JSON. */
static size_t add_beyond_ascii(struct str *out, const char *text, bool ascii)
{
    size_t len = str_utf8_sequence(text, strnlen(text, 4));

    if (len == 0)
        str_add(out, ascii ? "\\ufffd" : "\xEF\xBF\xBD");
    else if (ascii)
        add_escape(out, code_point(text, len));
    else
        str_addn(out, text, len);
    return len ? len : 1;
}

void json_add_text(struct str *out, const char *text, bool ascii)
{
    str_addc(out, '"');
    while (*text) {
        size_t n = 0;

        while (plain[(unsigned char)text[n]])
            n++;
        str_addn(out, text, n);
        text += n;
        if ((unsigned char)*text >= 0x80)
            text += add_beyond_ascii(out, text, ascii);
        else if (*text)
            add_escape(out, (unsigned char)*text++);
    }
    str_addc(out, '"');
}

void json_add_text_or_null(struct str *out, const char *text, bool ascii)
{
    if (text)
        json_add_text(out, text, ascii);
    else
        str_add(out, "null");
}

/* The shortest decimal that reads back as the same number, in Python's form. */
static void add_real(struct str *out, double value)
{
    char text[40];

    for (int digits = 1; digits <= 17; digits++) {
        double back;

        snprintf(text, sizeof text, "%.*g", digits, value);
        if (sscanf(text, "%lf", &back) == 1 && back >= value && back <= value)
            break;
    }
    if (strchr(text, 'e')) {
        double magnitude = fabs(value);

        if (magnitude >= 1e-4 && magnitude < 1e16) /* Python's repr() has no exponent there */
            snprintf(text, sizeof text, "%.0f", value);
    }
    str_add(out, text);
    if (!strpbrk(text, ".e"))
        str_add(out, ".0");
}

static void add_array(struct str *out, const json_t *array, bool ascii)
{
    str_addc(out, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i)
            str_add(out, ", ");
        json_add_value(out, json_array_get(array, i), ascii);
    }
    str_addc(out, ']');
}

static void add_object(struct str *out, const json_t *object, bool ascii)
{
    const char *between = "";
    const char *key;
    json_t *value;

    str_addc(out, '{');
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        str_add(out, between);
        json_add_text(out, key, ascii);
        str_add(out, ": ");
        json_add_value(out, value, ascii);
        between = ", ";
    }
    str_addc(out, '}');
}

void json_add_value(struct str *out, const json_t *value, bool ascii)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        add_object(out, value, ascii);
        break;
    case JSON_ARRAY:
        add_array(out, value, ascii);
        break;
    case JSON_STRING:
        json_add_text(out, json_string_value(value), ascii);
        break;
    case JSON_INTEGER:
        str_addf(out, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        add_real(out, json_real_value(value));
        break;
    case JSON_TRUE:
        str_add(out, "true");
        break;
    case JSON_FALSE:
        str_add(out, "false");
        break;
    case JSON_NULL:
        str_add(out, "null");
        break;
    }
}

/* Python's repr() of a string: single quotes unless only those occur inside. */
static void add_text_repr(struct str *out, const char *text)
{
    char quote = strchr(text, '\'') && !strchr(text, '"') ? '"' : '\'';

    str_addc(out, quote);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '\\' || *p == (unsigned char)quote)
            str_addf(out, "\\%c", *p);
        else if (*p == '\n')
            str_add(out, "\\n");
        else if (*p == '\r')
            str_add(out, "\\r");
        else if (*p == '\t')
            str_add(out, "\\t");
        else if (*p < 0x20 || *p == 0x7F)
            str_addf(out, "\\x%02x", *p);
        else
            str_addc(out, (char)*p);
    }
    str_addc(out, quote);
}

static void add_object_repr(struct str *out, const json_t *object)
{
    const char *between = "";
    const char *key;
    json_t *item;

    str_addc(out, '{');
    json_object_foreach((json_t *)(uintptr_t)object, key, item)
    {
        str_add(out, between);
        add_text_repr(out, key);
        str_add(out, ": ");
        json_add_repr(out, item);
        between = ", ";
    }
    str_addc(out, '}');
}

void json_add_repr(struct str *out, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        add_object_repr(out, value);
        break;
    case JSON_ARRAY:
        str_addc(out, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (i)
                str_add(out, ", ");
            json_add_repr(out, json_array_get(value, i));
        }
        str_addc(out, ']');
        break;
    case JSON_STRING:
        add_text_repr(out, json_string_value(value));
        break;
    case JSON_TRUE:
        str_add(out, "True");
        break;
    case JSON_FALSE:
        str_add(out, "False");
        break;
    case JSON_NULL:
        str_add(out, "None");
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        json_add_value(out, value, false);
        break;
    }
}

static void add_size(struct str *out, int64_t size)
{
    if (size < 0)
        str_add(out, "null");
    else
        str_add_u64(out, (uint64_t)size);
}

void location_doc_write(struct str *out, const struct image_location *l, bool ascii)
{
    CLEANUP(json_drop)
    json_t *metadata = str_eq(l->metadata, "{}") ? NULL : json_parse(l->metadata, strlen(l->metadata));

    str_add(out, "{\"url\": ");
    json_add_text(out, l->url, ascii);
    str_add(out, ", \"metadata\": ");
    if (metadata)
        json_add_value(out, metadata, ascii);
    else
        str_add(out, "{}");
    str_addc(out, '}');
}

static void add_locations(struct str *out, const struct image *im, const struct image_doc_options *o)
{
    const char *between = "";

    if (o->show_locations) {
        str_add(out, ", \"locations\": [");
        for (size_t i = 0; i < im->n_locations && !o->hide_locations; i++, between = ", ") {
            str_add(out, between);
            if (im->locations[i].shown)
                str_add(out, im->locations[i].shown);
            else
                location_doc_write(out, &im->locations[i], false);
        }
        str_addc(out, ']');
    }
    if (o->show_direct_url && im->n_locations > 0 && !o->hide_locations) {
        str_add(out, ", \"direct_url\": ");
        json_add_text(out, im->locations[0].url, false);
    }
}

/* Properties that only the service itself reads (api.md 4.1). */
static bool property_hidden(const char *name)
{
    return str_eq(name, "os_glance_stage_host") || str_eq(name, "os_glance_hash_op_host");
}

/* The ids of the stores that have the data. */
static void add_store_ids(struct str *ids, const struct image *im, const struct image_doc_options *o)
{
    for (size_t i = 0; i < im->n_locations && !o->hide_locations; i++)
        if (im->locations[i].store)
            str_addf(ids, "%s%s", ids->len ? "," : "", im->locations[i].store);
}

/* stores: "" or what a property of this name is shown as; true: there was one. */
static bool add_properties(struct str *out, const struct image *im, const char *stores)
{
    bool told = false;

    for (size_t i = 0; i < im->n_properties; i++) {
        const struct image_property *p = &im->properties[i];

        if (property_hidden(p->name))
            continue;
        told |= *stores && str_eq(p->name, "stores");
        json_add_text(out, p->name, false);
        str_add(out, ": ");
        json_add_text_or_null(out, *stores && str_eq(p->name, "stores") ? stores : p->value, false);
        str_add(out, ", ");
    }
    return told;
}

static void add_attribute(struct str *out, const struct image *im, const struct attribute *a)
{
    struct attribute_value v = attribute_get(a, im);
    char when[CLOCK_TEXT_MAX];

    if (a->at == offsetof(struct image, size) && im->status == IMAGE_SAVING)
        v.null = true;            /* announced, not there */
    if (v.type == ATTRIBUTE_TIME) /* never null, as Glance has it */
        json_add_text(out, clock_iso(v.number, when), false);
    else if (v.null)
        str_add(out, "null");
    else if (v.type == ATTRIBUTE_TEXT)
        json_add_text(out, v.text, false);
    else if (v.type == ATTRIBUTE_BOOL)
        str_add(out, v.number ? "true" : "false");
    else
        add_size(out, v.number);
}

/* What documents have of the table: ", \"name\": " before each value. */
static struct shown {
    const struct attribute *attribute;
    char *key;
    size_t n_key;
} shown[64];
static size_t n_shown;

static void shown_make(void)
{
    for (size_t i = 0; i < image_resource.n; i++) {
        const struct attribute *a = &image_resource.attributes[i];
        CLEANUP(str_done) struct str key = STR_INIT;

        if (!attribute_has_column(a) || a->schema == 0)
            continue;
        assert(n_shown < COUNT(shown));
        str_addf(&key, ", \"%s\": ", a->name);
        shown[n_shown++] = (struct shown){ a, mem_str(str_text(&key)), key.len };
    }
}

static void add_attributes(struct str *out, const struct image *im)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    size_t skip = strlen(", "); /* before the first */

    pthread_once(&once, shown_make);
    for (size_t i = 0; i < n_shown; i++, skip = 0) {
        str_addn(out, shown[i].key + skip, shown[i].n_key - skip);
        add_attribute(out, im, shown[i].attribute);
    }
}

static void add_links(struct str *out, const char *id)
{
    str_add(out, ", \"self\": \"/v2/images/");
    str_add(out, id);
    str_add(out, "\", \"file\": \"/v2/images/");
    str_add(out, id);
    str_add(out, "/file\", \"schema\": \"/v2/schemas/image\"");
}

void image_doc_write(struct str *out, const struct image *im, const struct image_doc_options *o)
{
    CLEANUP(str_done) struct str stores = STR_INIT;
    bool told;

    add_store_ids(&stores, im, o);
    str_reserve(out, 1024);
    str_addc(out, '{');
    told = add_properties(out, im, str_text(&stores));
    add_attributes(out, im);
    add_locations(out, im, o);
    str_add(out, ", \"tags\": [");
    for (size_t i = 0; i < im->n_tags; i++) {
        if (i)
            str_add(out, ", ");
        json_add_text(out, im->tags[i], false);
    }
    str_addc(out, ']');
    add_links(out, im->id);
    if (stores.len > 0 && !told) {
        str_add(out, ", \"stores\": ");
        json_add_text(out, str_text(&stores), false);
    }
    str_addc(out, '}');
}
