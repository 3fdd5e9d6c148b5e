/* SPDX-License-Identifier: Apache-2.0 */
/* Several hosts, each with a staging store of its own. */
#ifndef PEERS_HOSTS_H
#define PEERS_HOSTS_H

#include "base/base.h"
#include "base/config.h"
#include "model/model.h"

/* The image's property that says by which URL the host is reached that staged it; no client sees or changes
 * it. The other one is Glance's, for a host that reads a new location's data. */
#define IMAGE_STAGE_HOST "os_glance_stage_host"
#define IMAGE_HASH_HOST  "os_glance_hash_op_host"

struct hosts {         /* texts are the config's */
    const char *name;  /* URL of this host alone; "": it has none */
    const char *self;  /* what IMAGE_STAGE_HOST says of images that are staged here; "": it is not written */
    const char *place; /* of jobs that need data which are here alone (struct job); "": every host has them */
    bool shared;       /* one staging store for all */
    const char *const *peers; /* that requests are passed on to; none: whichever an image names */
    size_t n_peers;
    const char *ca_file; /* of peers by https; NULL: the system's */
};
void hosts_read(const struct config *c, struct hosts *ret);
/* The URL of the host that alone can do this to the image, as the image says; NULL: this one can. */
const char *hosts_elsewhere(const struct hosts *h, const struct image *im);
/* Whether both name the same host: the case of scheme and name and a slash at the end do not count. */
bool host_same(const char *a, const char *b);
/* http or https, a host, perhaps a port and a path of plain segments; nothing else that a URL can have.
 * ERROR_INVALID says what it is. */
int host_check(const char *url, struct error *e) MUST_CHECK;
/* The same, and that it is one of the peers. */
int hosts_peer_check(const struct hosts *h, const char *url, struct error *e) MUST_CHECK;

#endif
