/* Any text is either a histogram that can be asked, or refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pb_hist hist = { 0 };
    char *text = malloc(size + 1);

    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    if (pb_hist_decode(text, &hist, NULL) == PB_OK) {
        int64_t half = pb_hist_quantile(&hist, 0.5);

        if (half > hist.max || pb_hist_count_le(&hist, hist.max) != hist.total) {
            abort();
        }
        pb_hist_done(&hist);
    }
    free(text);
    return 0;
}
