/*
 * For the tests of heads: a row is what comes and what becomes of it, in a line of text. Every row
 * is fed whole, cut in two at every byte, and byte by byte: nothing may depend on that.
 */
#ifndef OUTRIGGER_TEST_UNIT_COMMON_HTTP_H1_ROWS_H
#define OUTRIGGER_TEST_UNIT_COMMON_HTTP_H1_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/http/h1_parse.h"

struct head_row {
    const char *name;
    struct slice bytes;
    enum h1_fault fault;
    const char *head; /* what is understood, when nothing is wrong; see row_dump() */
};
#define GOOD(name, bytes, head)                                                                    \
    {                                                                                              \
        name, SLICE_LITERAL(bytes), H1_FAULT_NONE, head                                            \
    }
#define BAD(name, bytes, fault)                                                                    \
    {                                                                                              \
        name, SLICE_LITERAL(bytes), H1_FAULT_##fault, NULL                                         \
    }

/* "[flags] framing [length] [upgrade=x];name=value;name=value": what a codec would go by. */
static inline void row_dump_rest(struct buf *out, const struct head *head,
                                 const struct h1_message *message)
{
    static const char *const framings[] = {"none", "length", "chunked", "close", "tunnel"};
    buf_printf(out, "%s%s%s", message->is_persistent ? "" : "last ",
               message->expects_continue ? "expects " : "", framings[message->framing]);
    if (head->content_length != CONTENT_LENGTH_NONE)
        buf_printf(out, " %lld", (long long)head->content_length);
    assert_int_equal(message->is_upgrade, head->upgrade.len > 0);
    if (head->upgrade.len)
        buf_printf(out, " upgrade=%.*s", SLICE_ARG(head->upgrade));
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct field *field = &head->fields[i];
        assert_int_equal(field->id, field_name_of(field->name));
        assert_true(http_is_lower_token(field->name));
        assert_true(http_is_field_value(field->value));
        buf_printf(out, ";%.*s=%.*s", SLICE_ARG(field->name), SLICE_ARG(field->value));
    }
}

/* Gives `bytes` in the pieces that end at the `n` places of `cuts`; the verdict of the last. */
static inline size_t row_find_end(struct slice bytes, const size_t *cuts, size_t n,
                                  const struct h1_limits *limits, enum h1_fault *fault)
{
    size_t seen = 0, len = 0;
    *fault = H1_FAULT_NONE;
    for (size_t i = 0; i < n && len == 0 && *fault == H1_FAULT_NONE; i++) {
        /* An exact allocation, so that AddressSanitizer sees one byte too many. */
        char *piece = malloc(cuts[i] ? cuts[i] : 1);
        memcpy(piece, bytes.ptr, cuts[i]);
        len = h1_head_end(slice_of(piece, cuts[i]), &seen, limits, fault);
        assert_true(len <= cuts[i]);
        free(piece);
    }
    return len;
}

/* What parsing makes of it in one line of text: `parse` is the message's kind. */
typedef enum h1_fault row_parse(char *text, size_t len, const struct h1_limits *limits,
                                struct buf *dump);

static inline enum h1_fault row_verdict(struct slice bytes, const size_t *cuts, size_t n,
                                        const struct h1_limits *limits, row_parse *parse,
                                        struct buf *dump)
{
    enum h1_fault fault;
    size_t len = row_find_end(bytes, cuts, n, limits, &fault);
    if (fault != H1_FAULT_NONE)
        return fault;
    if (len == 0) {
        buf_printf(dump, "more");
        return H1_FAULT_NONE;
    }
    char *text = malloc(len);
    memcpy(text, bytes.ptr, len);
    fault = parse(text, len, limits, dump);
    if (fault == H1_FAULT_NONE && len < bytes.len)
        buf_printf(dump, " +%zu", bytes.len - len);
    free(text);
    return fault;
}

static inline void row_check(const struct head_row *row, const size_t *cuts, size_t n,
                             const struct h1_limits *limits, row_parse *parse, const char *how)
{
    struct buf dump;
    buf_init(&dump, 1 << 20);
    enum h1_fault fault = row_verdict(row->bytes, cuts, n, limits, parse, &dump);
    if (fault != row->fault)
        fail_msg("%s (%s): \"%s\", not \"%s\" %.*s", row->name, how, h1_fault_text(fault),
                 h1_fault_text(row->fault), SLICE_ARG(buf_slice(&dump)));
    if (row->head && !slice_eq_str(buf_slice(&dump), row->head))
        fail_msg("%s (%s):\n%.*s, not\n%s", row->name, how, SLICE_ARG(buf_slice(&dump)), row->head);
    buf_fini(&dump);
}

static inline void row_run(const struct head_row *row, const struct h1_limits *limits,
                           row_parse *parse)
{
    const size_t len = row->bytes.len;
    size_t *each = calloc(len + 1, sizeof(*each));
    row_check(row, &len, 1, limits, parse, "whole");
    for (size_t i = 0; i < len; i++) {
        const size_t cuts[] = {i, len};
        row_check(row, cuts, 2, limits, parse, "in two");
        each[i] = i + 1;
    }
    row_check(row, each, len, limits, parse, "byte by byte");
    free(each);
}

static inline void rows_run(const struct head_row *rows, size_t n, const struct h1_limits *limits,
                            row_parse *parse)
{
    for (size_t i = 0; i < n; i++)
        row_run(&rows[i], limits, parse);
}

/* The test of one table, by the default limits. */
#define RUN(table, parse)                                                                          \
    static void test_##table(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        rows_run(table, sizeof(table) / sizeof((table)[0]), &H1_DEFAULT_LIMITS, parse);            \
    }

/* "method scheme authority version path" and the rest. */
static inline enum h1_fault row_parse_request(char *text, size_t len,
                                              const struct h1_limits *limits, struct buf *dump)
{
    struct arena arena = {0};
    struct head head;
    struct h1_message message;
    head_init(&head, &arena);
    enum h1_fault fault = h1_parse_request(text, len, limits, &head, &message);
    if (fault == H1_FAULT_NONE) {
        assert_int_equal(head.status, 0);
        buf_printf(dump, "%.*s %s%.*s %.*s 1.%d %.*s ", SLICE_ARG(head.method),
                   head.scheme.len ? "" : "-", SLICE_ARG(head.scheme), SLICE_ARG(head.authority),
                   head.version == HTTP_1_1, SLICE_ARG(head.path));
        row_dump_rest(dump, &head, &message);
    }
    arena_fini(&arena);
    return fault;
}

#endif
