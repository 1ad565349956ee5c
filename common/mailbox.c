#include "common/mailbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    _Atomic(struct letter *) newest; /* a stack; taken whole and turned round */
    int wake_fd;
    struct event *wake_event;
    void *owner;
};

static void mailbox_deliver(struct mailbox *mailbox, void *owner)
{
    struct letter *stack = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct letter *queue = NULL;
    while (stack) {
        struct letter *next = stack->next;
        stack->next = queue;
        queue = stack;
        stack = next;
    }
    while (queue) {
        struct letter *letter = queue;
        queue = letter->next;
        letter->deliver(letter, owner);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct mailbox *mailbox = arg;
    uint64_t count;
    /* Reset before taking, so that a post in between wakes us again. */
    if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        abort(); /* an eventfd of our own cannot fail otherwise */
    mailbox_deliver(mailbox, mailbox->owner);
}

struct mailbox *mailbox_new(struct event_base *base, void *owner, struct err *err)
{
    struct mailbox *mailbox = calloc(1, sizeof(*mailbox));
    if (!mailbox) {
        err_set(err, "mailbox: out of memory");
        return NULL;
    }
    mailbox->owner = owner;
    mailbox->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->wake_fd < 0) {
        err_set_errno(err, errno, "mailbox: eventfd");
        free(mailbox);
        return NULL;
    }
    mailbox->wake_event = event_new(base, mailbox->wake_fd, EV_READ | EV_PERSIST, on_wake, mailbox);
    if (!mailbox->wake_event || event_add(mailbox->wake_event, NULL) < 0) {
        err_set(err, "mailbox: cannot add its event");
        mailbox_free(mailbox);
        return NULL;
    }
    return mailbox;
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
    struct letter *head = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    do
        letter->next = head;
    while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &head, letter,
                                                  memory_order_release, memory_order_relaxed));
    /* Only the first letter of a stack has to wake the taker; a full counter has woken it already.
     */
    uint64_t one = 1;
    if (!head && write(mailbox->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        abort();
}

void mailbox_free(struct mailbox *mailbox)
{
    if (!mailbox)
        return;
    if (mailbox->wake_event)
        event_free(mailbox->wake_event);
    mailbox_deliver(mailbox, NULL);
    close(mailbox->wake_fd);
    free(mailbox);
}
