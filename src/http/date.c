/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP dates (RFC 9110 section 5.6.7): the one form that is written, and the two older ones that must still
 * be read. */
#include "http/http.h"

#include <stdio.h>
#include <string.h>

#define HALF_A_CENTURY (50 * INT64_C(31556952) * CLOCK_SECOND) /* of mean Gregorian years */

struct date {
    int day, month, year, hour, minute, second;
    bool short_year;
};

/* %a %A day's name, %b month's name, %d two digits, %e the same with a blank for a leading zero, %Y %y year,
 * %T time of day; the rest stands for itself. */
static const char *const forms[] = {
    "%a, %d %b %Y %T GMT", /* IMF-fixdate */
    "%A, %d-%b-%y %T GMT", /* RFC 850 */
    "%a %b %e %T %Y",      /* asctime() */
};

static const char *const days[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                    "Friday", "Saturday", "Sunday" };
static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* Each reads one thing at *p and moves past it. */

static bool digits(const char **p, int n, int *ret)
{
    *ret = 0;
    for (; n > 0; n--, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        *ret = *ret * 10 + (**p - '0');
    }
    return true;
}

/* len 0: the whole of a name. */
static bool name(const char **p, const char *const *names, int n, size_t len, int *ret)
{
    for (int i = 0; i < n; i++) {
        size_t want = len ? len : strlen(names[i]);

        if (strncmp(*p, names[i], want) == 0) {
            *p += want;
            *ret = i + 1;
            return true;
        }
    }
    return false;
}

static bool day_of_asctime(const char **p, int *ret)
{
    if (**p != ' ')
        return digits(p, 2, ret);
    (*p)++;
    return digits(p, 1, ret);
}

static bool time_of_day(const char **p, struct date *d)
{
    return digits(p, 2, &d->hour) && *(*p)++ == ':' && digits(p, 2, &d->minute) && *(*p)++ == ':' &&
           digits(p, 2, &d->second);
}

static bool field(char what, const char **p, struct date *d)
{
    int ignored; /* a wrong day's name is no reason to doubt the rest */

    switch (what) {
    case 'a':
        return name(p, days, COUNT(days), 3, &ignored);
    case 'A':
        return name(p, days, COUNT(days), 0, &ignored);
    case 'b':
        return name(p, months, COUNT(months), 3, &d->month);
    case 'd':
        return digits(p, 2, &d->day);
    case 'e':
        return day_of_asctime(p, &d->day);
    case 'y':
        d->short_year = true;
        return digits(p, 2, &d->year);
    case 'Y':
        return digits(p, 4, &d->year);
    default:
        return time_of_day(p, d);
    }
}

static bool matches(const char *form, const char *text, struct date *ret)
{
    for (; *form; form++) {
        if (*form != '%') {
            if (*text++ != *form)
                return false;
        } else if (!field(*++form, &text, ret)) {
            return false;
        }
    }
    return *text == '\0';
}

/* By the ISO reader, which knows the calendar. A leap second is the second after 59. */
static bool moment(const struct date *d, int year, int64_t *ret)
{
    char iso[CLOCK_TEXT_MAX];
    int leap = d->second == 60;

    snprintf(iso, sizeof iso, "%04d-%02d-%02dT%02d:%02d:%02dZ", year, d->month, d->day, d->hour, d->minute,
             d->second - leap);
    if (!clock_from_iso(iso, ret))
        return false;
    *ret += leap * CLOCK_SECOND;
    return true;
}

/* Two digits name the year of this century, unless that lies more than fifty years ahead. */
static bool moment_of_short_year(const struct date *d, int64_t now_us, int64_t *ret)
{
    char now[CLOCK_TEXT_MAX];
    const char *p = clock_iso(now_us, now);
    int this_year = 0, year;

    (void)digits(&p, 4, &this_year);
    year = this_year - this_year % 100 + d->year;
    if (!moment(d, year, ret))
        return false;
    return *ret <= now_us + HALF_A_CENTURY || moment(d, year - 100, ret);
}

bool http_date_parse(const char *text, int64_t now_us, int64_t *ret_us)
{
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct date d = { 0 };

        if (matches(forms[i], text, &d))
            return d.short_year ? moment_of_short_year(&d, now_us, ret_us) : moment(&d, d.year, ret_us);
    }
    return false;
}
