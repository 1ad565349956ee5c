/*
 * How threads talk: many may post, one takes. A post wakes the taker's event loop (an eventfd), and
 * the taker runs every letter's `deliver` on its own thread, in the order of posting.
 */
#ifndef OUTRIGGER_COMMON_MAILBOX_H
#define OUTRIGGER_COMMON_MAILBOX_H

#include <event2/event.h>

#include "common/err.h"

/* Embed it in what is sent. Posted, it belongs to the mailbox until `deliver` is called, once. */
struct letter {
    struct letter *next;
    /* `owner` is what mailbox_new() was given. The letter is the callee's to free. */
    void (*deliver)(struct letter *letter, void *owner);
};

struct mailbox;

/* A mailbox whose letters are delivered on the thread that runs `base`. NULL with `err` filled. */
struct mailbox *mailbox_new(struct event_base *base, void *owner, struct err *err);

/* From any thread; never blocks, never fails, allocates nothing. */
void mailbox_post(struct mailbox *mailbox, struct letter *letter);

/*
 * On the taker's thread, when nobody posts any more. Letters that were not delivered are delivered
 * now with a NULL owner, so that they can free themselves.
 */
void mailbox_free(struct mailbox *mailbox);

#endif
