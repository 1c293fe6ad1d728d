#include <stdlib.h>

#include "harness/load_internal.h"
#include "harness/pacing.h"

/*
 * The closed loop.  A user waits in its generator's heap until it sends, travels with its request,
 * and is put by the deciding thread into the generator's inbox.
 */

/* Spinning begins so long before a user is due (as in pacing.c). */
#define SPIN_NS (60 * PB_NS_PER_US)

void pb_user_return(struct pb_user *user, int64_t done_ns)
{
    user->at_ns = done_ns;
    pb_inbox_put(&user->generator->returned, &user->item);
}

/* The user with the smaller time goes first; of equals the smaller index, so that the order is
 * the same in every run. */
static bool before(const struct pb_user *a, const struct pb_user *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->index < b->index;
}

static void heap_push(struct pb_generator *generator, struct pb_user *user)
{
    struct pb_user **heap = generator->heap;
    size_t at = generator->heap_count++;

    while (at > 0 && before(user, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = user;
}

static struct pb_user *heap_pop(struct pb_generator *generator)
{
    struct pb_user **heap = generator->heap;
    struct pb_user *first = heap[0], *last = heap[--generator->heap_count];
    size_t at = 0, count = generator->heap_count;

    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && before(heap[child + 1], heap[child])) {
            child++;
        }
        if (!before(heap[child], last)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

/* Users whose requests were decided think, and wait again; those of a phase gone by leave, and so
 * does who would send after the end. */
static void take_returned(struct pb_generator *generator, uint32_t phase, uint64_t users,
                          int64_t end_ns)
{
    const struct pb_schedule *schedule = generator->load->config.schedule;
    struct pb_inbox_item *item = pb_inbox_take(&generator->returned);

    while (item) {
        struct pb_user *user = (struct pb_user *)item;

        item = item->next;
        if (user->phase == phase) {
            user->index += users;
            user->at_ns += pb_schedule_think_ns(schedule, phase, user->index);
            if (user->at_ns < end_ns) {
                heap_push(generator, user);
            }
        }
    }
}

static void fill_heap(struct pb_generator *generator, uint32_t phase, uint64_t users,
                      int64_t start_ns, int64_t end_ns)
{
    struct pb_load *load = generator->load;

    generator->heap_count = 0;
    for (uint64_t u = generator->number; u < users; u += load->config.generators) {
        struct pb_user *user = &load->users[phase][u];

        *user = (struct pb_user){ .generator = generator, .index = u, .phase = phase };
        user->at_ns = start_ns + pb_schedule_user_start_ns(load->config.schedule, phase, u);
        if (user->at_ns < end_ns) {
            heap_push(generator, user);
        }
    }
}

/* Until the next user is due, one comes back, the phase ends or it is time to look at the stop
 * flag. */
static void wait_for_user(struct pb_generator *generator, int64_t now_ns, int64_t end_ns)
{
    int64_t until_ns = now_ns + PB_LOAD_STOP_POLL_NS;

    until_ns = end_ns < until_ns ? end_ns : until_ns;
    if (generator->heap_count > 0 && generator->heap[0]->at_ns < until_ns) {
        until_ns = generator->heap[0]->at_ns;
    }
    if (generator->load->config.spin) {
        until_ns -= SPIN_NS;
    }
    if (until_ns > now_ns) {
        pb_inbox_sleep(&generator->returned, until_ns);
    }
}

bool pb_generator_run_closed(struct pb_generator *generator, uint32_t phase, int64_t start_ns,
                             int64_t end_ns)
{
    struct pb_load *load = generator->load;
    uint64_t users = pb_schedule_users(load->config.schedule, phase);

    fill_heap(generator, phase, users, start_ns, end_ns);
    while (!pb_load_stopping(load)) {
        take_returned(generator, phase, users, end_ns);
        int64_t now_ns = pb_now_ns();

        if (now_ns >= end_ns) {
            return true;
        }
        if (generator->heap_count == 0 || generator->heap[0]->at_ns > now_ns) {
            wait_for_user(generator, now_ns, end_ns);
            continue;
        }
        struct pb_user *user = heap_pop(generator);

        if (!pb_generator_send(generator, phase, user->index, user->at_ns, now_ns, user)) {
            return false;
        }
    }
    return false;
}

enum pb_status pb_users_new(struct pb_load *load)
{
    uint64_t most = 0;

    for (uint32_t p = 0; p < load->phases; p++) {
        if (pb_load_phase(load, p)->arrival != PB_ARRIVAL_CLOSED) {
            continue;
        }
        uint64_t users = pb_schedule_users(load->config.schedule, p);

        load->users[p] = calloc(users, sizeof(*load->users[p]));
        if (!load->users[p]) {
            return PB_ENOMEM;
        }
        most = users > most ? users : most;
    }
    for (uint32_t g = 0; most > 0 && g < load->config.generators; g++) {
        load->generators[g].heap =
            calloc(most / load->config.generators + 1, sizeof(struct pb_user *));
        if (!load->generators[g].heap) {
            return PB_ENOMEM;
        }
    }
    return PB_OK;
}

void pb_users_free(struct pb_load *load)
{
    for (uint32_t p = 0; p < load->phases; p++) {
        free(load->users[p]);
    }
    for (uint32_t g = 0; load->generators && g < load->config.generators; g++) {
        free(load->generators[g].heap);
    }
}
