#include "base/hlog.h"

#include <endian.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/varint.h"

/* HdrHistogram's V2: the low nibble pair 0x10 says that counts are zig-zag LEB128. */
#define COOKIE_ENCODING    0x1c849303u
#define COOKIE_COMPRESSED  0x1c849304u
#define COOKIE_LEB128      0x10u
#define COOKIE_BASE_MASK   0xffffff0fu
#define PAYLOAD_HEAD_BYTES 40
#define OUTER_HEAD_BYTES   8
#define LEN_MAX_BYTES      ((size_t)16 << 20)

/* Text of ours in a line of a log: what would end the line or a field becomes `instead`. */
static void put_clean(struct pb_buf *out, const char *text, const char *refused, char instead)
{
    for (; *text; text++) {
        bool bad = (unsigned char)*text < 0x20 || *text == 0x7f || strchr(refused, *text);

        pb_buf_add(out, bad ? &instead : text, 1);
    }
}

void pb_hlog_header(struct pb_buf *out, const char *comment, int64_t start_wall_ns)
{
    time_t seconds = start_wall_ns / PB_NS_PER_S;
    int64_t ms = start_wall_ns % PB_NS_PER_S / PB_NS_PER_MS;
    char date[64];
    struct tm utc;

    gmtime_r(&seconds, &utc);
    (void)strftime(date, sizeof(date), "%a %b %d %H:%M:%S UTC %Y", &utc);
    pb_buf_puts(out, "#[");
    put_clean(out, comment, "", ' ');
    pb_buf_puts(out, "]\n#[Histogram log format version 1.3]\n");
    pb_buf_printf(out, "#[StartTime: %lld.%03lld (seconds since epoch), %s]\n", (long long)seconds,
                  (long long)ms, date);
    pb_buf_puts(out, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                     "\"Interval_Compressed_Histogram\"\n");
}

enum pb_status pb_hlog_line(struct pb_buf *out, const char *tag, int64_t start_ns,
                            int64_t length_ns, const struct pb_hist *hist)
{
    pb_buf_puts(out, "Tag=");
    put_clean(out, tag, ", ", '_');
    pb_buf_printf(out, ",%.3f,%.3f,%.3f,", (double)start_ns / PB_NS_PER_S,
                  (double)length_ns / PB_NS_PER_S, (double)hist->max / PB_NS_PER_MS);
    PB_TRY(pb_hist_encode(hist, out));
    pb_buf_puts(out, "\n");
    return pb_buf_status(out);
}

static void free_bytes(uint8_t **bytes)
{
    free(*bytes);
}

static void put_be32(uint8_t *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, sizeof(value));
}

static void put_be64(uint8_t *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof(value));
}

static uint32_t get_be32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return be32toh(value);
}

static int64_t get_be64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return (int64_t)be64toh(value);
}

/* The counts up to the largest value; runs of empty buckets as one negative number. */
static uint8_t *put_counts(const struct pb_hist *hist, uint8_t *at)
{
    struct pb_hist_iter iter;
    int32_t next = 0; /* the bucket that is to be written next */

    for (pb_hist_iter_init(&iter, hist); pb_hist_iter_next(&iter);) {
        if (iter.index > next) {
            at = pb_varint_put(at, next - (int64_t)iter.index);
        }
        at = pb_varint_put(at, iter.count);
        next = iter.index + 1;
    }
    /* An empty histogram still holds its first count. */
    return hist->total ? at : pb_varint_put(at, -1);
}

static size_t count_buckets(const struct pb_hist *hist)
{
    struct pb_hist_iter iter;
    size_t count = 0;

    for (pb_hist_iter_init(&iter, hist); pb_hist_iter_next(&iter);) {
        count++;
    }
    return count;
}

/* The uncompressed form: head, then counts. */
static enum pb_status make_payload(const struct pb_hist *hist, uint8_t **ret_payload,
                                   size_t *ret_len)
{
    size_t most = PAYLOAD_HEAD_BYTES + (2 * count_buckets(hist) + 1) * PB_VARINT_MAX_BYTES;
    uint8_t *payload = malloc(most);

    if (!payload) {
        return PB_ENOMEM;
    }
    uint8_t *end = put_counts(hist, payload + PAYLOAD_HEAD_BYTES);
    double ratio = 1; /* of values to integers; stored as the bits of a double */
    uint64_t ratio_bits;

    memcpy(&ratio_bits, &ratio, sizeof(ratio_bits));
    put_be32(payload, COOKIE_ENCODING | COOKIE_LEB128);
    put_be32(payload + 4, (uint32_t)(end - payload - PAYLOAD_HEAD_BYTES));
    put_be32(payload + 8, 0); /* normalizing index offset */
    put_be32(payload + 12, (uint32_t)hist->digits);
    put_be64(payload + 16, 1); /* lowest discernible value */
    put_be64(payload + 24, (uint64_t)hist->highest);
    put_be64(payload + 32, ratio_bits);
    *ret_payload = payload;
    *ret_len = (size_t)(end - payload);
    return PB_OK;
}

/* Adds the compressed form of a payload, as base64. */
static enum pb_status put_packed(const uint8_t *payload, size_t len, struct pb_buf *out)
{
    uLongf packed = compressBound(len);
    uint8_t *outer = malloc(OUTER_HEAD_BYTES + packed);
    enum pb_status status = PB_ENOMEM; /* into enough room compress() can fail in no other way */

    if (outer && compress(outer + OUTER_HEAD_BYTES, &packed, payload, len) == Z_OK) {
        put_be32(outer, COOKIE_COMPRESSED | COOKIE_LEB128);
        put_be32(outer + 4, (uint32_t)packed);
        pb_base64_encode(outer, OUTER_HEAD_BYTES + packed, out);
        status = pb_buf_status(out);
    }
    free(outer);
    return status;
}

enum pb_status pb_hist_encode(const struct pb_hist *hist, struct pb_buf *out)
{
    uint8_t *payload = NULL;
    size_t len = 0;

    PB_TRY(make_payload(hist, &payload, &len));
    enum pb_status status = put_packed(payload, len, out);

    free(payload);
    return status;
}

/* What the head of a payload says. */
struct head {
    int64_t highest;
    size_t len; /* bytes of counts */
    int digits;
    int half_magnitude; /* log2 of half the sub-buckets */
    int unit;           /* log2 of the lowest discernible value */
};

static enum pb_status read_head(const uint8_t *bytes, struct head *ret_head, struct pb_error *err)
{
    int64_t highest = get_be64(bytes + 24), lowest = get_be64(bytes + 16);
    uint32_t digits = get_be32(bytes + 12), len = get_be32(bytes + 4);

    if ((get_be32(bytes) & COOKIE_BASE_MASK) != COOKIE_ENCODING || get_be32(bytes + 8) != 0) {
        return pb_fail(err, PB_ECORRUPT, "histogram: not the V2 encoding of HdrHistogram");
    }
    if (digits < 1 || digits > 5 || lowest < 1 || highest / 2 < lowest) {
        return pb_fail(err, PB_ECORRUPT,
                       "histogram: %u digits, %lld..%lld: must be 1 to 5 digits, and the range at "
                       "least a factor of 2",
                       digits, (long long)lowest, (long long)highest);
    }
    if (len > LEN_MAX_BYTES) {
        return pb_fail(err, PB_ECORRUPT, "histogram: %u bytes are too many", len);
    }
    int64_t values = 2; /* with single-unit resolution, as in pb_hist_init() */

    for (uint32_t i = 0; i < digits; i++) {
        values *= 10;
    }
    *ret_head = (struct head){ .highest = highest,
                               .len = len,
                               .digits = (int)digits,
                               .half_magnitude = 63 - __builtin_clzll((uint64_t)values - 1),
                               .unit = 63 - __builtin_clzll((uint64_t)lowest) };
    return PB_OK;
}

/* Walks the counts of a payload. */
struct walk {
    const struct head *head;
    const uint8_t *at, *end;
    int64_t index; /* of the next count */
    int64_t low, top, count;
};

/* PB_OK with the next count that is not 0, PB_ENOENT at the end, PB_ECORRUPT. */
static enum pb_status walk_next(struct walk *walk)
{
    const struct head *head = walk->head;

    while (walk->at < walk->end) {
        int64_t value;

        walk->at = pb_varint_get(walk->at, walk->end, &value);
        if (!walk->at || value < -INT32_MAX || walk->index > INT32_MAX) {
            return PB_ECORRUPT;
        }
        int64_t index = walk->index;

        walk->index += value < 0 ? -value : 1;
        if (value <= 0) {
            continue;
        }
        int64_t half = INT64_C(1) << head->half_magnitude;
        int64_t shift = (index >> head->half_magnitude) - 1;
        int64_t sub = shift < 0 ? index : (index & (half - 1)) + half;
        int64_t width = (shift < 0 ? 0 : shift) + head->unit;

        if (width + head->half_magnitude + 1 > 63) {
            return PB_ECORRUPT; /* beyond 2^63 */
        }
        walk->low = sub << width;
        walk->top = walk->low + ((INT64_C(1) << width) - 1);
        walk->count = value;
        return PB_OK;
    }
    return PB_ENOENT;
}

/* The largest value and the sum of the counts. */
static enum pb_status survey(struct walk walk, int64_t *ret_top)
{
    enum pb_status status;
    int64_t total = 0;

    *ret_top = 0;
    while ((status = walk_next(&walk)) == PB_OK) {
        *ret_top = walk.top;
        if (__builtin_add_overflow(total, walk.count, &total)) {
            return PB_ECORRUPT;
        }
    }
    return status == PB_ENOENT ? PB_OK : status;
}

/* Fills a fresh histogram.  Each count goes to the top of its bucket, where a coarser unit than
 * ours keeps its quantiles; minimum, maximum and sum are known to the width of a bucket. */
static enum pb_status fill(const struct head *head, const uint8_t *counts, struct pb_hist *ret_hist)
{
    struct walk walk = { .head = head, .at = counts, .end = counts + head->len };
    int64_t top, min = INT64_MAX;
    double sum = 0;

    PB_TRY(survey(walk, &top));
    PB_TRY(pb_hist_init(ret_hist, head->highest, head->digits));
    if (top > pb_hist_highest_equivalent(ret_hist, head->highest)) {
        /* Others record past `highest`, up to the end of its power of two. */
        int64_t highest = top;

        pb_hist_done(ret_hist);
        PB_TRY(pb_hist_init(ret_hist, highest, head->digits));
    }
    while (walk_next(&walk) == PB_OK) {
        int64_t value = walk.top < ret_hist->highest ? walk.top : ret_hist->highest;

        pb_hist_record_n(ret_hist, value, walk.count);
        min = walk.low < min ? walk.low : min;
        sum += ((double)walk.low + (double)(walk.top - walk.low) / 2) * (double)walk.count;
    }
    ret_hist->min = min;
    ret_hist->sum = sum;
    return PB_OK;
}

/* Inflates head and counts; the head decides how much memory the counts get. */
static enum pb_status inflate_hist(z_stream *stream, struct pb_hist *ret_hist, struct pb_error *err)
{
    uint8_t bytes[PAYLOAD_HEAD_BYTES];
    struct head head = { 0 };

    stream->next_out = bytes;
    stream->avail_out = sizeof(bytes);
    if (inflate(stream, Z_SYNC_FLUSH) < 0 || stream->avail_out > 0) {
        return pb_fail(err, PB_ECORRUPT, "histogram: the compressed data is damaged");
    }
    PB_TRY(read_head(bytes, &head, err));
    PB_CLEANUP(free_bytes) uint8_t *counts = malloc(head.len + 1);

    if (!counts) {
        return PB_ENOMEM;
    }
    /* One byte more than expected, so that a longer payload shows. */
    stream->next_out = counts;
    stream->avail_out = (uInt)head.len + 1;
    if (inflate(stream, Z_FINISH) != Z_STREAM_END || stream->avail_out != 1) {
        return pb_fail(err, PB_ECORRUPT, "histogram: the compressed data is damaged");
    }
    enum pb_status status = fill(&head, counts, ret_hist);

    return status == PB_OK ? PB_OK : pb_fail(err, status, "histogram: the counts are damaged");
}

enum pb_status pb_hist_decode(const char *base64, struct pb_hist *ret_hist, struct pb_error *err)
{
    PB_CLEANUP(free_bytes) uint8_t *outer = NULL;
    size_t len = 0;
    z_stream stream = { 0 };
    struct pb_hist hist = { 0 };

    enum pb_status status = pb_base64_decode(base64, strcspn(base64, "\r\n"), &outer, &len);

    if (status != PB_OK) {
        return pb_fail(err, status, "histogram: not base64, or out of memory");
    }
    if (len < OUTER_HEAD_BYTES || (get_be32(outer) & COOKIE_BASE_MASK) != COOKIE_COMPRESSED ||
        get_be32(outer + 4) != len - OUTER_HEAD_BYTES) {
        return pb_fail(err, PB_ECORRUPT, "histogram: not a V2 compressed histogram");
    }
    stream.next_in = outer + OUTER_HEAD_BYTES;
    stream.avail_in = (uInt)(len - OUTER_HEAD_BYTES);
    if (inflateInit(&stream) != Z_OK) {
        return PB_ENOMEM;
    }
    status = inflate_hist(&stream, &hist, err);

    (void)inflateEnd(&stream);
    if (status != PB_OK) {
        pb_hist_done(&hist);
        return status;
    }
    *ret_hist = hist;
    return PB_OK;
}
