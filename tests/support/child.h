/*
 * tests/support/child.h - children to test processes with: tests/programs/test_worker.c.
 */
#ifndef PB_TESTS_SUPPORT_CHILD_H
#define PB_TESTS_SUPPORT_CHILD_H

#include "pool/process.h"
#include "support/test.h"

/* Beside the program that runs: build/MODE/programs/test_worker.  Static storage. */
const char *pb_child_program(void);
/* The config of a child in that mode ("frames", "lines"), with one more argument or NULL; the
 * arguments are static storage. */
struct pb_process_config pb_child_config(const char *mode, const char *more);
/* Starts it, within a time that a busy machine keeps. */
struct pb_process *pb_child_start(const struct pb_process_config *config);
struct pb_process *pb_child_frames(uint32_t lanes);
/* A call; with `ret_reply` (may be NULL) its payload, too. */
enum pb_call pb_child_call_on(struct pb_process *process, uint32_t lane, struct pb_token *token,
                              const char *command, const char *args, struct pb_reply *ret_reply);
/* The same on lane 0 without a token. */
enum pb_call pb_child_call(struct pb_process *process, const char *command, const char *args);
/* The same, which is answered with OK; the payload. */
char *pb_child_ask(struct pb_process *process, const char *command, const char *args);

/* Descriptors that this process has open; children that it has not reaped. */
int pb_child_open_fds(void);
int pb_child_count(void);
/* Whether there is such a process that is not a zombie. */
bool pb_child_runs(int64_t pid);
/* Waits (bounded) until there is none. */
bool pb_child_gone(int64_t pid);

#endif
