/* SPDX-License-Identifier: Apache-2.0 */
/* JSON in by jansson, JSON out by appending text; and what Glance's API means by its documents. */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include <jansson.h>

#include "base/base.h"
#include "model/model.h"

/* ---- out: Python's json.dumps look (", " and ": "), so that bytes equal Glance's ---- */

/* ascii: non-ASCII becomes \uXXXX (ensure_ascii=True), else raw UTF-8. */
void json_add_text(struct str *out, const char *text, bool ascii);
void json_add_text_or_null(struct str *out, const char *text, bool ascii);

#endif
