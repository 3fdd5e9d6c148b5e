/* SPDX-License-Identifier: Apache-2.0 */
#include "main/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

/* ---- limits ---- */

enum {
    FILES_MAX = 64,
    CPU_GRACE = 2,           /* seconds between SIGXCPU and SIGKILL */
    STACK_MAX = 2048 * 1024, /* also of each thread, so that threads leave room in the address space */
};

int sandbox_limits_set(const struct sandbox_limits *l)
{
    const struct {
        __rlimit_resource_t what;
        rlim_t soft, hard;
    } all[] = {
        { RLIMIT_CPU, (rlim_t)l->cpu_seconds, (rlim_t)l->cpu_seconds + CPU_GRACE },
        { RLIMIT_AS, l->memory, l->memory },
        { RLIMIT_FSIZE, l->file_size, l->file_size },
        { RLIMIT_NOFILE, FILES_MAX, FILES_MAX },
        { RLIMIT_STACK, STACK_MAX, STACK_MAX },
        { RLIMIT_CORE, 0, 0 },
        { RLIMIT_MEMLOCK, 0, 0 },
        { RLIMIT_MSGQUEUE, 0, 0 },
    };

    for (size_t i = 0; i < COUNT(all); i++) {
        struct rlimit now, want = { all[i].soft, all[i].hard };

        if (getrlimit(all[i].what, &now) < 0)
            return -1;
        want.rlim_max = want.rlim_max < now.rlim_max ? want.rlim_max : now.rlim_max;
        want.rlim_cur = want.rlim_cur < want.rlim_max ? want.rlim_cur : want.rlim_max;
        if (setrlimit(all[i].what, &want) < 0)
            return -1;
    }
    return 0;
}

/* ---- namespaces and capabilities ---- */

void sandbox_leave(void)
{
    const int apart = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

    if (unshare(apart) < 0) /* this takes a capability, or a user namespace in which to have it */
        (void)unshare(CLONE_NEWUSER | apart);
}

int sandbox_weaken(void)
{
    struct __user_cap_header_struct who = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = { 0 };

    /* Root's files stay readable by their mode: those are sandbox_files()'s. */
    (void)prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    if (syscall(SYS_capset, &who, caps) == 0)
        return 0;
    if (syscall(SYS_capget, &who, caps) < 0) /* a service without any may not set them either */
        return -1;
    errno = EPERM;
    return caps[0].permitted == 0 && caps[1].permitted == 0 ? 0 : -1;
}

/* ---- Landlock (linux/landlock.h; rights of ABI 3 to 6 are newer than some headers) ---- */

enum {
    FILE_EXECUTE = 1 << 0,
    FILE_WRITE = 1 << 1,
    FILE_READ = 1 << 2,
    DIR_READ = 1 << 3,
    FILE_TRUNCATE = 1 << 14, /* ABI 3 */
    FILE_IOCTL = 1 << 15,    /* ABI 5 */
    NET_ALL = 3,             /* ABI 4: bind and connect */
    SCOPE_ALL = 3,           /* ABI 6: abstract sockets and signals of others */
};

struct ruleset {
    uint64_t files, net, scope;
};

/* What each ABI knows: bits up to this one; how much of the struct. */
static const struct {
    uint64_t files;
    size_t size;
} abis[] = {
    { 0, 0 },
    { (1 << 13) - 1, 8 },
    { (1 << 14) - 1, 8 },
    { (1 << 15) - 1, 8 },
    { (1 << 15) - 1, 16 },
    { (1 << 16) - 1, 16 },
    { (1 << 16) - 1, 24 },
};

static int allow(int set, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = rights };
    int r;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return -1;
    r = (int)syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return r;
}

static int allow_all(int set, uint64_t known, const char *program, const char *read, const char *write)
{
    static const char *const libraries[] = { "/usr", "/lib", "/lib64" };

    for (size_t i = 0; i < COUNT(libraries); i++)
        if (allow(set, libraries[i], FILE_READ | FILE_EXECUTE | DIR_READ) < 0 && errno != ENOENT)
            return -1;
    if (allow(set, "/etc/ld.so.cache", FILE_READ) < 0 && errno != ENOENT)
        return -1;
    if (allow(set, "/dev/null", (FILE_READ | FILE_WRITE | FILE_TRUNCATE) & known) < 0 ||
        allow(set, "/dev/urandom", FILE_READ) < 0 || allow(set, program, FILE_READ | FILE_EXECUTE) < 0)
        return -1;
    if (allow(set, read, (FILE_READ | FILE_IOCTL) & known) < 0)
        return -1;
    if (!write)
        return 0;
    return allow(set, write, (FILE_READ | FILE_WRITE | FILE_TRUNCATE | FILE_IOCTL) & known);
}

int sandbox_files(const char *program, const char *read, const char *write)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset rules = { .net = NET_ALL, .scope = SCOPE_ALL };
    int set, r;

    if (abi < 1) /* the kernel has it not, or it is turned off */
        return 0;
    abi = abi < (long)COUNT(abis) ? abi : (long)COUNT(abis) - 1;
    rules.files = abis[abi].files;
    set = (int)syscall(SYS_landlock_create_ruleset, &rules, abis[abi].size, 0);
    if (set < 0)
        return -1;
    r = allow_all(set, rules.files, program, read, write);
    if (r == 0)
        r = (int)syscall(SYS_landlock_restrict_self, set, 0);
    close(set);
    return r;
}
