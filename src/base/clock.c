/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t clock_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * CLOCK_SECOND + t.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * CLOCK_SECOND + t.tv_nsec / 1000;
}

static int split(int64_t us, struct tm *tm)
{
    int64_t frac = us % CLOCK_SECOND;
    time_t sec = (time_t)(us / CLOCK_SECOND);

    if (frac < 0) {
        frac += CLOCK_SECOND;
        sec--;
    }
    gmtime_r(&sec, tm);
    return (int)frac;
}

char *clock_iso(int64_t us, char *out)
{
    struct tm tm;

    split(us, &tm);
    snprintf(out, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return out;
}

char *clock_sql(int64_t us, char *out)
{
    struct tm tm;
    int frac = split(us, &tm);

    snprintf(out, CLOCK_TEXT_MAX, "%04d-%02d-%02d %02d:%02d:%02d.%06d", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, frac);
    return out;
}

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

char *clock_http(int64_t us, char *out)
{
    struct tm tm;

    split(us, &tm);
    snprintf(out, CLOCK_TEXT_MAX, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + tm.tm_wday * 3,
             tm.tm_mday, months + tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return out;
}

/* n digits at *p, moved past; -1 when they are not all there. */
static int digits(const char **p, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return -1;
        value = value * 10 + (**p - '0');
    }
    return value;
}

static bool join(int y, int mon, int d, int h, int min, int s, int64_t frac, int64_t *ret)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    struct tm tm = {
        .tm_year = y - 1900, .tm_mon = mon - 1, .tm_mday = d, .tm_hour = h, .tm_min = min, .tm_sec = s
    };
    bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);

    if (y < 1 || mon < 1 || mon > 12 || d < 1 || d > lengths[mon - 1] + (mon == 2 && leap) || h < 0 ||
        h > 23 || min < 0 || min > 59 || s < 0 || s > 59)
        return false;
    *ret = (int64_t)timegm(&tm) * CLOCK_SECOND + frac;
    return true;
}

static int64_t fraction(const char **p)
{
    int64_t us = 0, unit = CLOCK_SECOND;

    if (**p != '.' && **p != ',')
        return 0;
    (*p)++;
    if (**p < '0' || **p > '9')
        return -1;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        unit /= 10;
        us += (**p - '0') * unit;
    }
    return us;
}

/* The zone's distance from UTC in minutes; false when malformed. */
static bool zone(const char **p, int *minutes)
{
    int sign, h, m = 0;

    *minutes = 0;
    if (**p == '\0')
        return true;
    if (**p == 'Z' || **p == 'z') {
        (*p)++;
        return true;
    }
    if (**p != '+' && **p != '-')
        return false;
    sign = *(*p)++ == '-' ? -1 : 1;
    h = digits(p, 2);
    if (**p == ':')
        (*p)++;
    if (**p)
        m = digits(p, 2);
    if (h < 0 || h > 23 || m < 0 || m > 59)
        return false;
    *minutes = sign * (h * 60 + m);
    return true;
}

static bool parse(const char *p, int64_t *ret)
{
    int y = digits(&p, 4), mon = 1, d = 1, h = 0, min = 0, s = 0, off;
    int64_t frac = 0;
    bool dashes;

    if (y < 0)
        return false;
    dashes = *p == '-';
    p += dashes;
    if (*p) {
        mon = digits(&p, 2);
        if (dashes && *p == '-')
            p++;
        if (*p && *p != 'T' && *p != ' ')
            d = digits(&p, 2);
    }
    if (*p == 'T' || *p == ' ') {
        p++;
        h = digits(&p, 2);
        if (*p == ':')
            p++;
        if (*p >= '0' && *p <= '9')
            min = digits(&p, 2);
        if (*p == ':')
            p++;
        if (*p >= '0' && *p <= '9')
            s = digits(&p, 2);
        frac = fraction(&p);
    }
    if (frac < 0 || !zone(&p, &off) || *p || !join(y, mon, d, h, min, s, frac, ret))
        return false;
    *ret -= (int64_t)off * 60 * CLOCK_SECOND;
    return true;
}

bool clock_from_sql(const char *text, int64_t *ret)
{
    return parse(text, ret);
}

bool clock_from_iso(const char *text, int64_t *ret)
{
    return parse(text, ret);
}

bool clock_from_http(const char *text, int64_t *ret)
{
    char mon[4];
    int d, y, h, min, s, at = -1;

    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &d, mon, &y, &h, &min, &s, &at) !=
            6 ||
        at < 0 || text[at])
        return false;
    for (int i = 0; i < 12; i++)
        if (memcmp(months + i * 3, mon, 3) == 0)
            return join(y, i + 1, d, h, min, s, 0, ret);
    return false;
}
