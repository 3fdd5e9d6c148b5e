/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks. */
#ifndef API_TASKS_TASKS_H
#define API_TASKS_TASKS_H

#include "api/core/route.h"

handler task_list_handle, task_show, task_delete, image_tasks_show, task_create;

/* 201 and the task as it is at first. */
int task_created(struct request *rq, const struct task *t);

#endif
