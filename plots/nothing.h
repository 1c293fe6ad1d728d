/*
 * plots/nothing.h - numbers that are none, as doubles: the C library's are floats, which clang
 * minds.
 */
#ifndef PB_PLOTS_NOTHING_H
#define PB_PLOTS_NOTHING_H

#include <math.h>

#define PB_NOTHING ((double)NAN) /* no value was seen; isnan() asks for it */
#define PB_ENDLESS ((double)INFINITY)

#endif
