/*
 * Labels as the Prometheus text format 0.0.4 and OpenMetrics 1.0 write them:
 * direction="inbound",service="shop/api". Pure.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_LABEL_TEXT_H
#define OUTRIGGER_PROXY_TELEMETRY_LABEL_TEXT_H

#include "common/slice.h"

/* Identities are at most 2048 bytes, the names of Kubernetes at most 253: what is longer is not
 * ours. */
#define LABEL_TEXT_MAX_BYTES 8192

/* A text of fixed size that remembers that something did not fit. */
struct label_text {
    char bytes[LABEL_TEXT_MAX_BYTES];
    size_t len;
    bool is_cut;
};

/* Empty; the bytes need not be set. */
static inline void label_text_init(struct label_text *text)
{
    text->len = 0;
    text->is_cut = false;
}

/* Appends name="value", escaped; NULL is "". */
void label_text_add(struct label_text *text, const char *name, const char *value);

static inline struct slice label_text_slice(const struct label_text *text)
{
    return slice_of(text->bytes, text->len);
}

/* The labels of what is counted together beyond a ceiling: the direction, and overflow="true". */
void label_text_overflow(struct label_text *text, const char *direction);

/* A copy with a NUL at the end, for free(); NULL when memory is short. */
char *label_text_copy(const struct label_text *text);

#endif
