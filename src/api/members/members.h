/* SPDX-License-Identifier: Apache-2.0 */
/* Projects with which an image is shared. */
#ifndef API_MEMBERS_MEMBERS_H
#define API_MEMBERS_MEMBERS_H

#include "api/core/route.h"

handler member_list_handle, member_create, member_show, member_update, member_delete;

#endif
