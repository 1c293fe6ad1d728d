/*
 * base/quantity.h - the only place where quantities are text.
 *
 * Inside the program: durations and instants int64_t ns, sizes int64_t bytes, rates double per
 * second, ratios double 0..1 (percent only as text).  Parsers take the whole string (blanks around
 * it and before a unit are allowed, so that every formatted quantity can be pasted back) and leave
 * the result untouched on failure; every message says what would be valid.  Parsing does not depend
 * on the locale; formatting expects the "C" numeric locale, which a program has until it asks.
 */
#ifndef PB_BASE_QUANTITY_H
#define PB_BASE_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

#include "poolbench/error.h"

#define PB_QUANTITY_TEXT 32 /* bytes that any formatted quantity fits in, with its NUL */

/* "250us", "1.5ms", "3s", "2m", "1h" (also "1m30s"); a bare number is refused, except 0.
 * PB_EPARSE, or PB_EINVAL (negative, over 292 years, under 1 ns but not 0).  Exact for up to 24
 * digits; finer parts are rounded to the nearest nanosecond. */
PB_MUST_USE enum pb_status pb_parse_duration(const char *text, int64_t *ret_ns,
                                             struct pb_error *err);
/* "512", "64KiB", "50MB", "1GiB": B KB MB GB TB are powers of 1000, KiB MiB GiB TiB of 1024. */
PB_MUST_USE enum pb_status pb_parse_size(const char *text, int64_t *ret_bytes,
                                         struct pb_error *err);
/* "2000/s", "120/m", "90/h", "1.5k/s", "2M/s", or a bare number per second. */
PB_MUST_USE enum pb_status pb_parse_rate(const char *text, double *ret_per_s, struct pb_error *err);
/* "0.1%" or "0.001" into 0.001.  Any non-negative finite value; the caller checks the range. */
PB_MUST_USE enum pb_status pb_parse_ratio(const char *text, double *ret_ratio,
                                          struct pb_error *err);
/* A decimal integer, with optional "k" or "M"; a fraction, a blank inside, or overflow is refused.
 */
PB_MUST_USE enum pb_status pb_parse_count(const char *text, int64_t *ret_count,
                                          struct pb_error *err);
/* Cuts "2..32" or "60%..80%" at ".." into two trimmed strings of at most `size` bytes each. */
PB_MUST_USE enum pb_status pb_split_range(const char *text, char *ret_low, char *ret_high,
                                          size_t size, struct pb_error *err);

/* Three significant digits with the unit that reads best: "25.1 ms", "1.50 s", "47.0 us"; exact
 * multiples without fraction: "50 ms"; "0"; from one minute on "2 m 05 s" and "1 h 02 m".
 * `text` has PB_QUANTITY_TEXT bytes; all return `text`.  Of doubles that are no number "-" and
 * "infinite" are left. */
char *pb_format_duration(int64_t ns, char *text);
/* A whole number of the largest unit that divides it, which pb_parse_duration reads back to the
 * same value: "250us", "1500us", "2m", "0". */
char *pb_format_duration_exact(int64_t ns, char *text);
char *pb_format_size(int64_t bytes, char *text); /* "1.50 MiB" */
char *pb_format_rate(double per_s, char *text);  /* "1000/s", "12.5k/s", "1.20M/s" */
/* "62.6 %", "100 %"; two digits below 0.1 %: "0.047 %"; near 100 % as many as tell it from 100:
 * "99.89 %", "99.987 %".  Exact values without zeros at the end: "0.1 %", "60 %". */
char *pb_format_percent(double ratio, char *text);
char *pb_format_count(int64_t count, char *text); /* "30 012": groups of three, thin as a blank */
char *pb_format_number(double value, char *text); /* three significant digits, no exponent */

/* By the unit's name as results carry it: "ns", "ratio", "bytes", "per_s", else a plain number; "-"
 * for NaN. */
const char *pb_format_in_unit(const char *unit, double value, char *text);

#endif
