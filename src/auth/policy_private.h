/* SPDX-License-Identifier: Apache-2.0 */
/* Private to auth/: how rules are kept. Everything lives in the arena of its set. */
#ifndef AUTH_POLICY_PRIVATE_H
#define AUTH_POLICY_PRIVATE_H

#include <stdatomic.h>

#include "auth/auth.h"

/* ---- expressions ---- */

enum check_kind {
    CHECK_NEVER,
    CHECK_ALWAYS,
    CHECK_BROKEN, /* oslo.policy fails when it evaluates this; here it denies */
    CHECK_AND,
    CHECK_OR,
    CHECK_NOT,
    CHECK_ROLE,       /* role:match */
    CHECK_RULE,       /* rule:name */
    CHECK_CREDENTIAL, /* name.of.credential:match */
    CHECK_LITERAL,    /* 'text':match */
    CHECK_REMOTE      /* http:match, https:match */
};

/* One piece of a text with %(keys)s in it. */
struct piece {
    const char *text; /* as it stands; NULL: the key's value */
    size_t n;
    struct policy_key key;
    char conversion; /* s, r or d, after Python's printf formatting */
    bool left, zero;
    int width, precision; /* precision -1: none */
};

struct match {
    struct piece *pieces;
    size_t n, cap;
    bool broken; /* Python would refuse to format it */
};

enum credential {
    CREDENTIAL_UNKNOWN,
    CREDENTIAL_USER,
    CREDENTIAL_USER_DOMAIN,
    CREDENTIAL_SYSTEM_SCOPE,
    CREDENTIAL_SYSTEM,
    CREDENTIAL_DOMAIN,
    CREDENTIAL_PROJECT,
    CREDENTIAL_PROJECT_DOMAIN,
    CREDENTIAL_ROLES,
    CREDENTIAL_IS_ADMIN_PROJECT,
    CREDENTIAL_SERVICE_USER,
    CREDENTIAL_SERVICE_USER_DOMAIN,
    CREDENTIAL_SERVICE_PROJECT,
    CREDENTIAL_SERVICE_PROJECT_DOMAIN,
    CREDENTIAL_SERVICE_ROLES,
    CREDENTIALS
};
extern const char *const credential_names[CREDENTIALS];

struct rule;

struct check {
    enum check_kind kind;
    unsigned depth;
    struct check **parts; /* of AND, OR, NOT */
    size_t n_parts, cap_parts;
    const char *name;        /* RULE: its name; LITERAL: its value; REMOTE: "http" or "https" */
    const struct rule *rule; /* RULE: what it stands for, once the set is whole; NULL: nothing */
    enum credential credential;
    bool deeper; /* CREDENTIAL: the path goes on below the value, where nothing is */
    struct match match;
};

enum { CHECK_DEPTH_MAX = 64, EVALUATION_DEPTH_MAX = 256, EVALUATION_STEPS_MAX = 100000 };

/* What the parser tells about texts it cannot understand. */
struct parse_notes {
    void (*say)(enum log_level level, const char *text);
    const char *rule; /* for the message */
    bool *wrong;      /* set when there is something to tell; may be NULL */
};

/* Never fails: what cannot be understood denies, as it does in oslo.policy, and is said. */
struct check *policy_parse(struct arena *a, const char *text, const struct parse_notes *notes);
/* One atom, as it also stands in the old lists of lists. */
struct check *policy_parse_atom(struct arena *a, const char *text, const struct parse_notes *notes);
struct check *check_make(struct arena *a, enum check_kind kind);
void check_add(struct arena *a, struct check *to, struct check *part);
void match_parse(struct arena *a, const char *text, struct match *ret);
/* What str() of a Python literal gives; NULL: it is none. */
const char *literal_parse(struct arena *a, const char *text);

/* ---- files ---- */

struct raw_rule {
    const char *name;
    const char *expression; /* as text, for people too */
    struct check *check;
    const char *file;
    unsigned line;
    bool added;
};
struct raw_rules {
    struct raw_rule *items;
    size_t n, cap;
};

/* What is on disk now: files in the order in which they count, and a sum that changes with any of them. */
struct policy_files {
    const char **paths;
    size_t n, cap;
    bool has_main; /* paths[0] is policy_file */
    bool unseen;   /* there may be more: a directory could not be opened for want of descriptors or memory */
    uint64_t sum;
    int64_t newest_us; /* the latest change, by the wall clock */
};
void policy_files_find(struct arena *a, const struct policy_options *o, struct policy_files *ret);
/* Appends the rules of one file; ERROR_INVALID with file and line. */
int policy_file_load(struct arena *a, const char *path, const struct policy_options *o, struct raw_rules *ret,
                     struct error *e) MUST_CHECK;
/* The same from memory, for the fuzzer and the tests. */
int policy_text_load(struct arena *a, const char *path, const char *text, size_t n,
                     const struct policy_options *o, struct raw_rules *ret, struct error *e) MUST_CHECK;

/* ---- their changes ---- */

/* Of one process, for the calls of one thread at a time; all zero: not started. */
struct policy_watch {
    pid_t pid;    /* the process that made it; 0: none */
    int fd;       /* inotify; < 0: there is none */
    bool blind;   /* something is where inotify sees nothing: the known files are looked at too */
    int dirs[16]; /* watch descriptors of policy_dirs, where every name counts */
    size_t n_dirs;
    uint64_t written[16]; /* files that are open for writing */
    size_t n_written;
    struct arena *arena; /* of known */
    const char **known;
    size_t n_known;
    uint64_t known_sum;
};
/* POLICY_UNFINISHED: something changed, and a file may still be being written. */
enum policy_news { POLICY_SAME, POLICY_UNFINISHED, POLICY_CHANGED };
/* Begins to watch, in this process. Changes from here on are reported. */
void policy_watch_start(struct policy_watch *w, const struct policy_options *o);
/* Watches the files that were found, too; to be called before they are read. Does nothing before the start.
 */
void policy_watch_files(struct policy_watch *w, const struct policy_options *o, const struct policy_files *f);
/* What policy_watch_quiet() takes, in this process; -1: policy_watch_ask() has to be called. */
int policy_watch_fd(const struct policy_watch *w);
/* Whether policy_watch_ask() would have nothing to tell; from any thread. */
bool policy_watch_quiet(int fd);
enum policy_news policy_watch_ask(struct policy_watch *w, const struct policy_options *o);
/* What stat(2) says of the known files. */
uint64_t policy_watch_sum(const struct policy_watch *w);
void policy_watch_stop(struct policy_watch *w);

/* ---- sets ---- */

struct rule {
    const char *name, *expression;
    const struct check *check;
    const char *file;
    unsigned line;
    bool any_scope, widened;
    bool added;            /* a struct policy_added */
    const char *undefined; /* of an added one: a rule it refers to that is not defined; NULL: none */
};

struct policy_rules {
    _Atomic int refs;
    struct arena *arena;
    struct policy_options options;
    struct rule *rules; /* sorted by name */
    size_t n;
    const struct rule *fallback; /* default_rule; NULL: none */
    bool remote;
};

/* A set out of the defaults and what files said; raw's memory is the arena's, which the set takes over. */
struct policy_rules *policy_rules_make(struct arena *a, const struct policy_options *o,
                                       const struct raw_rules *raw);
/* Appends an added rule; ERROR_INVALID when it is not understood. */
int policy_added_load(struct arena *a, const struct policy_added *added, struct raw_rules *ret,
                      struct error *e) MUST_CHECK;
/* Whether what added rules refer to is there. */
int policy_added_check(const struct policy_rules *r, struct error *e) MUST_CHECK;
const struct rule *policy_rule_find(const struct policy_rules *r, const char *name);

/* ---- evaluation ---- */

enum verdict { VERDICT_NO, VERDICT_YES, VERDICT_BROKEN };

struct evaluation {
    const struct policy_rules *rules;
    const struct identity *identity;
    const struct policy_target *target;
    const char *asked; /* the rule that was asked for by name */
    unsigned depth, steps;
};
enum verdict policy_evaluate(struct evaluation *ev, const struct check *c);
enum verdict policy_ask(const struct policy_rules *r, const struct identity *id, const char *rule,
                        const struct policy_target *target);

/* The match with its keys filled in. */
enum verdict match_format(const struct match *m, const struct policy_target *t, struct str *out);
void value_write(const struct policy_value *v, struct str *out);
/* policy_target.c: the number of a known attribute. */
int policy_attribute(const char *name);

enum verdict policy_remote(const struct evaluation *ev, const struct check *c);

#endif
