/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/stat.h>

#include "host/host.h"

void host_settings_mark(const struct config *c, char ret[HOST_SETTINGS_MAX])
{
    CLEANUP(str_done) struct str text = STR_INIT;

    for (const char *const *f = conf_files(c); *f; f++) {
        struct stat st = { 0 };

        (void)stat(*f, &st);
        str_addf(&text, "%s %lld %lld.%ld\n", *f, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                 st.st_mtim.tv_nsec);
    }
    snprintf(ret, HOST_SETTINGS_MAX, "%016llx", (unsigned long long)http_hash(str_text(&text), text.len));
}
