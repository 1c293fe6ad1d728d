/*
 * tuner/journal.h - the append-only record of a tune: one JSON object a line, synced and
 * checksummed, and its replay.
 *
 * An opened journal first replays: what the search would note is compared with what stands there,
 * and trials' results are taken from it.  At its end it turns into appending.  So a search that is
 * a pure function of its trials' results goes on exactly where it was killed.  README.md has the
 * lines.  One owner thread; a lock on the file keeps a second process out.
 */
#ifndef PB_TUNER_JOURNAL_H
#define PB_TUNER_JOURNAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "poolbench/error.h"

#include "base/buf.h"

struct pb_journal;

/* Adds `line` with its checksum and the line's end to `out`. */
PB_MUST_USE enum pb_status pb_journal_format(const cJSON *line, struct pb_buf *out);

/* Opens an existing journal, drops a torn last line, and stands before its first line.
 * PB_ENOENT, PB_ECORRUPT (err names the line), PB_EEXIST (another process has it), PB_ESYS. */
PB_MUST_USE enum pb_status pb_journal_open(const char *path, struct pb_journal **ret_journal,
                                           struct pb_error *err);
void pb_journal_free(struct pb_journal *journal);

/* Replaying: the next line must say the same (else PB_ECORRUPT) and is passed.  At the end: appends
 * it and syncs.  Takes `line` in any case; NULL (no memory while it was made) is PB_ENOMEM. */
PB_MUST_USE enum pb_status pb_journal_note(struct pb_journal *journal, cJSON *line,
                                           struct pb_error *err);
/* The next line when it has this type, which is then passed; NULL otherwise.  Owned by the
 * journal. */
const cJSON *pb_journal_take(struct pb_journal *journal, const char *type);
/* Lines are left to replay. */
bool pb_journal_replaying(const struct pb_journal *journal);

#endif
