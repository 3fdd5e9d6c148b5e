/* SPDX-License-Identifier: Apache-2.0 */
/* Private to auth/: protected properties as they are kept. Everything lives in the arena of its set. */
#ifndef AUTH_PROTECTION_PRIVATE_H
#define AUTH_PROTECTION_PRIVATE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "auth/auth.h"

/* ---- the file: ConfigParser's language ---- */

struct ini_option {
    const char *name; /* lower case */
    const char *value;
    unsigned line;
};

struct ini_section {
    const char *name;
    unsigned line;
    struct ini_option *options;
    size_t n, cap;
};

struct ini {
    struct arena *arena;
    const char *path;
    struct ini_section defaults; /* [DEFAULT] */
    struct ini_section *sections;
    size_t n, cap;
};

/* Python's configparser as it is without arguments: strict, with continuation lines. ERROR_INVALID with file
 * and line. */
int ini_parse(struct arena *a, const char *path, const char *text, size_t n, struct ini *ret,
              struct error *e) MUST_CHECK;
/* The section's option, or DEFAULT's, with %(names)s replaced. *ret is NULL when there is none. */
int ini_get(const struct ini *ini, const struct ini_section *s, const char *name, const char **ret,
            unsigned *ret_line, struct error *e) MUST_CHECK;

/* ---- patterns ---- */

/* A regular expression of Python's re, compiled; NULL: *ret_why says what is wrong with it. Free with
 * pcre2_code_free(). */
pcre2_code *pattern_compile(struct arena *a, const char *python, const char **ret_why);

/* ---- sets ---- */

struct permission {
    bool everybody; /* else only callers with one of the roles, or whom the rule allows */
    const char **roles;
    size_t n_roles;
    const char *rule; /* its name among the policy's; NULL: none */
};

struct protected_section {
    pcre2_code *pattern;
    struct permission permissions[PROPERTY_RIGHTS];
};

struct protections {
    struct arena *arena;
    struct protected_section *sections; /* in the order of the file; the first that matches counts */
    size_t n;
    struct policy_added *rules;
    size_t n_rules, cap_rules;
    pcre2_match_context *limits;
};

/* The same from memory, for the fuzzer and the tests. */
int protections_parse(const struct protection_options *o, const char *path, const char *text, size_t n,
                      struct protections **ret, struct error *e) MUST_CHECK;

#endif
