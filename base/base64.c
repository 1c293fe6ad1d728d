#include "base/base64.h"

#include <stdlib.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Four characters of up to three bytes. */
static void encode_group(const uint8_t *bytes, size_t count, char text[static 4])
{
    uint32_t bits = (uint32_t)bytes[0] << 16;

    if (count > 1) {
        bits |= (uint32_t)bytes[1] << 8;
    }
    if (count > 2) {
        bits |= bytes[2];
    }
    text[0] = alphabet[bits >> 18];
    text[1] = alphabet[bits >> 12 & 63];
    text[2] = '=';
    text[3] = '=';
    if (count > 1) {
        text[2] = alphabet[bits >> 6 & 63];
    }
    if (count > 2) {
        text[3] = alphabet[bits & 63];
    }
}

void pb_base64_encode(const void *bytes, size_t len, struct pb_buf *out)
{
    const uint8_t *byte = bytes;

    for (size_t done = 0; done < len; done += 3) {
        char text[4];

        encode_group(byte + done, len - done < 3 ? len - done : 3, text);
        pb_buf_add(out, text, sizeof(text));
    }
}

/* The six bits of a character, -1 outside the alphabet. */
static int32_t value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Three bytes of four characters, of which the last `padding` are '='. */
static enum pb_status decode_group(const char text[static 4], size_t padding, uint8_t *bytes)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4; i++) {
        int32_t value = i < 4 - padding ? value_of(text[i]) : 0;

        if (value < 0) {
            return PB_ECORRUPT;
        }
        bits = bits << 6 | (uint32_t)value;
    }
    for (size_t i = 0; i < 3 - padding; i++) {
        bytes[i] = (uint8_t)(bits >> (16 - 8 * i));
    }
    return PB_OK;
}

enum pb_status pb_base64_decode(const char *text, size_t len, uint8_t **ret_bytes, size_t *ret_len)
{
    if (len % 4 != 0) {
        return PB_ECORRUPT;
    }
    size_t padding = len == 0 || text[len - 1] != '=' ? 0 : text[len - 2] != '=' ? 1 : 2;
    uint8_t *bytes = malloc(len / 4 * 3 + 1);

    if (!bytes) {
        return PB_ENOMEM;
    }
    for (size_t i = 0; i < len; i += 4) {
        size_t missing = i + 4 == len ? padding : 0;

        if (decode_group(text + i, missing, bytes + i / 4 * 3) != PB_OK) {
            free(bytes);
            return PB_ECORRUPT;
        }
    }
    *ret_bytes = bytes;
    *ret_len = len / 4 * 3 - padding;
    return PB_OK;
}
