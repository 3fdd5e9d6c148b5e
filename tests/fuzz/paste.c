/* SPDX-License-Identifier: Apache-2.0 */
/* Paste files: any text is a pipeline or is refused with a message. */
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

static struct config *make_config(void)
{
    static const char *const overrides[] = { "paste_deploy.config_file=/proc/self/fd/900", NULL };
    struct config_input in = { .options = conf_options, .overrides = overrides };
    struct config *c = NULL;
    struct error e;

    check(config_read(&in, &c, &e) == 0);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct config *c;
    struct pipeline *p = NULL;
    struct error e;
    int fd = memfd_create("paste", 0);

    if (!c)
        c = make_config();
    check(fd >= 0 && dup2(fd, 900) == 900 && write(fd, data, len) == (ssize_t)len);
    close(fd);
    if (pipeline_load(c, &p, &e) < 0) {
        check(e.kind == ERROR_INVALID && strlen(e.message) > 0);
    } else {
        check(pipeline_has(p, FILTER_CONTEXT) || pipeline_has(p, FILTER_UNAUTHENTICATED));
        for (size_t i = 0; i < p->n_filters; i++)
            check(p->filters[i].kind < FILTER_KINDS && p->filters[i].name && p->filters[i].options);
    }
    pipeline_free(p);
    close(900);
    return 0;
}
