/* SPDX-License-Identifier: Apache-2.0 */
/* Python's regular expressions by PCRE2. The two languages agree but for what is rewritten or refused here;
 * facts: the Python library reference, "re", and pcre2pattern(3). What Python would not compile is refused,
 * so that a pattern means here what it means there or nothing. */
#include "auth/protection_private.h"

#include <ctype.h>
#include <string.h>

struct rewriter {
    struct arena *arena;
    struct str out;
    const char *at;
    bool in_class;
    const char *why; /* NULL: nothing is wrong yet */
};

static void rewriter_done(struct rewriter *w)
{
    str_done(&w->out);
}

/* \xhh, \uhhhh, \Uhhhhhhhh */
static void code_point(struct rewriter *w, size_t digits)
{
    size_t n = strspn(w->at + 2, "0123456789abcdefABCDEF");

    if (n < digits) {
        w->why = arena_printf(w->arena, "incomplete escape \\%c", w->at[1]);
        return;
    }
    str_addf(&w->out, "\\x{%.*s}", (int)digits, w->at + 2);
    w->at += 2 + digits;
}

/* \0, \ooo and everything in a class is a character, \n and \nn a group; PCRE guesses. */
static void number(struct rewriter *w)
{
    const char *digits = w->at + 1;
    size_t n = strspn(digits, "01234567");

    if (n > 3)
        n = 3;
    if (*digits != '0' && n < 3 && !w->in_class) {
        n = isdigit((unsigned char)digits[1]) ? 2 : 1;
        str_addf(&w->out, "\\g{%.*s}", (int)n, digits);
    } else if (n == 0 || (n == 3 && *digits > '3')) {
        w->why = arena_printf(w->arena, "unknown escape \\%.*s", (int)(n ? n : 1), digits);
    } else {
        unsigned code = 0;

        for (size_t i = 0; i < n; i++)
            code = code * 8 + (unsigned)(digits[i] - '0');
        str_addf(&w->out, "\\x{%x}", code);
    }
    w->at += 1 + n;
}

/* What both languages call by the same letter, outside and inside of [classes]. */
static bool is_common(char letter, bool in_class)
{
    return strchr("dDsSwWnrtfb", letter) || (!in_class && strchr("AB", letter));
}

static void escape(struct rewriter *w)
{
    char letter = w->at[1];

    if (letter == 'x' || letter == 'u' || letter == 'U') {
        code_point(w, letter == 'x' ? 2 : letter == 'u' ? 4 : 8);
        return;
    }
    if (isdigit((unsigned char)letter)) {
        number(w);
        return;
    }
    if (letter == '\0')
        w->why = "a backslash at its end";
    else if ((letter == 'Z' || letter == 'z') && !w->in_class)
        str_add(&w->out, "\\z");
    else if (letter == 'a')
        str_add(&w->out, "\\x07");
    else if (letter == 'v')
        str_add(&w->out, "\\x0b");
    else if (isascii(letter) && isalpha((unsigned char)letter) && !is_common(letter, w->in_class))
        w->why = arena_printf(w->arena, "unknown escape \\%c", letter);
    else
        str_addn(&w->out, w->at, 2);
    w->at += 2;
}

/* Nothing in it means anything, but that a backslash takes the next character along. */
static void skip_remark(struct rewriter *w)
{
    while (*w->at && *w->at != ')')
        w->at += w->at[0] == '\\' && w->at[1] ? 2 : 1;
    if (*w->at)
        w->at++;
    else
        w->why = "missing ')' after a remark";
}

/* "(" and what makes it more than a group: only Python's own forms. */
static void open_group(struct rewriter *w)
{
    const char *form = w->at + 2;
    bool known = true;

    if (w->at[1] == '*') {
        w->why = "nothing to repeat after '('";
        return;
    }
    if (w->at[1] != '?') {
        str_addc(&w->out, *w->at++);
        return;
    }
    if (*form == 'P')
        known = form[1] == '<' || form[1] == '=';
    else if (*form == '<')
        known = form[1] == '=' || form[1] == '!';
    else
        known = *form && strchr(":#=!(>aiLmsux-", *form);
    if (!known) {
        w->why = "unknown extension after '(?'";
        return;
    }
    if (*form == '#') {
        skip_remark(w);
        return;
    }
    str_add(&w->out, "(?");
    w->at += 2;
}

static void open_class(struct rewriter *w)
{
    w->in_class = true;
    str_addc(&w->out, *w->at++);
    if (*w->at == '^')
        str_addc(&w->out, *w->at++);
    if (*w->at == ']') {
        str_add(&w->out, "\\]");
        w->at++;
    } else if (*w->at && strchr(":.=", *w->at)) { /* else taken for [:a:] without its second pair */
        str_addf(&w->out, "\\%c", *w->at++);
    }
}

/* Python has no [:alpha:], and {,3} is {0,3} there. */
static void plain(struct rewriter *w)
{
    if (w->in_class && *w->at == '[')
        str_addc(&w->out, '\\');
    if (w->in_class && *w->at == ']')
        w->in_class = false;
    str_addc(&w->out, *w->at);
    if (!w->in_class && w->at[0] == '{' && w->at[1] == ',' &&
        w->at[2 + strspn(w->at + 2, "0123456789")] == '}')
        str_addc(&w->out, '0');
    w->at++;
}

static void rewrite(struct rewriter *w)
{
    while (!w->why && *w->at) {
        if (*w->at == '\\')
            escape(w);
        else if (*w->at == '(' && !w->in_class)
            open_group(w);
        else if (*w->at == '[' && !w->in_class)
            open_class(w);
        else
            plain(w);
    }
}

pcre2_code *pattern_compile(struct arena *a, const char *python, const char **ret_why)
{
    CLEANUP(rewriter_done) struct rewriter w = { .arena = a, .out = STR_INIT, .at = python };
    pcre2_compile_context *context;
    pcre2_code *code;
    PCRE2_UCHAR why[200];
    PCRE2_SIZE at;
    int error;

    rewrite(&w);
    *ret_why = w.why;
    if (w.why)
        return NULL;
    context = pcre2_compile_context_create(NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    code = pcre2_compile((PCRE2_SPTR)str_text(&w.out), w.out.len,
                         PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, context);
    pcre2_compile_context_free(context);
    if (!code) {
        pcre2_get_error_message(error, why, sizeof why);
        *ret_why = arena_str(a, (const char *)why);
    }
    return code;
}
