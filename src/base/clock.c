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

/* The C library's gmtime_r() and timegm() take one lock for the whole process, a hundred times for a listing.
 * Hence the calendar here: proleptic Gregorian, from year 1, as Python's. */
#define DAY_OF_EPOCH 719162 /* 1970-01-01, counted from 0001-01-01 */
#define DAY_SECONDS  86400
#define YEAR_1       (INT64_C(-62135596800) * CLOCK_SECOND)
#define YEAR_10000   (INT64_C(253402300800) * CLOCK_SECOND)

static bool leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int year, int month)
{
    static const signed char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[month - 1] + (month == 2 && leap(year));
}

static int64_t days_before_year(int64_t year)
{
    year--;
    return year * 365 + year / 4 - year / 100 + year / 400;
}

/* The date of a day counted from 0001-01-01. */
static void split_day(int64_t day, struct tm *tm)
{
    int year = (int)(day * 400 / 146097) + 1, month = 1;

    if (days_before_year(year) > day)
        year--;
    else if (days_before_year(year + 1) <= day)
        year++;
    tm->tm_wday = (int)((day + 1) % 7);
    day -= days_before_year(year);
    while (day >= month_days(year, month))
        day -= month_days(year, month++);
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = (int)day + 1;
}

/* What lies outside the years 1 to 9999 is their first or last moment. Returns the microseconds. */
static int split(int64_t us, struct tm *tm)
{
    int64_t since = (us < YEAR_1 ? YEAR_1 : us >= YEAR_10000 ? YEAR_10000 - 1 : us) - YEAR_1;
    int64_t sec = since / CLOCK_SECOND;

    *tm = (struct tm){ 0 };
    split_day(sec / DAY_SECONDS, tm);
    sec %= DAY_SECONDS;
    tm->tm_hour = (int)(sec / 3600);
    tm->tm_min = (int)(sec / 60 % 60);
    tm->tm_sec = (int)(sec % 60);
    return (int)(since % CLOCK_SECOND);
}

/* n decimal digits and what follows them. printf would be a twentieth of what a listing costs. */
static char *put(char *at, int value, int n, char after)
{
    for (int i = n; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    at[n] = after;
    return at + n + 1;
}

static char *put_time(char *at, const struct tm *tm, char between, char after)
{
    at = put(at, tm->tm_year + 1900, 4, '-');
    at = put(at, tm->tm_mon + 1, 2, '-');
    at = put(at, tm->tm_mday, 2, between);
    at = put(at, tm->tm_hour, 2, ':');
    at = put(at, tm->tm_min, 2, ':');
    return put(at, tm->tm_sec, 2, after);
}

char *clock_iso(int64_t us, char *out)
{
    struct tm tm;

    split(us, &tm);
    *put_time(out, &tm, 'T', 'Z') = '\0';
    return out;
}

char *clock_sql(int64_t us, char *out)
{
    struct tm tm;
    int frac = split(us, &tm);

    put(put_time(out, &tm, ' ', '.'), frac, 6, '\0');
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
    int64_t day;

    if (y < 1 || mon < 1 || mon > 12 || d < 1 || d > month_days(y, mon) || h < 0 || h > 23 || min < 0 ||
        min > 59 || s < 0 || s > 59)
        return false;
    day = days_before_year(y) - DAY_OF_EPOCH + d - 1;
    for (int m = 1; m < mon; m++)
        day += month_days(y, m);
    *ret = (day * DAY_SECONDS + h * 3600 + min * 60 + s) * CLOCK_SECOND + frac;
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
