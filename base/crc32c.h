/*
 * base/crc32c.h - the Castagnoli checksum (iSCSI, RFC 3720 appendix B.4).
 *
 * Uses the processor's instruction where there is one.  Pure functions.
 */
#ifndef PB_BASE_CRC32C_H
#define PB_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` covered (0: nothing) followed by `len` bytes. */
uint32_t pb_crc32c(uint32_t crc, const void *data, size_t len);
/* The same without special instructions, for machines that lack them and for the test. */
uint32_t pb_crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
