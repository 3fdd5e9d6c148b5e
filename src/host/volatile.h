/* SPDX-License-Identifier: Apache-2.0 */
/* Private to host/. */
#ifndef HOST_VOLATILE_H
#define HOST_VOLATILE_H

/* Warns where the staging directory is private to one systemd unit or in memory. NULL: there is none. */
void warn_staging(const char *dir);

#endif
