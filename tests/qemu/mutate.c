/* SPDX-License-Identifier: Apache-2.0 */
#include "qemu/mutate.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a)     (sizeof(a) / sizeof *(a))
#define PICK(c, a)   ((a)[chance_below((c), COUNT(a))])
#define ONE_IN(c, n) (chance_below((c), (n)) == 0)

enum { SECTOR = 512, TEXT_MAX = 24 * 1024 };

/* Steele, Lea, Flood: splitmix64. */
uint64_t chance_next(struct chance *c)
{
    uint64_t z = c->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t chance_below(struct chance *c, size_t n)
{
    return (size_t)(chance_next(c) % n);
}

void image_clear(struct image *image)
{
    for (size_t i = 0; i < COUNT(image->used); i++)
        if (image->used[i])
            memset(image->bytes + i * PAGE, 0, PAGE);
    memset(image->used, 0, sizeof image->used);
    image->size = 0;
}

void image_put(struct image *image, size_t at, const void *bytes, size_t n)
{
    if (at >= IMAGE_MAX || n == 0)
        return;
    n = n < IMAGE_MAX - at ? n : IMAGE_MAX - at;
    memcpy(image->bytes + at, bytes, n);
    for (size_t page = at / PAGE; page <= (at + n - 1) / PAGE; page++)
        image->used[page] = true;
    image->size = at + n > image->size ? at + n : image->size;
}

/* ---- descriptors ---- */

static const char *const types[] = {
    "monolithicSparse",     "streamOptimized", "monolithicFlat",   "vmfs", "vmfsSparse", "seSparse",
    "twoGbMaxExtentSparse", "custom",          "monolithicsparse", "VMFS", "",           "twoGbMaxExtentFlat"
};
static const char *const type_words[] = { "createType",  "createType",  "createType",
                                          "createtype",  "CREATETYPE",  "xcreateType",
                                          "createType ", "#createType", "create\nType" };
static const char *const before_values[] = { "=\"", "=\"",  "=\"",   "=:",   "  ",   "\"\"",
                                             "=",   "\n\n", " = \"", "\t\"", "=\"\"" };
static const char *const blanks[] = {
    " ", " ", " ", "\t", "\n", "\v", "\f", "\r", "  ", "\r\n", "", "\n\t "
};
static const char *const accesses[] = { "RW", "RW", "RW", "RDONLY", "NOACCESS", "rw", "RWRW", "=RW", "RW=" };
static const char *const extent_types[] = { "FLAT", "FLAT",       "SPARSE",   "ZERO",
                                            "VMFS", "VMFSSPARSE", "SESPARSE", "flat" };
static const char *const ends[] = { "\n", "\n", "\n", "\n", "\r\n", "\r", "", "\n\n", "=x\n", " \n", "\0" };
static const char *const other_lines[] = { "# Disk DescriptorFile",
                                           "version=1",
                                           "version=3",
                                           "CID=fffffffe",
                                           "parentCID=ffffffff",
                                           "encoding=\"UTF-8\"",
                                           "#",
                                           "ddb.adapterType = \"ide\"",
                                           "isNativeSnapshot=\"no\"",
                                           " ",
                                           "# caf\xc3\xa9",
                                           "NOACCESS 1 ZERO",
                                           "changeTrackPath=\"/a\"",
                                           "ddb",
                                           "x=y",
                                           "#\xff\x01" };

struct text {
    char at[TEXT_MAX];
    size_t n;
};

static void add(struct text *t, const char *what)
{
    size_t n = strlen(what);

    if (n > TEXT_MAX - t->n)
        n = TEXT_MAX - t->n;
    memcpy(t->at + t->n, what, n);
    t->n += n;
}

static void add_extent(struct text *t, const struct mutation *m, struct chance *c)
{
    add(t, PICK(c, accesses));
    add(t, PICK(c, blanks));
    add(t, ONE_IN(c, 8) ? "+0x10" : "16");
    add(t, PICK(c, blanks));
    add(t, PICK(c, extent_types));
    add(t, PICK(c, blanks));
    add(t, ONE_IN(c, 10) ? "" : "\"");
    add(t, m->names[chance_below(c, m->n_names)]);
    add(t, ONE_IN(c, 10) ? "" : "\"");
    add(t, PICK(c, blanks));
    if (!ONE_IN(c, 3))
        add(t, "0");
}

static void add_parent(struct text *t, const struct mutation *m, struct chance *c)
{
    add(t, ONE_IN(c, 5) ? "parentfilenamehint" : "parentFileNameHint");
    add(t, PICK(c, before_values));
    add(t, m->names[chance_below(c, m->n_names)]);
    add(t, "\"");
}

static void add_line(struct text *t, const struct mutation *m, struct chance *c)
{
    size_t what = chance_below(c, 10);

    if (ONE_IN(c, 6))
        add(t, "#");
    if (what < 3) {
        add(t, PICK(c, type_words));
        add(t, PICK(c, before_values));
        add(t, PICK(c, types));
        add(t, ONE_IN(c, 10) ? "" : "\"");
    } else if (what < 6) {
        add_extent(t, m, c);
    } else if (what == 6) {
        add_parent(t, m, c);
    } else {
        add(t, PICK(c, other_lines));
    }
    add(t, PICK(c, ends));
    if (ONE_IN(c, 12))
        while (t->n % SECTOR && t->n < TEXT_MAX)
            add(t, "-");
}

/* Often what passes for a sparse disk, so that what is added to it is all that is wrong. */
static void make_text(struct text *t, const struct mutation *m, struct chance *c)
{
    static const char *const starts[] = { "# Disk DescriptorFile\n", "version=1\n", "#\xff\nversion=1\n",
                                          "\x01\n", "" };
    size_t lines = 1 + chance_below(c, 6);
    bool sane = !ONE_IN(c, 3);

    t->n = 0;
    add(t, PICK(c, starts));
    if (sane)
        add(t, "version=1\nCID=fffffffe\nparentCID=ffffffff\n");
    for (size_t i = 0; i < lines; i++) {
        if (sane && i == lines / 2)
            add(t, "createType=\"monolithicSparse\"\nRW 128 SPARSE \"a.vmdk\"\n");
        add_line(t, m, c);
    }
    if (ONE_IN(c, 8))
        while (t->n % SECTOR)
            add(t, "#");
}

static void put_text(struct image *image, const struct mutation *m, struct chance *c)
{
    static const size_t places[] = { SECTOR,     SECTOR,     SECTOR,      0,
                                     2 * SECTOR, 3 * SECTOR, 10 * SECTOR, 21 * SECTOR };
    static struct text t;
    size_t at = m->sparse ? PICK(c, places) : ONE_IN(c, 6) ? PICK(c, places) : 0;

    make_text(&t, m, c);
    image_put(image, at, t.at, t.n);
    if (!ONE_IN(c, 3))
        image_put(image, at + t.n, "", 1);
}

/* ---- any bytes ---- */

static const char *const words[] = { "KDMV",
                                     "COWD",
                                     "QFI\xfb",
                                     "QED",
                                     "vhdxfile",
                                     "conectix",
                                     "LUKS\xba\xbe",
                                     "CD001",
                                     "regi",
                                     "WithoutFreeSpace",
                                     "Bochs Virtual HD Image",
                                     "koly",
                                     "#!/bin/sh\n#V2.0 Format\n",
                                     "createType",
                                     "parentFileNameHint",
                                     "version=1\n",
                                     "\"",
                                     "\n",
                                     "RW ",
                                     "#",
                                     "json:{" };

static size_t place(const struct image *image, struct chance *c)
{
    size_t page;

    if (ONE_IN(c, 4) || image->size == 0)
        return chance_below(c, SECTOR);
    if (ONE_IN(c, 2))
        return chance_below(c, image->size < 2 * PAGE ? image->size : 2 * PAGE);
    for (size_t i = 0; i < 64; i++)
        if (page = chance_below(c, COUNT(image->used)), image->used[page])
            return page * PAGE + chance_below(c, PAGE);
    return chance_below(c, image->size);
}

static void put_number(struct image *image, struct chance *c)
{
    static const uint64_t numbers[] = { 0,
                                        0,
                                        0,
                                        1,
                                        2,
                                        3,
                                        4,
                                        20,
                                        0x7f,
                                        0xff,
                                        512,
                                        0x10000,
                                        0x7fffffff,
                                        0xffffffff,
                                        (uint64_t)1 << 32,
                                        INT64_MAX,
                                        (uint64_t)1 << 63,
                                        UINT64_MAX };
    static const size_t sizes[] = { 1, 2, 4, 4, 8, 8 };
    uint64_t number = PICK(c, numbers);
    size_t n = PICK(c, sizes), at = place(image, c) & ~(size_t)3;
    uint8_t bytes[8];
    bool big = ONE_IN(c, 2);

    for (size_t i = 0; i < n; i++)
        bytes[big ? n - 1 - i : i] = (uint8_t)(number >> 8 * i);
    image_put(image, at, bytes, n);
}

static void put_byte(struct image *image, struct chance *c)
{
    uint8_t byte;
    size_t at = place(image, c);

    byte = ONE_IN(c, 2) ? (uint8_t)chance_next(c)
                        : (uint8_t)(image->bytes[at % IMAGE_MAX] ^ 1u << chance_below(c, 8));
    image_put(image, at, &byte, 1);
}

static void put_word(struct image *image, const struct mutation *m, struct chance *c)
{
    const char *word = ONE_IN(c, 5) ? m->names[chance_below(c, m->n_names)] : PICK(c, words);

    image_put(image, ONE_IN(c, 3) ? 0 : place(image, c), word, strlen(word));
}

static void copy(struct image *image, struct chance *c)
{
    uint8_t bytes[SECTOR];
    size_t n = 1 + chance_below(c, sizeof bytes), from = place(image, c), to = place(image, c);

    if (from + n > IMAGE_MAX)
        return;
    memcpy(bytes, image->bytes + from, n);
    image_put(image, to, bytes, n);
}

static void resize(struct image *image, struct chance *c)
{
    size_t size = image->size, to = ONE_IN(c, 2) ? chance_below(c, size + 1) : chance_below(c, 12 * 1024);

    if (ONE_IN(c, 3))
        to = to / SECTOR * SECTOR;
    for (size_t at = to; at < size; at++)
        if (image->used[at / PAGE])
            image->bytes[at] = 0;
    image->size = to;
}

/* A second header at the end, which is then the one in force. */
static void put_footer(struct image *image)
{
    static const uint8_t zeros[3 * SECTOR], far[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };
    size_t at = (image->size + SECTOR - 1) / SECTOR * SECTOR;
    uint8_t header[SECTOR], marker = 3;

    memcpy(header, image->bytes, SECTOR);
    image_put(image, at, zeros, sizeof zeros);
    image_put(image, at + 12, &marker, 1);
    image_put(image, at + SECTOR, header, SECTOR);
    image_put(image, 56, far, sizeof far);
}

/* Capacity, the descriptor's place and length. */
static void put_vmdk_header(struct image *image, struct chance *c)
{
    static const uint8_t sectors[] = { 0, 1, 1, 1, 2, 3, 20, 20, 20, 255 };
    static const uint8_t zeros[8];
    uint8_t byte;

    if (ONE_IN(c, 2))
        image_put(image, 12, zeros, 8);
    if (ONE_IN(c, 2)) {
        byte = PICK(c, sectors);
        image_put(image, 36, &byte, 1);
    }
    if (ONE_IN(c, 8)) {
        byte = PICK(c, sectors);
        image_put(image, 28, &byte, 1);
    }
    if (ONE_IN(c, 8))
        image_put(image, 0, "COWD", 4);
    if (ONE_IN(c, 6))
        put_footer(image);
}

void image_mutate(struct image *image, const struct mutation *m, struct chance *c)
{
    size_t changes = chance_below(c, 6);

    if (m->sparse)
        put_vmdk_header(image, c);
    if (m->text || ONE_IN(c, 6))
        put_text(image, m, c);
    for (size_t i = 0; i < changes; i++) {
        switch (chance_below(c, 8)) {
        case 0:
        case 1:
            put_byte(image, c);
            break;
        case 2:
        case 3:
            put_number(image, c);
            break;
        case 4:
            put_word(image, m, c);
            break;
        case 5:
            copy(image, c);
            break;
        case 6:
            if (ONE_IN(c, 3))
                resize(image, c);
            break;
        default:
            if (ONE_IN(c, 4))
                put_text(image, m, c);
        }
    }
}
