/*
 * base/hlog.h - the standard HdrHistogram interval log (V2 compressed, base64), written and read.
 *
 * Other tools read it: HistogramLogAnalyzer, hdr-histogram-js, hdrh.  Needs zlib.
 */
#ifndef PB_BASE_HLOG_H
#define PB_BASE_HLOG_H

#include <stdint.h>

#include "poolbench/error.h"

#include "base/buf.h"
#include "base/hist.h"

/* Adds the header: version, comment, start time (wall ns since 1970), column legend. */
void pb_hlog_header(struct pb_buf *out, const char *comment, int64_t start_wall_ns);
/* Adds one line "Tag=TAG,start,length,max,BASE64".  Times in ns from the log's start; max is
 * printed in ms.  Characters of `tag` that the format cannot carry (comma, blank, control) become
 * '_'. */
PB_MUST_USE enum pb_status pb_hlog_line(struct pb_buf *out, const char *tag, int64_t start_ns,
                                        int64_t length_ns, const struct pb_hist *hist);
/* Encodes and decodes one histogram as V2 compressed base64. */
PB_MUST_USE enum pb_status pb_hist_encode(const struct pb_hist *hist, struct pb_buf *out);
/* `ret_hist` is initialised by this call (release with pb_hist_done).  PB_ECORRUPT, PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_hist_decode(const char *base64, struct pb_hist *ret_hist,
                                          struct pb_error *err);

#endif
