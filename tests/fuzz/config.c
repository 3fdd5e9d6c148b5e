/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: what is read can be shown, and what is shown reads back as the same. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static int read_bytes(const void *data, size_t len, struct config **ret)
{
    const char *files[] = { "/proc/self/fd/900", NULL };
    struct config_input in = { .options = conf_options, .files = files };
    int fd = memfd_create("config", 0), failed;
    struct error e;

    check(fd >= 0 && dup2(fd, 900) == 900 && write(fd, data, len) == (ssize_t)len);
    close(fd);
    failed = config_read(&in, ret, &e);
    check(!failed || (e.kind == ERROR_INVALID && strlen(e.message) > 0));
    close(900);
    return failed;
}

/* Without the lines that say where a value came from. */
static void drop_comments(struct str *text)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    for (const char *p = str_text(text); *p;) {
        size_t n = strcspn(p, "\n");

        if (*p != '#')
            str_addf(&out, "%.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
    str_clear(text);
    str_add(text, str_text(&out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(str_done) struct str once = STR_INIT, twice = STR_INIT;
    struct config *c = NULL;

    if (read_bytes(data, len, &c) < 0)
        return 0;
    config_show(c, false, &once);
    config_free(c);
    check(read_bytes(str_text(&once), once.len, &c) == 0);
    config_show(c, false, &twice);
    config_free(c);
    drop_comments(&once);
    drop_comments(&twice);
    check(strcmp(str_text(&once), str_text(&twice)) == 0);
    return 0;
}
