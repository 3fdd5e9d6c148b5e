/* SPDX-License-Identifier: Apache-2.0 */
#include "work/import.h"

int import_remote_describe(struct import *im, struct error *e)
{
    return error_set(e, ERROR_INVALID, "%s is not supported.", im->method);
}

int import_remote_fetch(struct import *im, struct error *e)
{
    return error_set(e, ERROR_INVALID, "%s is not supported.", im->method);
}
