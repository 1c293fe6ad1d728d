/*
 * harness/measures.h - the one place that defines the printed rates and ratios of a phase.
 *
 * Pure functions over the evidence; NaN where there is nothing to divide by.  docs/results.md
 * repeats the definitions for readers of run.json.
 */
#ifndef PB_HARNESS_MEASURES_H
#define PB_HARNESS_MEASURES_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/evidence.h"

/* Time that slots might have been busy: changes of the pool make that more than a product. */
struct pb_slot_time {
    double core_ns; /* of core workers */
    double all_ns;  /* of overflow workers, too, whether or not they were there */
};

/* A phase, or the recorded phases together (`phase` is then PB_PHASE_ALL). */
struct pb_part {
    const struct pb_evidence *evidence; /* borrowed, like the next */
    const struct pb_phase_aggregate *aggregate;
    int phase;
    int64_t duration_ns; /* that it really took; of phases cut short, the part that took place */
    uint64_t intended;   /* requests that belong in it: the plan's, or what was sent of it when the
                            run was cut short or the loop is closed */
    uint64_t planned;    /* of its open phases */
    struct pb_slot_time slots;
};

/* `aggregate`: evidence->aggregate->phases[phase], or the total of pb_aggregate_total(). */
void pb_part_init(struct pb_part *part, const struct pb_evidence *evidence, int phase,
                  const struct pb_phase_aggregate *aggregate);
/* True when window `w` lies wholly within the part's stretch (with PB_PHASE_ALL: of one of the
 * recorded phases). */
bool pb_part_has_window(const struct pb_part *part, uint32_t w);
/* When phase `phase` began and ended, ns from the run's start, as far as it took place. */
/* When the effect of fault `i` was over, its aftermath on the workers included; -1: it never was
 * injected. */
int64_t pb_fault_over_ns(const struct pb_evidence *evidence, size_t i);
/* Whether fault `i` was at work in a stretch of the run. */
bool pb_fault_within(const struct pb_evidence *evidence, size_t i, int64_t from_ns, int64_t to_ns);
void pb_phase_stretch(const struct pb_evidence *evidence, uint32_t phase, int64_t *ret_start_ns,
                      int64_t *ret_end_ns);

/* Requests that did not end ok, client errors aside. */
uint64_t pb_part_not_ok(const struct pb_part *part);
/* Requests that count in ratios: sent - client errors. */
uint64_t pb_part_counted(const struct pb_part *part);
double pb_part_offered_per_s(const struct pb_part *part);    /* intended / duration */
double pb_part_achieved_per_s(const struct pb_part *part);   /* outcomes decided in it / duration */
double pb_part_throughput_per_s(const struct pb_part *part); /* ok outcomes decided in it / s */
double pb_part_error_ratio(const struct pb_part *part);      /* not ok / counted */
double pb_part_utilization(const struct pb_part *part);      /* busy / alive worker time */
double pb_part_core_utilization(const struct pb_part *part); /* busy / (size x duration) */
/* Requests that might run at once, on core and overflow workers: the mean over its duration. */
double pb_part_capacity(const struct pb_part *part);
double pb_part_mean_workers(const struct pb_part *part); /* alive worker time / duration */
/* Work offered, in workers: offered rate x mean service time (the declared mean, or the measured
 * one when that is larger).  NaN for a closed loop. */
double pb_part_erlangs(const struct pb_part *part);

/* Core workers of this run: the scenario's less those taken away, at least 1. */
int64_t pb_evidence_size(const struct pb_evidence *evidence);
/* Requests that one worker runs at a time. */
int64_t pb_evidence_threads(const struct pb_evidence *evidence);
/* Between two instants from the run's start. */
struct pb_slot_time pb_evidence_slot_time(const struct pb_evidence *evidence, int64_t from_ns,
                                          int64_t to_ns);
/* Requests that may run at once, on core and overflow workers, before any change. */
int64_t pb_evidence_capacity(const struct pb_evidence *evidence);

/* Did the arrivals follow their plan and their law?  Compared on the grid of windows, since single
 * arrival times are not kept in memory. */
struct pb_arrival_check {
    bool checked;         /* an open phase with at least 2 windows and 1 request */
    double sent_distance; /* largest |sent - intended| so far, as a share of the phase's requests;
                             0 when every request went out in its window */
    double ks_distance;   /* largest |share intended so far - share by the planned rate| */
    double ks_p_value;    /* of it, if arrivals are Poisson; NaN for even spacing */
    double dispersion_index; /* chi-square of the windows' counts / degrees of freedom: 1 for
                                Poisson arrivals, 0 for even ones */
    bool broken;
};
void pb_check_arrivals(const struct pb_part *part, struct pb_arrival_check *ret_check);

#endif
