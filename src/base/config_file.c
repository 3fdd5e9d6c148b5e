/* SPDX-License-Identifier: Apache-2.0 */
/* The line syntax of oslo.config's files (iniparser.py), shared by paste files.
 *
 * Our own reader, because the INI library at hand (inih) tells no line numbers of values, its Debian build
 * cuts "inline comments" out of values, which oslo.config keeps, and it joins or limits lines in its own way.
 * A password with " ;" in it and an error message with file:line are worth these lines. */
#include "base/config_private.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONFIG_FILE_MAX = 8 * 1024 * 1024 };

struct reader {
    const char *path;
    unsigned lineno;
    struct str section, key, value;
    unsigned key_line; /* 0: no value is being collected */
    int (*line)(void *, const char *, const char *, const char *, unsigned, struct error *);
    void *arg;
};

static void reader_done(struct reader *r)
{
    str_done(&r->section);
    str_done(&r->key);
    str_done(&r->value);
}

/* A line that is no assignment may be the rest of a password. */
static int bad_line(const struct reader *r, struct error *e, const char *what)
{
    return error_set(e, ERROR_INVALID, "%s:%u: %s", r->path, r->lineno, what);
}

static int bad_section(const struct reader *r, struct error *e, const char *what, const char *line, size_t n)
{
    return error_set(e, ERROR_INVALID, "%s:%u: %s: '%.*s'", r->path, r->lineno, what, n > 200 ? 200 : (int)n,
                     line);
}

static int flush_value(struct reader *r, struct error *e)
{
    unsigned at = r->key_line;

    if (at == 0)
        return 0;
    r->key_line = 0;
    return r->line(r->arg, str_text(&r->section), str_text(&r->key), str_text(&r->value), at, e);
}

static void trim(const char **s, size_t *n)
{
    while (*n > 0 && isspace((unsigned char)**s)) {
        (*s)++;
        (*n)--;
    }
    while (*n > 0 && isspace((unsigned char)(*s)[*n - 1]))
        (*n)--;
}

static int read_section(struct reader *r, const char *s, size_t n, struct error *e)
{
    if (s[n - 1] != ']')
        return bad_section(r, e, "a section must end with ']'", s, n);
    if (n <= 2)
        return bad_section(r, e, "a section needs a name", s, n);
    str_clear(&r->section);
    str_addn(&r->section, s + 1, n - 2);
    return 0;
}

static int read_assignment(struct reader *r, const char *s, size_t n, struct error *e)
{
    const char *value, *key = s;
    size_t split = 0, key_len, value_len;

    while (split < n && s[split] != '=' && s[split] != ':')
        split++;
    if (split == n)
        return bad_line(r, e, "no '=' or ':' after the name");
    key_len = split;
    trim(&key, &key_len);
    if (key_len == 0)
        return bad_line(r, e, "no name before '=' or ':'");
    value = s + split + 1;
    value_len = n - split - 1;
    trim(&value, &value_len);
    if (value_len > 0 && (value[0] == '"' || value[0] == '\'') && value[value_len - 1] == value[0]) {
        value++;
        value_len -= value_len > 1 ? 2 : 1;
    }
    str_clear(&r->key);
    str_addn(&r->key, key, key_len);
    str_clear(&r->value);
    str_addn(&r->value, value, value_len);
    r->key_line = r->lineno;
    return 0;
}

static int read_line(struct reader *r, const char *s, size_t n, struct error *e)
{
    bool indented = n > 0 && (s[0] == ' ' || s[0] == '\t');

    while (n > 0 && isspace((unsigned char)s[n - 1]))
        n--;
    if (n == 0)
        return flush_value(r, e);
    if (memchr(s, '\0', n))
        return bad_line(r, e, "a zero byte");
    if (indented) {
        if (r->key_line == 0)
            return bad_line(r, e, "an indented line continues a value, and there is none before it");
        trim(&s, &n);
        str_addc(&r->value, '\n');
        str_addn(&r->value, s, n);
        return 0;
    }
    if (flush_value(r, e) < 0)
        return -1;
    if (s[0] == '#' || s[0] == ';')
        return 0;
    if (s[0] == '[')
        return read_section(r, s, n, e);
    return read_assignment(r, s, n, e);
}

int config_parse(const char *path, const char *text, size_t len,
                 int (*line)(void *arg, const char *section, const char *key, const char *value,
                             unsigned lineno, struct error *e),
                 void *arg, struct error *e)
{
    CLEANUP(reader_done) struct reader r = { .path = path, .line = line, .arg = arg };
    size_t at = 0;

    str_add(&r.section, "DEFAULT");
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        at = 3;
    while (at < len) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end ? (size_t)(end - text) - at : len - at;

        r.lineno++;
        if (read_line(&r, text + at, n, e) < 0)
            return -1;
        at += n + 1;
    }
    return flush_value(&r, e);
}

char *config_file_read(const char *path, size_t *ret_len, struct error *e)
{
    CLEANUP(str_done) struct str text = STR_INIT;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char buf[16384];
    ssize_t n;

    if (fd < 0) {
        error_set(e, ERROR_INVALID, "%s: cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    while ((n = read(fd, buf, sizeof buf)) > 0 && text.len <= CONFIG_FILE_MAX)
        str_addn(&text, buf, (size_t)n);
    if (n < 0)
        error_set(e, ERROR_INVALID, "%s: cannot be read: %s", path, strerror(errno));
    else if (n > 0)
        error_set(e, ERROR_INVALID, "%s: larger than a configuration file can be (%d bytes)", path,
                  CONFIG_FILE_MAX);
    close(fd);
    if (n != 0)
        return NULL;
    str_reserve(&text, 0);
    text.data[text.len] = '\0';
    *ret_len = text.len;
    return TAKE(text.data);
}
