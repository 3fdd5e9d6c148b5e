/* SPDX-License-Identifier: Apache-2.0 */
/* oslo.config's language: files, directories, environment, substitution and types, over a table of
 * options that a room above supplies. No domain words here: the table is conf/options.c.
 *
 * A struct config is built once, then immutable and readable from any thread; a reload builds a new
 * one. Getters abort on an option that the table lacks: that is our bug, never an operator's.
 * Facts: oslo.config 10 (cfg.py, iniparser.py, types.py) and the drivers of sources (environment). */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum option_type {
    OPTION_STRING,
    OPTION_BOOL,         /* 1 true yes on, 0 false no off; any case */
    OPTION_INT,          /* min..max of the table */
    OPTION_FLOAT,        /* decimal; read with config_float() */
    OPTION_PORT,         /* 0..65535 */
    OPTION_LIST,         /* a, b, c; empty text is the empty list */
    OPTION_BOUNDED_LIST, /* [a,b]: the brackets are part of the syntax; items may be quoted */
    OPTION_DICT,         /* k:v, k:v; read as a list of "k:v" */
    OPTION_MULTI,        /* accumulates over lines and files */
    OPTION_QUOTA,        /* number with optional B KB MB GB TB (1024s) -> bytes */
    OPTION_OCTAL,        /* file mode */
};

enum {
    OPTION_SECRET = 1,    /* masked by config_show() */
    OPTION_RESTART = 2,   /* a changed value needs a restart; others follow a reload */
    OPTION_ANY_GROUP = 4, /* group "*": belongs to every backend's section, which is each that no other option
                           * names; another group: that section holds the options of "*" too */
    OPTION_NO_EFFECT = 8, /* Glance knows it, nothing here depends on it: accepted, one log line */
    OPTION_DEPRECATED = 16 /* old name kept for old files; `renamed` says what to write instead */
};

struct option {
    const char *group; /* "DEFAULT", "database", … */
    const char *name;  /* with underscores */
    enum option_type type;
    const char *fallback; /* the default as it would stand in a file; NULL is unset */
    int64_t min, max;     /* of numbers; both 0 means unbounded */
    const char *choices;  /* "a|b|c" or NULL; of a list: for each item */
    unsigned flags;
    const char *help; /* one sentence or more; for the sample file and the manual page */
    const char *old;  /* "GROUP/name,GROUP/name" that are still read, or NULL */
};

struct config;

/* Where a value came from, for `glint config show` and for error messages. */
struct config_origin {
    enum { ORIGIN_DEFAULT, ORIGIN_PROFILE, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_COMMAND_LINE } kind;
    const char *file; /* of ORIGIN_FILE; the variable's or switch's name of the others */
    unsigned line;
};

/* What to read, in order; later values win. Command-line pairs win over all. */
struct config_input {
    const struct option *options; /* ends with a NULL name */
    const char *const *files;     /* each must exist; ends with NULL */
    const char *const *dirs;      /* *.conf in them, sorted, after the files; may be absent */
    const char *const *overrides; /* "group.name=value" pairs of the command line; ends with NULL */
    const char *const *profile;   /* "group.name=value" defaults of a profile; ends with NULL */
    char **environment;           /* environ, or NULL to leave it out */
    const char *overrides_name;   /* what messages call the overrides; NULL: "command line" */
};

/* Reads and checks everything. On a bad value -1: the message names file, line, option, the value (unless
 * secret) and what was expected. Unknown keys and options without effect are collected in config_warnings().
 */
int config_read(const struct config_input *in, struct config **ret, struct error *e)
    __attribute__((warn_unused_result));
void config_free(struct config *c);          /* takes NULL */
struct config *config_ref(struct config *c); /* atomic; config_free() drops one */

const char *config_str(const struct config *c, const char *group, const char *name); /* NULL when unset */
bool config_bool(const struct config *c, const char *group, const char *name);
int64_t config_int(const struct config *c, const char *group, const char *name); /* also PORT, QUOTA, OCTAL */
double config_float(const struct config *c, const char *group, const char *name);
bool config_is_set(const struct config *c, const char *group, const char *name); /* not by default */
/* Items in order; memory is the config's. Returns their number; *ret may be NULL when it is 0. */
size_t config_list(const struct config *c, const char *group, const char *name, const char *const **ret);
/* Tells of every option that some file, variable or switch sets, one text for each of several values; also of
 * those without effect. */
void config_each_set(const struct config *c,
                     void (*tell)(void *arg, const char *group, const struct option *o, const char *text),
                     void *arg);
const char *config_origin(const struct config *c, const char *group, const char *name,
                          struct config_origin *ret);

/* The files that were read, in order, those of directories included; ends with NULL. */
const char *const *config_files(const struct config *c);
/* One warning a line: unknown options (with the nearest known name), options without effect. */
const char *const *config_warnings(const struct config *c); /* ends with NULL */
/* The effective options as a readable file: value, then "# default" or where it came from; secrets
 * and passwords inside URLs are masked. all = also options at their default, but for those without effect. */
void config_show(const struct config *c, bool all, struct str *out);
/* The text with what may be a password in it, of a URL or after password= and the like, as ****. For whatever
 * shows a value of a configuration; options that are secret as a whole have OPTION_SECRET. */
void config_mask(const char *text, struct str *out);
/* A commented sample file made from the table, without the options that have no effect. */
void config_sample(const struct option *options, struct str *out);

/* The generic reader underneath: calls line() for each "key = value" in file order (values with
 * continuation lines joined by newline, one pair of quotes removed), used for paste files too.
 * `line` returns -1 with *e filled to stop. Keys before any section belong to "DEFAULT". */
int config_parse(const char *path, const char *text, size_t len,
                 int (*line)(void *arg, const char *section, const char *key, const char *value,
                             unsigned lineno, struct error *e),
                 void *arg, struct error *e) __attribute__((warn_unused_result));
/* A whole file as zero-terminated heap memory, for config_parse(). NULL: *e says why not. */
char *config_file_read(const char *path, size_t *ret_len, struct error *e)
    __attribute__((warn_unused_result));

#endif
