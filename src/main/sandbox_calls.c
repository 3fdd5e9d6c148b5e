/* SPDX-License-Identifier: Apache-2.0 */
/* The filter of system calls: what is not listed is answered as if the kernel had it not, so that libraries
 * do without. No socket, no process, no signal to others, nothing that changes the system. */
#include "main/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCH AUDIT_ARCH_PPC64LE
#endif

#ifdef ARCH

#define X32_BIT 0x40000000 /* numbers of another ABI on x86-64 */

static const int allowed[] = {
    /* files that are open */
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_lseek,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_fadvise64,
    SYS_flock,
    SYS_fcntl,
    SYS_ioctl,
    SYS_copy_file_range,
    SYS_close,
    SYS_close_range,
    SYS_dup,
    SYS_dup3,
    SYS_getdents64,
    SYS_fstat,
    SYS_fstatfs,
    /* by name: which, Landlock says */
    SYS_openat,
    SYS_openat2,
    SYS_newfstatat,
    SYS_statx,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getcwd,
    SYS_statfs,
    SYS_umask,
    /* waiting */
    SYS_pipe2,
    SYS_eventfd2,
    SYS_signalfd4,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_ppoll,
    SYS_pselect6,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_restart_syscall,
    /* memory */
    SYS_mmap,
    SYS_munmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_madvise,
    SYS_msync,
    SYS_mincore,
    SYS_brk,
    SYS_membarrier,
    SYS_get_mempolicy,
    SYS_set_mempolicy,
    /* itself */
    SYS_futex,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_set_tid_address,
    SYS_rseq,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend,
    SYS_sigaltstack,
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getgroups,
    SYS_getrusage,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_getcpu,
    SYS_exit,
    SYS_exit_group,
    /* the system: to look at */
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_uname,
    SYS_sysinfo,
    SYS_times,
    SYS_getrandom,
#ifdef SYS_open /* older calls, which not every machine has */
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_pipe,
    SYS_poll,
    SYS_select,
    SYS_dup2,
    SYS_epoll_wait,
    SYS_epoll_create,
    SYS_eventfd,
    SYS_signalfd,
    SYS_getdents,
    SYS_getpgrp,
    SYS_time,
#endif
#ifdef SYS_getrlimit
    SYS_getrlimit,
#endif
#ifdef SYS_arch_prctl
    SYS_arch_prctl,
#endif
};

enum { PROGRAM_MAX = 2 * COUNT(allowed) + 64 };

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short n;
};

static void add(struct program *p, struct sock_filter code)
{
    p->code[p->n++] = code;
}

static void add_load(struct program *p, size_t offset)
{
    add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void add_return(struct program *p, uint32_t what)
{
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

/* Goes on where the test holds, else skips so many. */
static void add_if(struct program *p, unsigned short test, uint32_t value, uint8_t skip)
{
    add(p, (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | test | BPF_K), value, 0, skip));
}

#define NO(err)  (SECCOMP_RET_ERRNO | (err))
#define ARG(i)   (offsetof(struct seccomp_data, args) + 8 * (i)) /* its lower half, little-endian */
#define UPPER(i) (ARG(i) + 4)

/* The calls of which some may pass; each part ends in a return. */
static void add_special(struct program *p, const char *program)
{
    const uint64_t path = (uintptr_t)program;
    const uint32_t others = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                            CLONE_NEWUTS | CLONE_NEWCGROUP;

    add_if(p, BPF_JEQ, SYS_clone, 6); /* threads, not processes */
    add_load(p, ARG(0));
    add_if(p, BPF_JSET, CLONE_THREAD, 3);
    add_if(p, BPF_JSET, others, 1);
    add_return(p, NO(EPERM));
    add_return(p, SECCOMP_RET_ALLOW);
    add_return(p, NO(EPERM));

    add_if(p, BPF_JEQ, SYS_execve, 6);
    add_load(p, ARG(0));
    add_if(p, BPF_JEQ, (uint32_t)path, 3);
    add_load(p, UPPER(0));
    add_if(p, BPF_JEQ, (uint32_t)(path >> 32), 1);
    add_return(p, SECCOMP_RET_ALLOW);
    add_return(p, NO(EPERM));

    add_if(p, BPF_JEQ, SYS_tgkill, 4); /* abort() */
    add_load(p, ARG(0));
    add_if(p, BPF_JEQ, (uint32_t)getpid(), 1);
    add_return(p, SECCOMP_RET_ALLOW);
    add_return(p, NO(EPERM));

    add_if(p, BPF_JEQ, SYS_prctl, 4); /* it may not outlive its parent */
    add_load(p, ARG(0));
    add_if(p, BPF_JEQ, PR_SET_PDEATHSIG, 1);
    add_return(p, NO(EPERM));
    add_return(p, SECCOMP_RET_ALLOW);

    add_if(p, BPF_JEQ, SYS_prlimit64, 4); /* its own limits */
    add_load(p, ARG(0));
    add_if(p, BPF_JEQ, 0, 1);
    add_return(p, SECCOMP_RET_ALLOW);
    add_return(p, NO(EPERM));

    add_if(p, BPF_JEQ, SYS_socket, 1);
    add_return(p, NO(EACCES));
}

static void program_make(struct program *p, const char *program)
{
    add_load(p, offsetof(struct seccomp_data, arch));
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0));
    add_return(p, SECCOMP_RET_KILL_PROCESS);
    add_load(p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    add_if(p, BPF_JGE, X32_BIT, 1);
    add_return(p, SECCOMP_RET_KILL_PROCESS);
#endif
    for (size_t i = 0; i < COUNT(allowed); i++) {
        add_if(p, BPF_JEQ, (uint32_t)allowed[i], 1);
        add_return(p, SECCOMP_RET_ALLOW);
    }
    add_special(p, program);
    add_return(p, NO(ENOSYS));
}

int sandbox_calls(const char *program)
{
    struct program p = { .n = 0 };
    struct sock_fprog filter = { .filter = p.code };

    program_make(&p, program);
    filter.len = p.n;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

#else

int sandbox_calls(const char *program UNUSED)
{
    errno = ENOSYS;
    return -1;
}

#endif
