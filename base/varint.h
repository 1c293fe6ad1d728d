/*
 * base/varint.h - signed integers in few bytes: zig-zag, then LEB128 of at most nine bytes.
 *
 * The encoding of HdrHistogram's V2 payload (ZigZagEncoding, "LEB128-64b9B"): seven bits a byte,
 * lowest first, the top bit set when more follow; a ninth byte carries its eight bits whole, so
 * that 64 bits never need a tenth.  Pure functions.  hot
 */
#ifndef PB_BASE_VARINT_H
#define PB_BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define PB_VARINT_MAX_BYTES 9

/* Writes `value` to `out` (room for PB_VARINT_MAX_BYTES) and returns the byte after it. */
static inline uint8_t *pb_varint_put(uint8_t *out, int64_t value)
{
    uint64_t rest = ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);

    for (int i = 0; i < PB_VARINT_MAX_BYTES - 1; i++) {
        if (rest < 0x80) {
            *out++ = (uint8_t)rest;
            return out;
        }
        *out++ = (uint8_t)(rest | 0x80);
        rest >>= 7;
    }
    *out++ = (uint8_t)rest;
    return out;
}

/* Reads one value between `in` and `end` and returns the byte after it; NULL, leaving *ret_value
 * alone, when the bytes end first. */
static inline const uint8_t *pb_varint_get(const uint8_t *in, const uint8_t *end,
                                           int64_t *ret_value)
{
    uint64_t bits = 0;

    for (int i = 0; in < end; i++) {
        uint64_t byte = *in++;
        int last = i == PB_VARINT_MAX_BYTES - 1;

        bits |= (last ? byte : byte & 0x7f) << (7 * i);
        if (last || byte < 0x80) {
            *ret_value = (int64_t)((bits >> 1) ^ (0 - (bits & 1)));
            return in;
        }
    }
    return NULL;
}

#endif
