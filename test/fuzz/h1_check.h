/* What holds for every head that the parser has accepted, whatever came. For the h1 targets. */
#ifndef OUTRIGGER_TEST_FUZZ_H1_CHECK_H
#define OUTRIGGER_TEST_FUZZ_H1_CHECK_H

#include <stdint.h>
#include <stdlib.h>

#include "common/http/h1_parse.h"

static inline void need(bool holds)
{
    if (!holds)
        abort();
}

static inline void check_fields(const struct head *head)
{
    need(head->n_fields <= 128);
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct field *field = &head->fields[i];
        need(http_is_lower_token(field->name) && http_is_field_value(field->value));
        need(field->id == field_name_of(field->name));
        need(field->id != FIELD_HOST && field->id != FIELD_CONTENT_LENGTH);
        if (field->id == FIELD_TE)
            need(slice_eq_str(field->value, "trailers"));
        else
            need(!field_name_is_hop_by_hop(field->id));
    }
}

static inline void check_request(const struct head *head, const struct h1_message *message)
{
    check_fields(head);
    need(head->status == 0 && http_is_token(head->method));
    need(head->authority.len > 0 ? http_is_authority(head->authority) : head->version == HTTP_1_0);
    if (slice_eq_str(head->method, "CONNECT"))
        need(head->path.len == 0 && message->framing == H1_NO_BODY);
    else
        need(http_is_path(head->path) ||
             (slice_eq_str(head->path, "*") && slice_eq_str(head->method, "OPTIONS")));
    need(message->framing <= H1_CHUNKED);
    need((message->framing == H1_LENGTH) == (head->content_length > 0));
    need(message->is_upgrade == (head->upgrade.len > 0));
    need(!message->is_upgrade || message->framing == H1_NO_BODY);
}

static inline void check_response(const struct head *head, const struct h1_message *message)
{
    check_fields(head);
    need(head->status >= 100 && head->status <= 599);
    need(head->method.len + head->path.len + head->authority.len == 0);
    need(message->is_upgrade == (head->status == 101 && message->framing == H1_TUNNEL));
    if (message->framing == H1_LENGTH)
        need(head->content_length > 0);
    if (message->framing == H1_UNTIL_CLOSE || message->framing == H1_TUNNEL)
        need(!message->is_persistent);
}

/*
 * Looks for the end of a head in pieces of `step` bytes; it must be where it is for the whole, and
 * so must the fault.
 */
static inline size_t find_end(struct slice bytes, size_t step, const struct h1_limits *limits,
                              enum h1_fault *fault)
{
    size_t seen = 0, whole = h1_head_end(bytes, &seen, limits, fault), len = 0;
    enum h1_fault cut_fault = H1_FAULT_NONE;
    seen = 0;
    for (size_t at = 0; at < bytes.len && len == 0 && cut_fault == H1_FAULT_NONE;) {
        at = bytes.len - at > step ? at + step : bytes.len;
        len = h1_head_end(slice_sub(bytes, 0, at), &seen, limits, &cut_fault);
    }
    need(len == whole && cut_fault == *fault);
    return len;
}

/* Small, so that a fuzzer reaches them. */
#define FUZZ_LIMITS ((struct h1_limits){256, 1024, 16})

#endif
