#include <errno.h>
#include <sys/socket.h>

#include "pool/process_internal.h"

/* As many bytes as there is room for: 0 is none; -1: broken. */
static ssize_t send_some(const struct pb_process *process, const char *data, size_t len)
{
    ssize_t sent;

    do {
        sent = send(process->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) ? 0 : sent;
}

static enum pb_sent flush_locked(struct pb_process *process) PB_REQUIRES(process->write_lock)
{
    struct pb_buf *unsent = &process->unsent;
    size_t left = unsent->len - process->unsent_from;

    if (left == 0) {
        return PB_SENT_ALL;
    }
    ssize_t sent = send_some(process, unsent->data + process->unsent_from, left);

    if (sent < 0) {
        return PB_SENT_BROKEN;
    }
    process->unsent_from += (size_t)sent;
    if (process->unsent_from < unsent->len) {
        return PB_SENT_PART;
    }
    pb_buf_done(unsent);
    process->unsent_from = 0;
    return PB_SENT_ALL;
}

/* Only the beginning of it was taken: without the rest nothing else can follow. */
static enum pb_sent keep_rest_locked(struct pb_process *process, const struct pb_buf *message,
                                     size_t sent) PB_REQUIRES(process->write_lock)
{
    pb_buf_add(&process->unsent, message->data + sent, message->len - sent);
    return pb_buf_status(&process->unsent) == PB_OK ? PB_SENT_PART : PB_SENT_BROKEN;
}

static enum pb_sent send_locked(struct pb_process *process, const struct pb_buf *message)
    PB_REQUIRES(process->write_lock)
{
    enum pb_sent before = flush_locked(process);

    if (before != PB_SENT_ALL) {
        return before == PB_SENT_PART ? PB_SENT_NOTHING : before;
    }
    ssize_t sent = send_some(process, message->data, message->len);

    if (sent <= 0) {
        return sent < 0 ? PB_SENT_BROKEN : PB_SENT_NOTHING;
    }
    return (size_t)sent == message->len ? PB_SENT_ALL
                                        : keep_rest_locked(process, message, (size_t)sent);
}

enum pb_sent pb_lanes_send(struct pb_process *process, const struct pb_buf *message)
{
    pb_mutex_lock(&process->write_lock);

    enum pb_sent sent = send_locked(process, message);

    pb_mutex_unlock(&process->write_lock);
    return sent;
}

enum pb_sent pb_lanes_flush(struct pb_process *process)
{
    pb_mutex_lock(&process->write_lock);

    enum pb_sent sent = flush_locked(process);

    pb_mutex_unlock(&process->write_lock);
    return sent;
}

void pb_lanes_send_later(struct pb_process *process, const struct pb_buf *message)
{
    pb_mutex_lock(&process->write_lock);
    if (send_locked(process, message) == PB_SENT_NOTHING) {
        (void)keep_rest_locked(process, message, 0);
    }
    pb_mutex_unlock(&process->write_lock);
}
