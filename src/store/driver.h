/* SPDX-License-Identifier: Apache-2.0 */
/* What a store driver fills in; only store.c calls it. NULL means the store cannot do it: store.c
 * then answers ERROR_INVALID (writes of a read-only store: ERROR_GONE) by itself.
 * Threads: open/close run alone; the rest run concurrently, one thread per put or get. */
#ifndef STORE_DRIVER_H
#define STORE_DRIVER_H

#include "store/store.h"

struct store_driver {
    const char *name;           /* as in [glance_store] stores and enabled_backends */
    const char *const *schemes; /* of location URLs; ends with NULL */
    bool distant;               /* see store_distant() */

    /* group: the section that holds this store's options ("glance_store" in single-store mode). */
    int (*open)(struct store *, const struct config *, const char *group, struct error *);
    void (*reread)(struct store *s, const struct config *c); /* what follows a reload; NULL: nothing */
    void (*close)(struct store *);

    /* Whether a URL of its schemes is this store's and no other's of its type. NULL: any is. */
    bool (*owns)(const struct store *, const char *url);
    /* The one spelling of the object's URL, of which there may be several; NULL: it names no object. A driver
     * without: URLs are as they are. */
    const char *(*canonical)(const struct store *, struct arena *a, const char *url);
    /* Whether another URL names the object at url by another path. NULL: there are no such URLs. */
    bool (*same)(const struct store *, const char *url, const char *other);
    /* NULL: there is nothing to tell. */
    void (*describe)(const struct store *, void (*say)(void *arg, const struct store_fact *), void *arg);

    int (*put_begin)(struct store *, const char *image_id, int64_t size, struct store_put **ret,
                     struct error *);
    int (*put_link)(struct store *, const char *image_id, const char *path, uint64_t *ret_size,
                    struct store_put **ret, struct error *); /* NULL: never */
    int (*put_write)(struct store_put *, const void *buf, size_t n, struct error *);
    int (*put_commit)(struct store_put *, struct store_location *ret, struct error *);
    void (*put_abort)(struct store_put *); /* frees */
    void (*put_done)(struct store_put *);  /* frees */

    int (*size)(struct store *, const char *url, uint64_t *ret, struct error *); /* NULL: get_open's */
    int (*get_open)(struct store *, const char *url, struct store_get **ret, uint64_t *ret_size,
                    struct error *);
    ssize_t (*get_read)(struct store_get *, uint64_t offset, void *buf, size_t n, struct error *);
    int (*get_fd)(const struct store_get *);
    void (*get_close)(struct store_get *);

    int (*delete_check)(struct store *, const char *url, struct error *);
    int (*delete)(struct store *, const char *url, int *ret_fd, struct error *); /* *ret_fd is -1 before */
    size_t (*sweep)(struct store *);

    int (*check)(struct store *, struct error *); /* NULL: there is nothing to check */
    int (*places)(struct store *, int (*tell)(void *arg, const struct store_place *, struct error *),
                  void *arg, struct error *); /* NULL: it has no directories */

    int (*list)(struct store *, store_tell *tell, void *arg, struct error *);
    int (*quarantine)(struct store *, const struct store_object *seen, struct str *ret_where, struct error *);
};

struct store {
    const struct store_driver *driver;
    char *id;
    bool disabled; /* failed to configure: puts are ERROR_GONE */
    void *data;    /* the driver's */
    char *description;
    int64_t weight;
    struct store_proof proof; /* functions may be NULL */
};
/* Options of a store: from its own section, else from [backend_defaults] (options.c). */
const char *store_option_str(const struct config *c, const char *group, const char *name);
bool store_option_bool(const struct config *c, const char *group, const char *name);
int64_t store_option_int(const struct config *c, const char *group, const char *name);
size_t store_option_list(const struct config *c, const char *group, const char *name,
                         const char *const **ret);

/* First members of the drivers' own structs. */
struct store_put {
    struct store *store;
    uint64_t written;
    int64_t expected; /* or -1 */
    bool committed;
    char url[1024];
};
struct store_get {
    struct store *store;
};

extern const struct store_driver store_filesystem;
extern const struct store_driver store_http;   /* read-only */
extern const struct store_driver store_memory; /* the twin that keeps objects in memory */

/* The misbehaving twin: wraps a store's driver and fails the n-th call that can fail, counted from
 * store_fault_arm(); n = 0 never fails. partial: the failing write takes half of its bytes first. */
void store_fault_wrap(struct store *s);
void store_fault_arm(long n, enum error_kind kind, bool partial);
bool store_fault_fired(void);

#endif
