/*
 * base/portable_math.h - exp, log, sin and the normal quantile, the same to the last bit on every
 * compiler and C library: only + - * / and sqrt, compiled with -ffp-contract=off.
 *
 * For schedules and demands alone; elsewhere use <math.h>.  Accurate to 2 ulp where finite
 * (normal quantile: relative 1e-15, Wichura 1988, AS 241).  Pure functions.
 */
#ifndef PB_BASE_PORTABLE_MATH_H
#define PB_BASE_PORTABLE_MATH_H

double pb_exp(double x);
double pb_log(double x);             /* x > 0 */
double pb_log1p(double x);           /* x > -1 */
double pb_sin(double x);             /* |x| <= 1e9 */
double pb_cos(double x);             /* |x| <= 1e9 */
double pb_normal_quantile(double p); /* 0 < p < 1 */

#endif
