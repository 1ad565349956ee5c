/*
 * Watching live requests: who looks (the admin port, main thread) and who is looked at (workers).
 * While nobody looks a request costs one relaxed load. A request that a tap lets through becomes a
 * line of JSON, posted to the main thread; lines that wait for it are bounded for each tap, what is
 * beyond is dropped and counted.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_TAP_H
#define OUTRIGGER_PROXY_TELEMETRY_TAP_H

#include <stdatomic.h>

#include "common/mailbox.h"
#include "proxy/telemetry/request_filter.h"

#define TAP_LINES_MAX 1000 /* that wait, of one tap */
#define TAPS_MAX      8

struct tap;
struct tap_hub;

/* `box` is the main thread's. NULL when memory is short. */
struct tap_hub *tap_hub_new(struct mailbox *box);
/* When no worker runs any more and the mailbox has delivered; no tap is open. */
void tap_hub_free(struct tap_hub *hub);

/*
 * Main thread. `on_line` gets each line, with its line feed, on the main thread until tap_close();
 * it returns whether the line was taken (else it is counted as dropped). The filter and its texts
 * must live until tap_close(). NULL: TAPS_MAX are open, or memory is short.
 */
struct tap *tap_open(struct tap_hub *hub, const struct request_filter *filter,
                     bool (*on_line)(void *context, struct slice line), void *context);
void tap_close(struct tap *tap);
/* Lines that were not delivered. Any thread. */
uint64_t tap_dropped(const struct tap *tap);
uint64_t tap_hub_dropped(const struct tap_hub *hub); /* of all taps that there were */

/* Any thread: does anybody look? */
bool tap_hub_is_watched(const struct tap_hub *hub);
/* Any thread. */
void tap_offer(struct tap_hub *hub, const struct request_facts *facts);

#endif
