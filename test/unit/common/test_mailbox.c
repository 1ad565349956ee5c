/* common/mailbox.c: many threads post, one takes. Also run with SAN=thread. */
#include "common/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>

#define POSTERS 4
#define LETTERS 20000

struct number {
    struct letter letter;
    unsigned poster, value;
};

struct owner {
    struct event_base *base;
    unsigned next[POSTERS]; /* the value that each poster must send next */
    unsigned total;
    struct mailbox *mailbox;
};

struct poster {
    pthread_t thread;
    unsigned id;
    struct mailbox *mailbox;
};

static unsigned n_undelivered;

static void deliver(struct letter *letter, void *context)
{
    struct number *number = (struct number *)letter;
    struct owner *owner = context;
    if (owner) {
        assert_int_equal(number->value, owner->next[number->poster]++); /* in order */
        if (++owner->total == POSTERS * LETTERS)
            event_base_loopbreak(owner->base);
    } else {
        n_undelivered++;
    }
    free(number);
}

static void post(struct mailbox *mailbox, unsigned poster, unsigned value)
{
    struct number *number = malloc(sizeof(*number));
    assert_non_null(number);
    *number = (struct number){{NULL, deliver}, poster, value};
    mailbox_post(mailbox, &number->letter);
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < LETTERS; i++)
        post(poster->mailbox, poster->id, i);
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    struct err err;
    struct poster posters[POSTERS];
    struct owner owner = {.base = event_base_new()};
    struct mailbox *mailbox = mailbox_new(owner.base, &owner, &err);
    assert_non_null(mailbox);
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.id = i, .mailbox = mailbox};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    event_base_dispatch(owner.base);
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    assert_int_equal(owner.total, POSTERS * LETTERS);
    mailbox_free(mailbox);
    event_base_free(owner.base);
}

static void test_letters_left_over(void **state)
{
    (void)state;
    struct err err;
    struct owner owner = {.base = event_base_new()};
    struct mailbox *mailbox = mailbox_new(owner.base, &owner, &err);
    for (unsigned i = 0; i < 3; i++)
        post(mailbox, 0, i);
    n_undelivered = 0;
    mailbox_free(mailbox);
    assert_int_equal(n_undelivered, 3);
    assert_int_equal(owner.total, 0);
    mailbox_free(NULL);
    event_base_free(owner.base);
}

/* A letter that posts another: that one comes in the next turn, and none is lost. */
static void deliver_and_post(struct letter *letter, void *context)
{
    struct number *number = (struct number *)letter;
    struct owner *owner = context;
    if (number->value < 10) {
        struct number *next = malloc(sizeof(*next));
        *next = (struct number){{NULL, deliver_and_post}, 0, number->value + 1};
        mailbox_post(owner->mailbox, &next->letter);
    } else {
        event_base_loopbreak(owner->base);
    }
    owner->total++;
    free(number);
}

static void test_posting_from_inside(void **state)
{
    (void)state;
    struct err err;
    struct owner owner = {.base = event_base_new()};
    struct number *number = malloc(sizeof(*number));
    owner.mailbox = mailbox_new(owner.base, &owner, &err);
    *number = (struct number){{NULL, deliver_and_post}, 0, 0};
    mailbox_post(owner.mailbox, &number->letter);
    event_base_dispatch(owner.base);
    assert_int_equal(owner.total, 11);
    mailbox_free(owner.mailbox);
    event_base_free(owner.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_letters_left_over),
        cmocka_unit_test(test_posting_from_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
