#include <pthread.h>

#include "pool/ring.h"
#include "support/alloc.h"
#include "support/test.h"

static void push(struct pb_ring *ring, uint64_t index)
{
    struct pb_request request = { .index = index, .sent_ns = (int64_t)index * 10 };

    pb_ring_publish(ring, atomic_fetch_add(&ring->tail, 1), &request, request.sent_ns);
}

PB_TEST(ring_is_first_in_first_out_over_many_wraps)
{
    struct pb_ring ring;
    struct pb_request request;
    uint64_t in = 0, out = 0;
    bool cancelled;

    PB_ASSERT_OK(pb_ring_init(&ring, 5));
    ck_assert_uint_eq(7, ring.mask); /* rounded up to a power of two */
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 1 + round % 8; i++) {
            push(&ring, in++);
        }
        ck_assert_uint_eq(in - out, pb_ring_length(&ring));
        while (out < in) {
            ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, NULL, &request, &cancelled));
            ck_assert_uint_eq(out, request.index);
            ck_assert(!cancelled);
            out++;
        }
        ck_assert_int_eq(PB_POP_EMPTY, pb_ring_pop(&ring, NULL, &request, &cancelled));
    }
    ck_assert_uint_eq(in, pb_ring_accepted(&ring));
    pb_ring_done(&ring);
}

PB_TEST(ring_tells_a_place_taken_but_not_yet_written_from_an_empty_ring)
{
    struct pb_ring ring;
    struct pb_request request = { .index = 9 };
    uint64_t ticket;
    int64_t sent_ns;
    bool cancelled;

    PB_ASSERT_OK(pb_ring_init(&ring, 4));
    uint64_t place = atomic_fetch_add(&ring.tail, 1);

    ck_assert_int_eq(PB_POP_UNPUBLISHED, pb_ring_pop(&ring, NULL, &request, &cancelled));
    ck_assert(!pb_ring_peek(&ring, &ticket, &sent_ns));
    pb_ring_publish(&ring, place, &request, request.sent_ns);
    ck_assert(pb_ring_peek(&ring, &ticket, &sent_ns));
    ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, NULL, &request, &cancelled));
    ck_assert_uint_eq(9, request.index);
    pb_ring_done(&ring);
}

PB_TEST(a_closed_ring_counts_as_before)
{
    struct pb_ring ring;

    PB_ASSERT_OK(pb_ring_init(&ring, 4));
    push(&ring, 0);
    push(&ring, 1);
    (void)atomic_fetch_or(&ring.tail, PB_RING_CLOSED);
    ck_assert_uint_eq(2, pb_ring_accepted(&ring));
    ck_assert_uint_eq(2, pb_ring_length(&ring));
    pb_ring_done(&ring);
}

PB_TEST(what_was_peeked_can_be_taken_once)
{
    struct pb_ring ring;
    struct pb_request request;
    uint64_t ticket;
    int64_t sent_ns;
    bool cancelled;

    PB_ASSERT_OK(pb_ring_init(&ring, 4));
    push(&ring, 7);
    push(&ring, 8);
    ck_assert(pb_ring_peek(&ring, &ticket, &sent_ns));
    ck_assert_uint_eq(0, ticket);
    ck_assert_int_eq(70, sent_ns);
    ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, NULL, &request, &cancelled));
    ck_assert(!pb_ring_take(&ring, ticket, &request, &cancelled));
    ck_assert(pb_ring_take(&ring, 1, &request, &cancelled));
    ck_assert_uint_eq(8, request.index);
    ck_assert_uint_eq(0, pb_ring_length(&ring));
    pb_ring_done(&ring);
}

PB_TEST(a_cancelled_mark_reaches_its_own_request_only)
{
    struct pb_ring ring;
    struct pb_request request;
    bool cancelled;

    PB_ASSERT_OK(pb_ring_init(&ring, 2));
    push(&ring, 0);
    push(&ring, 1);
    pb_ring_mark_cancelled(&ring, 0);
    ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, NULL, &request, &cancelled));
    ck_assert(cancelled);
    push(&ring, 2); /* in the cell of request 0 */
    ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, NULL, &request, &cancelled));
    ck_assert(!cancelled);
    ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, NULL, &request, &cancelled));
    ck_assert(!cancelled);
    pb_ring_done(&ring);
}

PB_TEST(a_late_mark_for_an_old_request_keeps_the_mark_of_a_new_one)
{
    struct pb_ring ring;
    struct pb_request request;
    bool cancelled;

    PB_ASSERT_OK(pb_ring_init(&ring, 2));
    push(&ring, 0);
    ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, NULL, &request, &cancelled));
    push(&ring, 1);
    ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, NULL, &request, &cancelled));
    push(&ring, 2); /* in the cell of request 0 */
    pb_ring_mark_cancelled(&ring, 2);
    pb_ring_mark_cancelled(&ring, 0);
    ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, NULL, &request, &cancelled));
    ck_assert_uint_eq(2, request.index);
    ck_assert(cancelled);
    pb_ring_done(&ring);
}

PB_TEST(a_request_that_left_the_ring_is_announced)
{
    struct pb_ring ring;
    struct pb_request request;
    _Atomic uint64_t announce = 99;
    bool cancelled;

    PB_ASSERT_OK(pb_ring_init(&ring, 2));
    ck_assert_int_eq(PB_POP_EMPTY, pb_ring_pop(&ring, &announce, &request, &cancelled));
    ck_assert_uint_eq(0, atomic_load(&announce));
    push(&ring, 5);
    ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, &announce, &request, &cancelled));
    ck_assert_uint_eq(0 + 1, atomic_load(&announce));
    pb_ring_done(&ring);
}

static void *free_cell(void *arg)
{
    struct pb_ring *ring = arg;

    atomic_store(&ring->cells[0].sequence, ring->mask + 1);
    return NULL;
}

PB_TEST(a_producer_waits_for_a_consumer_that_still_copies)
{
    struct pb_ring ring;
    struct pb_request request;
    pthread_t thread;
    bool cancelled;

    PB_ASSERT_OK(pb_ring_init(&ring, 2));
    push(&ring, 0);
    push(&ring, 1);
    /* As if the consumer of request 0 had been interrupted between its two steps. */
    atomic_store(&ring.head, 1);
    ck_assert_int_eq(0, pthread_create(&thread, NULL, free_cell, &ring));
    push(&ring, 2);
    ck_assert_int_eq(0, pthread_join(thread, NULL));
    ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, NULL, &request, &cancelled));
    ck_assert_uint_eq(1, request.index);
    ck_assert_int_eq(PB_POP_GOT, pb_ring_pop(&ring, NULL, &request, &cancelled));
    ck_assert_uint_eq(2, request.index);
    pb_ring_done(&ring);
}

PB_TEST(ring_without_memory_says_so)
{
    PB_FOR_EACH_FAILING_ALLOC
    {
        struct pb_ring ring;
        enum pb_status status = pb_ring_init(&ring, 100);

        ck_assert_int_eq(pb_alloc_failed() ? PB_ENOMEM : PB_OK, status);
        if (status == PB_OK) {
            pb_ring_done(&ring);
        }
    }
}
