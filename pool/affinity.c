#include "pool/affinity.h"

#include <stdlib.h>

#include "base/mutex.h"

#define SET_SIZE 8
#define SETS     (PB_AFFINITY_SESSIONS / SET_SIZE)

struct pb_remembered {
    uint64_t session; /* 0: none */
    int64_t used_ns;
    struct pb_affinity_worker worker;
};

struct pb_affinity_set {
    struct pb_mutex lock;
    struct pb_remembered remembered[SET_SIZE] PB_GUARDED_BY(lock);
};

struct pb_affinity {
    int64_t ttl_ns;
    struct pb_affinity_set sets[SETS];
};

struct pb_affinity *pb_affinity_new(int64_t ttl_ns)
{
    struct pb_affinity *affinity = calloc(1, sizeof(*affinity));

    if (affinity) {
        affinity->ttl_ns = ttl_ns;
        for (uint32_t i = 0; i < SETS; i++) {
            pb_mutex_init(&affinity->sets[i].lock);
        }
    }
    return affinity;
}

void pb_affinity_free(struct pb_affinity *affinity)
{
    for (uint32_t i = 0; affinity && i < SETS; i++) {
        pb_mutex_done(&affinity->sets[i].lock);
    }
    free(affinity);
}

/* Sessions may be numbered any way: the finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static struct pb_affinity_set *set_of(struct pb_affinity *affinity, uint64_t session)
{
    uint64_t x = session;

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return &affinity->sets[x % SETS];
}

/* NULL: not remembered, or no longer. */
static struct pb_remembered *find_locked(const struct pb_affinity *affinity,
                                         struct pb_affinity_set *set, uint64_t session,
                                         int64_t sent_ns) PB_REQUIRES(set->lock);
static struct pb_remembered *find_locked(const struct pb_affinity *affinity,
                                         struct pb_affinity_set *set, uint64_t session,
                                         int64_t sent_ns)
{
    for (uint32_t i = 0; i < SET_SIZE; i++) {
        struct pb_remembered *one = &set->remembered[i];

        if (one->session == session) {
            return sent_ns - one->used_ns <= affinity->ttl_ns ? one : NULL;
        }
    }
    return NULL;
}

/* The place of `session`, else an empty one, else that of the session not seen for longest. */
static struct pb_remembered *place_locked(struct pb_affinity_set *set, uint64_t session)
    PB_REQUIRES(set->lock);
static struct pb_remembered *place_locked(struct pb_affinity_set *set, uint64_t session)
{
    struct pb_remembered *place = &set->remembered[0];

    for (uint32_t i = 0; i < SET_SIZE; i++) {
        struct pb_remembered *one = &set->remembered[i];

        if (one->session == session) {
            return one;
        }
        if (place->session != 0 && (one->session == 0 || one->used_ns < place->used_ns)) {
            place = one;
        }
    }
    return place;
}

bool pb_affinity_find(struct pb_affinity *affinity, uint64_t session, int64_t sent_ns,
                      struct pb_affinity_worker *ret_worker)
{
    struct pb_affinity_set *set = set_of(affinity, session);

    pb_mutex_lock(&set->lock);
    struct pb_remembered *one = find_locked(affinity, set, session, sent_ns);

    if (one) {
        one->used_ns = sent_ns > one->used_ns ? sent_ns : one->used_ns;
        *ret_worker = one->worker;
    }
    pb_mutex_unlock(&set->lock);
    return one;
}

enum pb_affinity_result pb_affinity_note(struct pb_affinity *affinity, uint64_t session,
                                         int64_t sent_ns, int64_t now_ns,
                                         struct pb_affinity_worker worker)
{
    struct pb_affinity_set *set = set_of(affinity, session);
    enum pb_affinity_result result = PB_AFFINITY_NEW;

    pb_mutex_lock(&set->lock);
    struct pb_remembered *one = find_locked(affinity, set, session, sent_ns);

    if (one) {
        result =
            one->worker.number == worker.number && one->worker.incarnation == worker.incarnation
                ? PB_AFFINITY_HIT
                : PB_AFFINITY_MISS;
    } else {
        one = place_locked(set, session);
    }
    *one = (struct pb_remembered){ .session = session, .used_ns = now_ns, .worker = worker };
    pb_mutex_unlock(&set->lock);
    return result;
}
