/* SPDX-License-Identifier: Apache-2.0 */
/* Named points of the code at which a test may end or stop the process: POINT("upload.stored"). Only in a
 * build with -Dpoints=true; elsewhere nothing is left of them.
 *
 * The environment variable GLINT_POINTS names a control file. Each time a point is passed its name is added
 * as a line to <file>.hits. The first line of the file, "NAME COUNT ACTION", arms a point: at the COUNTth
 * passing from then on, in whichever process, the line goes, so that the next one counts, and one of these is
 * done:
 *
 *   kill    SIGKILL to this process
 *   group   SIGKILL to its process group
 *   stop    SIGSTOP to this process
 *
 * The names of all points stand in the program's section glint_points, each with a zero byte behind it. */
#ifndef BASE_POINT_H
#define BASE_POINT_H

#ifdef GLINT_POINTS
#define POINT(text)                                                                                          \
    do {                                                                                                     \
        static const char point_[] __attribute__((section("glint_points"), used)) = text;                    \
        point_pass(point_);                                                                                  \
    } while (0)
void point_pass(const char *name); /* thread-safe; errno stays */
#else
#define POINT(text) ((void)0)
#endif

#endif
