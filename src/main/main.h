/* SPDX-License-Identifier: Apache-2.0 */
/* The program: one file per subcommand; its signals, children and exit statuses. */
#ifndef MAIN_MAIN_H
#define MAIN_MAIN_H

#include "conf/conf.h"
#include "db/db.h"
#include "store/store.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { WORDS_MAX = 64 };

/* What stood on the command line; the texts are argv's or the arena's. */
struct command_line {
    struct arena *arena;
    const char *command;          /* name of the subcommand, for messages */
    const char *words[WORDS_MAX]; /* what is no option, NULL-terminated, as are the next three */
    const char *files[WORDS_MAX], *dirs[WORDS_MAX], *overrides[WORDS_MAX];
    const char *asked[WORDS_MAX]; /* "rule=NAME" and so on: switches that one subcommand takes */
    size_t n_words, n_files, n_dirs, n_overrides, n_asked;
    bool all, force, hash, help, insecure, json, repair, standalone, version,
        manage; /* manage: called as glance-manage */
};

/* 0, or EXIT_USAGE after it said what is wrong. */
int command_line_parse(struct command_line *ret, int argc, char **argv, bool manage);
void command_line_done(struct command_line *cl);
/* The last value of a switch that one subcommand takes; NULL: it was not given. */
const char *command_line_asked(const struct command_line *cl, const char *name);
/* argv of `glint <command>` with the same configuration, or with none (standalone); memory of the arena. */
char **command_line_again(const struct command_line *cl, const char *command, bool standalone);

/* Subcommands: each returns the exit status. */
int serve_main(const struct command_line *cl);
int worker_main(const struct command_line *cl);
int db_main(const struct command_line *cl);
int config_main(const struct command_line *cl);
int policy_main(const struct command_line *cl);
int jobs_main(const struct command_line *cl);
int doctor_main(const struct command_line *cl); /* EXIT_FAILED: findings, EXIT_USAGE: trouble */
int check_deploy_main(const struct command_line *cl);
/* What follows `glint helper` on its command line, which is no command line like the others. */
int helper_main(int argc, char **argv);
int usage(const char *command); /* prints the help to standard output */

/* ---- start.c: what serve, worker and db begin with ---- */

/* Where the command line says that the configuration is; its texts. */
struct conf_request start_source(const struct command_line *cl);
int start_config(const struct command_line *cl, struct config **ret, struct error *e) MUST_CHECK;
/* For tools that look at a database: says on standard error when it is that of the standalone profile, and is
 * an error when no service has run in that profile here. make: the tool may make the database, which is
 * for a configuration alone. */
int start_config_of_database(const struct command_line *cl, bool make, struct config **ret,
                             struct error *e) MUST_CHECK;
/* Log lines of an error: its message and its detail. */
void start_say(const char *what, const struct error *e);
/* A line on standard error where no worker is at work. */
void start_note_worker(struct db_conn *c);
/* Raises the limit of open files, keeps the heap small, ignores SIGPIPE. */
void start_process(void);
/* Microseconds of an option that is in seconds. */
int64_t seconds_us(const struct config *c, const char *name);

/* ---- systemd.c: sd_listen_fds(3) and sd_notify(3), without libsystemd ---- */

struct systemd_socket {
    int fd;
    const char *name; /* FileDescriptorName=, "" when unnamed */
};
enum { SYSTEMD_SOCKETS_MAX = 32 };

/* Takes what systemd handed to this process and clears the variables, so that children do not take it for
 * theirs. Returns the number of sockets. */
size_t systemd_start(struct systemd_socket ret[SYSTEMD_SOCKETS_MAX]);
/* Whether a service manager started this very process; known after systemd_start(). */
bool systemd_is_parent(void);
void systemd_notify(const char *format, ...) PRINTF(1, 2);
void systemd_reloading(void);
int64_t systemd_watchdog_us(void); /* how often to say WATCHDOG=1; 0: never */

/* ---- supervise.c: the child `glint worker` ---- */

struct supervised {
    char **argv;
    pid_t pid;                                /* 0: not running */
    int64_t started_us, restart_us, delay_us; /* monotonic; restart_us 0: nothing is due */
    bool stopping;                            /* it is not started again */
};

void supervised_start(struct supervised *s);
/* After SIGCHLD: notes an end, logs why, and sets when to start again. */
void supervised_reap(struct supervised *s);
/* Starts it again when that is due. Returns the microseconds until then, or -1. */
int64_t supervised_tick(struct supervised *s);
/* From now on it is not started again. */
void supervised_end(struct supervised *s);
void supervised_signal(const struct supervised *s, int sig);
void supervised_stop(struct supervised *s);

#endif
