/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions as text -> trees. The grammar is that of oslo.policy 6 (_parser.py): words between blanks, with
 * parentheses at their ends, reduced greedily; so what it takes and what it refuses is the same, however odd.
 */
#include "auth/policy_private.h"

#include <string.h>

/* ---- trees ---- */

struct check *check_make(struct arena *a, enum check_kind kind)
{
    struct check *c = arena_new(a, struct check);

    c->kind = kind;
    c->depth = 1;
    return c;
}

void check_add(struct arena *a, struct check *to, struct check *part)
{
    *ARENA_PUSH(a, to->parts, to->n_parts, to->cap_parts) = part;
    if (part->depth + 1 > to->depth)
        to->depth = part->depth + 1;
}

static struct check *check_join(struct arena *a, enum check_kind kind, struct check *left,
                                struct check *right)
{
    struct check *c = check_make(a, kind);

    check_add(a, c, left);
    check_add(a, c, right);
    return c;
}

static void say(const struct parse_notes *notes, const char *text, const char *why)
{
    CLEANUP(str_done) struct str line = STR_INIT;

    if (notes && notes->wrong)
        *notes->wrong = true;
    if (!notes || !notes->say)
        return;
    str_addf(&line, "policy rule %s: '%s' %s: it lets nobody", notes->rule, text, why);
    notes->say(LOG_ERROR, str_text(&line));
}

/* ---- %(keys)s, by Python's rules for formatting with a mapping ---- */

static void match_text(struct arena *a, struct match *m, const char *text, size_t n)
{
    struct piece *p;

    if (n == 0)
        return;
    p = ARENA_PUSH(a, m->pieces, m->n, m->cap);
    *p = (struct piece){ .text = arena_strn(a, text, n), .n = n };
}

/* The end of "(key)", whose parentheses may nest; NULL when it has none. */
static const char *key_end(const char *p)
{
    int open = 0;

    for (; *p; p++) {
        open += *p == '(';
        open -= *p == ')';
        if (open == 0)
            return p;
    }
    return NULL;
}

/* At most four digits; more are refused by the caller's bound. */
static const char *number_read(const char *p, int *ret)
{
    for (*ret = 0; *p >= '0' && *p <= '9'; p++)
        if (*ret < 10000)
            *ret = *ret * 10 + (*p - '0');
    return p;
}

/* Reads what follows a '%'; NULL when Python would refuse it, or it asks for more than a policy needs. */
static const char *key_parse(struct arena *a, const char *p, struct match *m)
{
    struct piece piece = { .precision = -1 };
    const char *end = *p == '(' ? key_end(p) : NULL;
    bool bad;

    if (!end)
        return NULL;
    piece.key.name = arena_strn(a, p + 1, (size_t)(end - p - 1));
    piece.key.attribute = policy_attribute(piece.key.name);
    for (p = end + 1; *p && strchr("-0+ #", *p); p++) {
        piece.left |= *p == '-';
        piece.zero |= *p == '0';
    }
    p = number_read(p, &piece.width);
    if (*p == '.')
        p = number_read(p + 1, &piece.precision);
    p += *p && strchr("hlL", *p);
    bad = !*p || !strchr("sradiu", *p) || piece.width > 1000 || piece.precision > 1000;
    piece.conversion = bad ? '?' : strchr("diu", *p) ? 'd' : *p;
    *ARENA_PUSH(a, m->pieces, m->n, m->cap) = piece; /* also a bad one: its key is looked up first */
    return bad ? NULL : p + 1;
}

void match_parse(struct arena *a, const char *text, struct match *ret)
{
    memset(ret, 0, sizeof *ret);
    while (*text) {
        size_t n = strcspn(text, "%");

        match_text(a, ret, text, n);
        text += n;
        if (!*text)
            return;
        text++;
        if (*text == '%') {
            match_text(a, ret, text++, 1);
            continue;
        }
        text = key_parse(a, text, ret);
        if (!text) {
            ret->broken = true;
            return;
        }
    }
}

/* ---- atoms ---- */

const char *const credential_names[CREDENTIALS] = {
    [CREDENTIAL_UNKNOWN] = "",
    [CREDENTIAL_USER] = "user_id",
    [CREDENTIAL_USER_DOMAIN] = "user_domain_id",
    [CREDENTIAL_SYSTEM_SCOPE] = "system_scope",
    [CREDENTIAL_SYSTEM] = "system",
    [CREDENTIAL_DOMAIN] = "domain_id",
    [CREDENTIAL_PROJECT] = "project_id",
    [CREDENTIAL_PROJECT_DOMAIN] = "project_domain_id",
    [CREDENTIAL_ROLES] = "roles",
    [CREDENTIAL_IS_ADMIN_PROJECT] = "is_admin_project",
    [CREDENTIAL_SERVICE_USER] = "service_user_id",
    [CREDENTIAL_SERVICE_USER_DOMAIN] = "service_user_domain_id",
    [CREDENTIAL_SERVICE_PROJECT] = "service_project_id",
    [CREDENTIAL_SERVICE_PROJECT_DOMAIN] = "service_project_domain_id",
    [CREDENTIAL_SERVICE_ROLES] = "service_roles",
};

/* Whether the text before the ':' names a credential: identifiers joined by '.', or by an operator, which
 * Python reads and does not compute. */
static bool is_path(const char *kind)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char *const keywords[] = {
        "and",    "as",   "assert", "async",  "await",  "break",  "class",    "continue",
        "def",    "del",  "elif",   "else",   "except", "for",    "finally",  "from",
        "global", "if",   "import", "in",     "is",     "lambda", "nonlocal", "not",
        "or",     "pass", "raise",  "return", "try",    "while",  "with",     "yield",
    };

    kind += str_starts(kind, "not ") ? 4 : 0;
    for (;;) {
        size_t n = 0;

        if ((!*kind || !strchr(first, *kind)) && !((unsigned char)*kind & 0x80))
            return false;
        while (kind[n] &&
               (strchr(first, kind[n]) || strchr("0123456789", kind[n]) || ((unsigned char)kind[n] & 0x80)))
            n++;
        for (size_t i = 0; i < COUNT(keywords); i++)
            if (n == strlen(keywords[i]) && memcmp(kind, keywords[i], n) == 0)
                return false;
        if (n == 0 || (kind[n] && !strchr(".-+*/%@&|^<>", kind[n])))
            return false;
        if (!kind[n])
            return true;
        kind += n + 1;
    }
}

static struct check *make_credential(struct arena *a, const char *kind)
{
    struct check *c = check_make(a, CHECK_CREDENTIAL);
    size_t n = strcspn(kind, ".");

    for (int i = 1; i < CREDENTIALS; i++)
        if (n == strlen(credential_names[i]) && memcmp(kind, credential_names[i], n) == 0)
            c->credential = (enum credential)i;
    c->deeper = kind[n] != '\0';
    return c;
}

static struct check *make_generic(struct arena *a, const char *kind)
{
    struct check *c;
    const char *value = literal_parse(a, kind);

    if (!value)
        return is_path(kind) ? make_credential(a, kind) : check_make(a, CHECK_BROKEN);
    c = check_make(a, CHECK_LITERAL);
    c->name = value;
    return c;
}

struct check *policy_parse_atom(struct arena *a, const char *text, const struct parse_notes *notes)
{
    const char *colon = strchr(text, ':'), *kind;
    struct check *c;

    if (str_eq(text, "!"))
        return check_make(a, CHECK_NEVER);
    if (str_eq(text, "@"))
        return check_make(a, CHECK_ALWAYS);
    if (!colon) {
        say(notes, text, "is no check");
        return check_make(a, CHECK_NEVER);
    }
    kind = arena_strn(a, text, (size_t)(colon - text));
    if (str_eq(kind, "rule")) {
        c = check_make(a, CHECK_RULE);
        c->name = arena_str(a, colon + 1);
        return c;
    }
    if (str_eq(kind, "role")) {
        c = check_make(a, CHECK_ROLE);
    } else if (str_eq(kind, "http") || str_eq(kind, "https")) {
        c = check_make(a, CHECK_REMOTE);
        c->name = kind;
    } else {
        c = make_generic(a, kind);
    }
    match_parse(a, colon + 1, &c->match);
    if (c->kind == CHECK_BROKEN || c->match.broken)
        say(notes, text, "cannot be evaluated");
    return c;
}

/* ---- expressions ---- */

enum token {
    TOKEN_CHECK,
    TOKEN_ALL,
    TOKEN_ANY,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_QUOTED
};

struct item {
    enum token token;
    struct check *check; /* of CHECK, ALL (an and that may grow) and ANY (an or that may grow) */
};

struct parser {
    struct arena *arena;
    const struct parse_notes *notes;
    struct item *stack;
    size_t n, cap;
};

static void replace(struct parser *p, size_t n, enum token token, struct check *check)
{
    p->n -= n;
    *ARENA_PUSH(p->arena, p->stack, p->n, p->cap) = (struct item){ token, check };
}

/* 'A or B and C': the last alternative takes C in. */
static struct check *extend_last(struct parser *p, struct check *any, struct check *c)
{
    struct check **last = &any->parts[any->n_parts - 1];

    *last = check_join(p->arena, CHECK_AND, *last, c);
    if ((*last)->depth + 1 > any->depth)
        any->depth = (*last)->depth + 1;
    return any;
}

static bool reduce_three(struct parser *p)
{
    const struct item *i = p->stack + p->n - 3;
    struct check *left = i[0].check, *right = i[2].check;

    if (i[0].token == TOKEN_OPEN && i[2].token == TOKEN_CLOSE && i[1].token <= TOKEN_ANY)
        return replace(p, 3, TOKEN_CHECK, i[1].check), true;
    if (i[2].token != TOKEN_CHECK)
        return false;
    if (i[1].token == TOKEN_AND && i[0].token == TOKEN_CHECK)
        return replace(p, 3, TOKEN_ALL, check_join(p->arena, CHECK_AND, left, right)), true;
    if (i[1].token == TOKEN_AND && i[0].token == TOKEN_ALL)
        return check_add(p->arena, left, right), replace(p, 3, TOKEN_ALL, left), true;
    if (i[1].token == TOKEN_AND && i[0].token == TOKEN_ANY)
        return replace(p, 3, TOKEN_ANY, extend_last(p, left, right)), true;
    if (i[1].token == TOKEN_OR && i[0].token <= TOKEN_ALL)
        return replace(p, 3, TOKEN_ANY, check_join(p->arena, CHECK_OR, left, right)), true;
    if (i[1].token == TOKEN_OR && i[0].token == TOKEN_ANY)
        return check_add(p->arena, left, right), replace(p, 3, TOKEN_ANY, left), true;
    return false;
}

static bool reduce_two(struct parser *p)
{
    const struct item *i = p->stack + p->n - 2;
    struct check *c;

    if (i[0].token != TOKEN_NOT || i[1].token != TOKEN_CHECK)
        return false;
    c = check_make(p->arena, CHECK_NOT);
    check_add(p->arena, c, i[1].check);
    replace(p, 2, TOKEN_CHECK, c);
    return true;
}

static void shift(struct parser *p, enum token token, struct check *check)
{
    *ARENA_PUSH(p->arena, p->stack, p->n, p->cap) = (struct item){ token, check };
    while ((p->n >= 3 && reduce_three(p)) || (p->n >= 2 && reduce_two(p)))
        ;
}

static bool is_quoted(const char *word, size_t n)
{
    return n >= 2 && word[0] == word[n - 1] && (word[0] == '"' || word[0] == '\'');
}

/* One word: parentheses before, an operator or a check, parentheses behind. */
static void shift_word(struct parser *p, const char *word, size_t n)
{
    size_t behind = 0;
    const char *clean;
    bool quoted;

    for (; n > 0 && *word == '('; word++, n--)
        shift(p, TOKEN_OPEN, NULL);
    quoted = is_quoted(word, n);
    for (; n > 0 && word[n - 1] == ')'; n--)
        behind++;
    clean = arena_strn(p->arena, word, n);
    if (str_eq_nocase(clean, "and"))
        shift(p, TOKEN_AND, NULL);
    else if (str_eq_nocase(clean, "or"))
        shift(p, TOKEN_OR, NULL);
    else if (str_eq_nocase(clean, "not"))
        shift(p, TOKEN_NOT, NULL);
    else if (quoted)
        shift(p, TOKEN_QUOTED, NULL);
    else if (n > 0)
        shift(p, TOKEN_CHECK, policy_parse_atom(p->arena, clean, p->notes));
    while (behind-- > 0)
        shift(p, TOKEN_CLOSE, NULL);
}

struct check *policy_parse(struct arena *a, const char *text, const struct parse_notes *notes)
{
    static const char blanks[] = " \t\n\v\f\r\x1c\x1d\x1e\x1f";
    struct parser p = { .arena = a, .notes = notes };
    struct check *c;

    if (!*text)
        return check_make(a, CHECK_ALWAYS);
    for (const char *word = text + strspn(text, blanks); *word;) {
        size_t n = strcspn(word, blanks);

        shift_word(&p, word, n);
        word += n + strspn(word + n, blanks);
    }
    if (p.n != 1 || p.stack[0].token > TOKEN_ANY) {
        say(notes, text, "cannot be parsed");
        return check_make(a, CHECK_NEVER);
    }
    c = p.stack[0].check;
    if (c->depth <= CHECK_DEPTH_MAX)
        return c;
    say(notes, text, "is nested too deeply");
    return check_make(a, CHECK_BROKEN);
}
