/* SPDX-License-Identifier: Apache-2.0 */
/* qemu-inspect [--seed N] [--seconds N] [--cases N] [--only FORMAT] [--save DIR] [--opens LIBRARY] [FILE...]
 *
 * Makes images that are likely to be read in two ways, asks our inspector and then the real qemu-img: when
 * any disk_format and policy would accept an image, and qemu-img opens anything but the image itself, told
 * the format or guessing it, that is a failure. --seconds are CPU seconds, qemu-img's included. FILEs are
 * images in the form of patches.h, tried before. Ends with "N passed, N failed"; exit status 77 when there
 * is no qemu-img. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inspect/inspect.h"
#include "qemu/mutate.h"
#include "qemu/opens.h"
#include "qemu/patches.h"

extern char **environ;

enum { NAMES_MAX = 64, NAME_MAX_LEN = 4096, REFUSED_TRIED = 32 };

/* "FILE" and "OTHER" stand for paths: what is made, and what it refers to. */
struct seed {
    const char *name, *create; /* arguments of qemu-img, separated by blanks; NULL is an empty file */
    struct mutation how;
    bool refers; /* as it is, QEMU opens OTHER */
};

static const char *names[] = {
    "OTHER", "other", "/etc/passwd", "../other", "json:{\"driver\":\"null-co\"}", "nbd://127.0.0.1:1/"
};

#define PLAIN                                                                                                \
    {                                                                                                        \
        .names = names, .n_names = COUNT(names)                                                              \
    }
#define TEXT                                                                                                 \
    {                                                                                                        \
        .text = true, .names = names, .n_names = COUNT(names)                                                \
    }
#define SPARSE                                                                                               \
    {                                                                                                        \
        .text = true, .sparse = true, .names = names, .n_names = COUNT(names)                                \
    }

static const struct seed seeds[] = {
    { "raw", NULL, PLAIN, false },
    { "raw-text", NULL, TEXT, false },
    { "qcow2", "create -q -f qcow2 -F raw -b OTHER FILE 1M", PLAIN, true },
    { "qcow2-alone", "create -q -f qcow2 FILE 1M", PLAIN, false },
    { "qcow2-v2", "create -q -f qcow2 -o compat=0.10 -F raw -b OTHER FILE 1M", PLAIN, true },
    { "qcow2-data-file", "create -q -f qcow2 -o data_file=OTHER FILE 64K", PLAIN, true },
    { "qcow", "create -q -f qcow -F raw -b OTHER FILE 1M", PLAIN, true },
    { "qed", "create -q -f qed -F raw -b OTHER FILE 1M", PLAIN, true },
    { "vmdk", "create -q -f vmdk FILE 1M", SPARSE, false },
    { "vmdk-parent", "create -q -f vmdk -F vmdk -b PARENT FILE 1M", SPARSE, true },
    { "vmdk-streamOptimized", "create -q -f vmdk -o subformat=streamOptimized FILE 1M", SPARSE, false },
    { "vmdk-text", "create -q -f vmdk -o subformat=monolithicFlat FILE 64K", TEXT, true },
    { "vhdx", "create -q -f vhdx FILE 1M", PLAIN, false },
    { "vhd", "create -q -f vpc FILE 1M", PLAIN, false },
    { "vhd-fixed", "create -q -f vpc -o subformat=fixed FILE 64K", PLAIN, false },
    { "vdi", "create -q -f vdi FILE 1M", PLAIN, false },
    { "ploop", "create -q -f parallels FILE 1M", PLAIN, false },
};

/* disk_format, and the name that QEMU has for it. */
static const char *const formats[][2] = {
    { "vmdk", "vmdk" },       { "qcow2", "qcow2" }, { "vhd", "vpc" }, { "vhdx", "vhdx" }, { "vdi", "vdi" },
    { "ploop", "parallels" }, { "raw", NULL },      { "iso", NULL },  { "ami", NULL },
};

static struct {
    int in, out; /* of qemu-img */
    pid_t pid;
    char dir[64], path[96], other[96], parent[96], *save;
    uint64_t seed, cases, asked, opening, failed;
    char known[NAMES_MAX][NAME_MAX_LEN]; /* opened for any image */
    size_t n_known;
} run;

static struct image image, made[COUNT(seeds)];

static void die(const char *what)
{
    fprintf(stderr, "qemu-inspect: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- qemu-img ---- */

static void qemu_start(const char *library)
{
    char *const argv[] = { (char *)"qemu-img", NULL };
    int in[2], out[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
    posix_spawn_file_actions_t actions;
    int rc;

    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || null < 0)
        die("pipe");
    setenv("LD_PRELOAD", library, 1);
    setenv("QEMU_OPENS", "1", 1);
    setenv("TZ", "UTC0", 1); /* else a list of snapshots opens the zone's file */
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], OPENS_IN);
    posix_spawn_file_actions_adddup2(&actions, out[1], OPENS_OUT);
    for (int fd = 0; fd <= 2; fd++)
        posix_spawn_file_actions_adddup2(&actions, null, fd);
    rc = posix_spawnp(&run.pid, "qemu-img", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    unsetenv("LD_PRELOAD");
    close(in[0]);
    close(out[1]);
    close(null);
    if (rc == ENOENT) {
        printf("there is no qemu-img: skipped\n");
        exit(77);
    }
    errno = rc;
    if (rc)
        die("qemu-img");
    run.in = in[1];
    run.out = out[0];
}

static void take(void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t now = read(run.out, (char *)bytes + done, n - done);

        if (now <= 0)
            die("qemu-img ended");
        done += (size_t)now;
    }
}

/* Also what GLib opens to write a name in the locale's character set. */
static bool is_known(const char *name)
{
    if (str_starts(name, "/usr/lib/") && str_ends(name, "/charset.alias"))
        return true;
    for (size_t i = 0; i < run.n_known; i++)
        if (str_eq(run.known[i], name))
            return true;
    return false;
}

/* Runs one command line of NUL-ended words; true when it opened anything else than what is known, whose name
 * is then in opened (may be NULL). learn: it is known from now on. */
static bool qemu_run(const char *line, size_t n, bool learn, char *opened)
{
    static char name[NAME_MAX_LEN];
    uint32_t head = (uint32_t)n, status;
    bool any = false;

    if (write(run.in, &head, sizeof head) != sizeof head || write(run.in, line, n) != (ssize_t)n)
        die("qemu-img does not listen");
    while (take(&head, sizeof head), head != OPENS_END) {
        if (head >= sizeof name)
            die("a name is too long");
        take(name, head);
        name[head] = 0;
        if (is_known(name))
            continue;
        if (learn && run.n_known < NAMES_MAX)
            str_copy(run.known[run.n_known++], NAME_MAX_LEN, name);
        else if (!any && opened)
            str_copy(opened, NAME_MAX_LEN, name);
        any = true;
    }
    take(&status, sizeof status);
    return any;
}

/* Opens the image with all that belongs to it. format: QEMU's, NULL to guess. */
static bool qemu_opens(const char *format, bool learn, char *opened)
{
    CLEANUP(str_done) struct str line = STR_INIT;

    str_addf(&line, "qemu-img%csnapshot%c-l%c", 0, 0, 0);
    if (format)
        str_addf(&line, "--image-opts%cdriver=%s,file.driver=file,file.filename=%s%c", 0, format, run.path,
                 0);
    else
        str_addf(&line, "%s%c", run.path, 0);
    return qemu_run(str_text(&line), line.len, learn, opened);
}

/* ---- files ---- */

static void image_write(void)
{
    int fd = open(run.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, (off_t)image.size) < 0)
        die(run.path);
    for (size_t i = 0; i < COUNT(image.used) && i * PAGE < image.size; i++) {
        size_t n = image.size - i * PAGE < PAGE ? image.size - i * PAGE : PAGE;

        if (image.used[i] && pwrite(fd, image.bytes + i * PAGE, n, (off_t)(i * PAGE)) != (ssize_t)n)
            die(run.path);
    }
    close(fd);
}

static void image_read(struct image *ret, const char *path)
{
    static uint8_t page[PAGE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        die(path);
    for (size_t at = 0; (n = pread(fd, page, sizeof page, (off_t)at)) > 0; at += (size_t)n) {
        static const uint8_t zeros[PAGE];

        if (memcmp(page, zeros, (size_t)n) != 0)
            image_put(ret, at, page, (size_t)n);
        else if (at < IMAGE_MAX)
            ret->size = at + (size_t)n;
    }
    close(fd);
}

static void image_copy(const struct image *from)
{
    image_clear(&image);
    for (size_t i = 0; i < COUNT(from->used); i++)
        if (from->used[i])
            image_put(&image, i * PAGE, from->bytes + i * PAGE, PAGE);
    image.size = from->size;
}

/* Stretches of zeros up to 32 bytes are not worth a patch. */
static void image_save(const char *why)
{
    CLEANUP(str_done) struct str path = STR_INIT;
    FILE *f;

    str_addf(&path, "%s/qemu-%llu-%llu", run.save ? run.save : "/tmp", (unsigned long long)run.seed,
             (unsigned long long)run.cases);
    f = fopen(str_text(&path), "wb");
    if (!f)
        die(str_text(&path));
    fputc(0, f);
    for (size_t at = 0; at < image.size;) {
        size_t end, zeros = 0;

        if (!image.bytes[at] && at + 1 < image.size) {
            at++;
            continue;
        }
        for (end = at; end < image.size && zeros < 32 && end - at < 60000; end++)
            zeros = image.bytes[end] ? 0 : zeros + 1;
        fprintf(f, "%c%c%c%c%c", (int)(at & 255), (int)(at >> 8 & 255), (int)(at >> 16),
                (int)((end - at) & 255), (int)((end - at) >> 8));
        fwrite(image.bytes + at, 1, end - at, f);
        at = end;
    }
    fclose(f);
    printf("%s: %s\n", str_text(&path), why);
}

/* ---- the comparison ---- */

static void image_inspect(struct inspect_verdict *ret)
{
    CLEANUP(inspect_free) struct inspect *in = inspect_begin();

    inspect_feed(in, image.bytes, image.size);
    inspect_end(in, ret);
}

static bool accepted(const struct inspect_verdict *v, const char *disk_format)
{
    const struct inspect_policy policies[] = { { .require_match = true }, { .require_match = false } };

    for (size_t i = 0; i < COUNT(policies); i++) {
        int64_t virtual_size;
        struct error e;

        error_clear(&e);
        if (inspect_decide(v, disk_format, &policies[i], &virtual_size, &e) == 0)
            return true;
    }
    return false;
}

static void fault(const char *format, const char *opened, const struct inspect_verdict *v)
{
    CLEANUP(str_done) struct str why = STR_INIT;

    run.failed++;
    str_addf(&why, "%s (%s) is accepted, and qemu-img%s%s opens %s",
             v->format ? v->format : "several formats", v->safe ? "safe" : v->why, format ? " -f " : "",
             format ? format : "", opened);
    image_save(str_text(&why));
}

/* every: all formats that QEMU could be told, else VMDK, which has no magic number, and one more. */
static void compare(bool every, struct chance *c)
{
    static char opened[NAME_MAX_LEN];
    size_t more = c ? chance_below(c, COUNT(formats)) : 0;
    struct inspect_verdict v;
    bool any = false;

    image_write();
    image_inspect(&v);
    run.cases++;
    for (size_t i = 0; i < COUNT(formats); i++) {
        if (!accepted(&v, formats[i][0]))
            continue;
        any = true;
        if (!formats[i][1] || !(every || i == 0 || i == more))
            continue;
        run.asked++;
        if (qemu_opens(formats[i][1], false, opened))
            fault(formats[i][1], opened, &v);
    }
    if (any || run.cases % REFUSED_TRIED == 0) {
        run.asked++;
        if (qemu_opens(NULL, false, opened)) {
            run.opening++;
            if (any)
                fault(NULL, opened, &v);
        }
    }
}

/* ---- seeds ---- */

static void add_word(struct str *line, const char *word, size_t n)
{
    static const struct {
        const char *word, *path;
    } paths[] = { { "FILE", run.path }, { "OTHER", run.other }, { "PARENT", run.parent } };

    for (size_t i = 0; i < COUNT(paths); i++) {
        size_t len = strlen(paths[i].word);

        if (n >= len && memcmp(word + n - len, paths[i].word, len) == 0) {
            str_addf(line, "%.*s%s%c", (int)(n - len), word, paths[i].path, 0);
            return;
        }
    }
    str_addf(line, "%.*s%c", (int)n, word, 0);
}

static void qemu_make(const char *words)
{
    CLEANUP(str_done) struct str line = STR_INIT;

    str_addf(&line, "qemu-img%c", 0);
    while (*words) {
        size_t n = strcspn(words, " ");

        add_word(&line, words, n);
        words += n + strspn(words + n, " ");
    }
    qemu_run(str_text(&line), line.len, false, NULL);
}

/* Every seed that refers to another file must be seen to open it, and must be refused: else nothing that
 * follows would mean anything. */
static void seed_make(size_t i)
{
    static char opened[NAME_MAX_LEN];
    struct inspect_verdict v;
    bool opens;

    image_clear(&image);
    image_write();
    if (seeds[i].create) {
        unlink(run.path);
        qemu_make(seeds[i].create);
    }
    image_read(&made[i], run.path);
    image_copy(&made[i]);
    opens = qemu_opens(NULL, false, opened);
    image_inspect(&v);
    if (opens != seeds[i].refers || v.safe == seeds[i].refers || (seeds[i].create && !made[i].size)) {
        fprintf(stderr, "qemu-inspect: the seed %s: %zu bytes, opens %s, %s\n", seeds[i].name, made[i].size,
                opens ? opened : "nothing", v.safe ? "safe" : v.why);
        exit(2);
    }
}

static void prepare(void)
{
    int fd;

    str_copy(run.dir, sizeof run.dir,
             access("/dev/shm", W_OK) == 0 ? "/dev/shm/inspect-XXXXXX" : "/tmp/inspect-XXXXXX");
    if (!mkdtemp(run.dir))
        die(run.dir);
    snprintf(run.path, sizeof run.path, "%s/image", run.dir);
    snprintf(run.other, sizeof run.other, "%s/other", run.dir);
    snprintf(run.parent, sizeof run.parent, "%s/parent", run.dir);
    names[0] = run.other;
    fd = open(run.other, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, 65536) < 0)
        die(run.other);
    close(fd);
    image_clear(&image);
    image.size = 65536;
    image_write();
    qemu_opens(NULL, true, NULL);
    qemu_opens("raw", true, NULL);
    qemu_make("create -q -f vmdk PARENT 1M");
    for (size_t i = 0; i < COUNT(seeds); i++)
        seed_make(i);
}

static void clean(void)
{
    static const char *const left[] = { "image", "image-flat", "other", "parent" };

    close(run.in);
    waitpid(run.pid, NULL, 0);
    for (size_t i = 0; i < COUNT(left); i++) {
        char path[128];

        snprintf(path, sizeof path, "%s/%s", run.dir, left[i]);
        unlink(path);
    }
    if (rmdir(run.dir) < 0)
        fprintf(stderr, "qemu-inspect: %s is not empty\n", run.dir);
}

static void replay(const char *path)
{
    static uint8_t input[IMAGE_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, input, sizeof input);

    if (n < 1)
        die(path);
    close(fd);
    image_clear(&image);
    image.size = patches_apply(input + 1, (size_t)n - 1, image.bytes, IMAGE_MAX);
    memset(image.used, 1, (image.size + PAGE - 1) / PAGE);
    compare(true, NULL);
}

/* CPU seconds of this process, of qemu-img, and of what that has forked (proc(5)). */
static double cpu_seconds(void)
{
    char path[64], text[1024];
    unsigned long ticks[4] = { 0 };
    struct rusage used;
    FILE *f;

    getrusage(RUSAGE_SELF, &used);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)run.pid);
    f = fopen(path, "r");
    if (f && fgets(text, sizeof text, f) && strrchr(text, ')'))
        sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &ticks[0],
               &ticks[1], &ticks[2], &ticks[3]);
    if (f)
        fclose(f);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) +
           (double)(ticks[0] + ticks[1] + ticks[2] + ticks[3]) / (double)sysconf(_SC_CLK_TCK);
}

/* "vhd-fixed" is of "vhd", but "vhdx" is not. */
static bool is_of(const char *seed, const char *format)
{
    size_t n = strlen(format);

    return strncmp(seed, format, n) == 0 && (seed[n] == '-' || !seed[n]);
}

static void fuzz(const char *only, uint64_t cases, double seconds)
{
    double end = cpu_seconds() + seconds;

    for (uint64_t i = 0; i < cases && run.failed < 20; i++) {
        struct chance c = { run.seed * 0x2545f4914f6cdd1du + i };
        size_t s = chance_below(&c, COUNT(seeds));

        if (seconds > 0 && cpu_seconds() > end)
            break;
        if (only && !is_of(seeds[s].name, only))
            continue;
        image_copy(&made[s]);
        image_mutate(&image, &seeds[s].how, &c);
        compare(false, &c);
    }
}

int main(int argc, char **argv)
{
    const char *only = NULL, *library = OPENS_LIBRARY;
    uint64_t cases = UINT64_MAX;
    double seconds = 0;
    int i;

    for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        const char *value = argv[i + 1];

        if (str_eq(argv[i], "--seed"))
            run.seed = strtoull(value, NULL, 0);
        else if (str_eq(argv[i], "--seconds"))
            seconds = strtod(value, NULL);
        else if (str_eq(argv[i], "--cases"))
            cases = strtoull(value, NULL, 0);
        else if (str_eq(argv[i], "--only"))
            only = value;
        else if (str_eq(argv[i], "--save"))
            run.save = argv[i + 1];
        else if (str_eq(argv[i], "--opens"))
            library = value;
        else
            return 2;
    }
    qemu_start(library);
    prepare();
    for (; i < argc; i++)
        replay(argv[i]);
    if (seconds > 0 || cases != UINT64_MAX)
        fuzz(only, cases, seconds);
    clean();
    printf("%llu images, %llu opened by qemu-img, %llu of these open another file\n",
           (unsigned long long)run.cases, (unsigned long long)run.asked, (unsigned long long)run.opening);
    printf("%llu passed, %llu failed\n", (unsigned long long)(run.cases - run.failed),
           (unsigned long long)run.failed);
    return run.failed ? 1 : 0;
}
