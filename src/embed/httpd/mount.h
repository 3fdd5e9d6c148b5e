/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts: which part of a URL is httpd's and which is the service's. No word of httpd here. */
#ifndef EMBED_HTTPD_MOUNT_H
#define EMBED_HTTPD_MOUNT_H

#include <stdbool.h>

/* Mounts are decoded paths without a '/' at the end; "" is the root. */

/* Whether a decoded path is the mount or lies below it. */
bool mount_holds(const char *mount, const char *path);
/* What follows the mount in a raw (percent-encoded) path: it begins with '/' or is empty. Repeated slashes
 * within the mount and percent-encoded bytes count as what they stand for, as they do for httpd's <Location>.
 * NULL when the path leads elsewhere. */
const char *mount_rest(const char *mount, const char *raw);

#endif
