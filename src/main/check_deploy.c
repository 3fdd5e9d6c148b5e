/* SPDX-License-Identifier: Apache-2.0 */
/* glint check-deploy URL: asks the service through whatever stands before it, and says in plain words which
 * directive of which server is wrong. It makes small images, uses them, and deletes them again. */
#include "main/deploy.h"
#include "main/main.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PAUSE_USUAL = 12, PAUSE_MAX = 3600 }; /* seconds; Debian's httpd ends a silent body after 10 */

/* Broken at blanks, with every line indented. */
static void print_wrapped(const char *text)
{
    enum { WIDTH = 90 };

    while (*text) {
        size_t n = strlen(text), end = n;

        if (n > WIDTH)
            for (end = WIDTH; end > 0 && text[end] != ' '; end--)
                ;
        if (end == 0)
            end = n;
        printf("         %.*s\n", (int)end, text);
        text += end + strspn(text + end, " ");
    }
}

static void print_result(const struct deploy *d, const struct deploy_check *c, bool good)
{
    const char *word = good ? "ok     " : c->required ? "WRONG  " : "better ";

    if (d->same) {
        printf("same     %s: it fails for the cause that '%s' tells\n", c->title, d->same);
        return;
    }
    printf("%s  %s%s%s\n", word, c->title, good ? "" : ": ", good ? "" : str_text(&d->why));
    if (!good)
        print_wrapped(d->advice ? d->advice : c->advice);
    if (d->note.len > 0) {
        printf("note     %s:\n", c->title);
        print_wrapped(str_text(&d->note));
    }
}

/* The checks that cannot be judged because others have failed are not tried: one cause is told once. */
static bool run(struct deploy *d)
{
    size_t failed = 0, advised = 0, skipped = 0;

    for (const struct deploy_check *c = deploy_checks; c->title; c++) {
        bool good;

        if ((c->needs & d->have) != c->needs) {
            printf("skipped  %s\n", c->title);
            skipped++;
            continue;
        }
        str_clear(&d->why);
        str_clear(&d->note);
        d->advice = d->same = NULL;
        good = c->run(d);
        print_result(d, c, good);
        fflush(stdout);
        if (good)
            d->have |= c->gives;
        failed += !good && c->required;
        advised += !good && !c->required;
        if (!good && c == deploy_checks)
            break; /* no server there: the other checks would say the same */
    }
    printf("\n%s%s%s: %zu wrong, %zu could be better", d->place.url, *d->server ? " through " : "", d->server,
           failed, advised);
    if (skipped > 0)
        printf(", %zu not tried: %s", skipped,
               d->have & HAVE_IMAGE ? "what is wrong has to be mended first" : "an image is needed");
    putchar('\n');
    return failed == 0;
}

static void read_headers(struct deploy *d, const struct command_line *cl)
{
    const char *token = getenv("OS_TOKEN");
    const char **headers = arena_array(d->arena, const char *, WORDS_MAX + 1);
    size_t n = 0;

    if (token && *token)
        headers[n++] = arena_printf(d->arena, "X-Auth-Token: %s", token);
    for (size_t i = 0; i < cl->n_asked && n < WORDS_MAX; i++) {
        if (!str_starts(cl->asked[i], "header="))
            continue;
        headers[n] = cl->asked[i] + strlen("header=");
        d->identity |= strncasecmp(headers[n], "X-Identity-Status:", strlen("X-Identity-Status:")) == 0;
        n++;
    }
    d->place.headers = headers;
}

static bool read_pause(struct deploy *d, const struct command_line *cl)
{
    uint64_t seconds = PAUSE_USUAL;

    for (size_t i = 0; i < cl->n_asked; i++)
        if (str_starts(cl->asked[i], "pause=") &&
            !str_to_u64(cl->asked[i] + strlen("pause="), PAUSE_MAX, &seconds))
            return false;
    d->pause_s = (unsigned)seconds;
    return true;
}

int check_deploy_main(const struct command_line *cl)
{
    struct deploy d = { .arena = cl->arena, .why = STR_INIT, .note = STR_INIT, .server = "" };
    const char *url = cl->n_words > 1 ? cl->words[1] : NULL;
    bool good;

    if (!url || !probe_place_read(cl->arena, url, &d.place)) {
        fprintf(stderr, "glint: check-deploy needs the address of the service, http://… or https://…, as "
                        "clients use it\n");
        return EXIT_USAGE;
    }
    if (!read_pause(&d, cl)) {
        fprintf(stderr, "glint: check-deploy --pause takes seconds, 0 to %d\n", PAUSE_MAX);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    d.place.insecure = cl->insecure;
    read_headers(&d, cl);
    d.data = mem_new(DEPLOY_CHUNK_LARGE);
    for (size_t i = 0; i < DEPLOY_CHUNK_LARGE; i++)
        d.data[i] = (char)(i * 2654435761U >> 13);
    good = run(&d);
    deploy_image_drop(&d, d.image);
    mem_free(d.data);
    str_done(&d.why);
    str_done(&d.note);
    return good ? EXIT_OK : EXIT_FAILED;
}
