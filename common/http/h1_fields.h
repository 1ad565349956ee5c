/*
 * The lines of a field section (RFC 9112 5), one after the other, and what those say that are about
 * the message's framing and the connection. For h1_parse.c.
 */
#ifndef OUTRIGGER_COMMON_HTTP_H1_FIELDS_H
#define OUTRIGGER_COMMON_HTTP_H1_FIELDS_H

#include "common/http/h1_fault.h"
#include "common/http/head.h"

/* The next line to be read, and the end of the section. */
struct h1_lines {
    char *at, *end;
    size_t n_left; /* fields that may still come */
};

struct h1_line {
    struct slice name; /* in lower case, written so in place; empty: the empty line, the last */
    struct slice value;
    enum field_name id;
    bool has_tab; /* around the value */
};
enum h1_fault h1_fields_next(struct h1_lines *lines, struct h1_line *line) MUST_USE;

/* Of one head. More are nobody's, and each option costs a walk over all the fields. */
#define H1_CONNECTION_FIELDS_MAX  8
#define H1_CONNECTION_OPTIONS_MAX 32

/* What the fields say that a head does not have among its fields. All zero at first. */
struct h1_section {
    struct slice host;
    struct slice upgrade; /* the first protocol that may be forwarded */
    int64_t content_length;
    bool has_host, has_content_length, is_chunked;
    bool is_close, is_keep_alive, is_upgrade; /* Connection says so */
    bool names_fields;                        /* Connection names others */
    bool expects_continue;
    uint8_t n_connection, n_options;
    struct slice connection[H1_CONNECTION_FIELDS_MAX]; /* the values of Connection */
};

/*
 * Reads a whole section into `head` and `section`. Hop-by-hop fields, Host and Content-Length are
 * not among the head's fields then, nor is what Connection named.
 */
enum h1_fault h1_fields_read(struct h1_lines *lines, struct head *head,
                             struct h1_section *section) MUST_USE;

/*
 * One protocol with or without a version, both tokens (RFC 9110 7.8), that may be forwarded: not
 * what carries requests of its own past us (HTTP), nor what would have to be ours to agree to
 * (TLS).
 */
bool h1_protocol_may_pass(struct slice text);

/*
 * The next element of a comma-separated list, without blanks around it; empty elements are passed
 * over (RFC 9110 5.6.1). False at the end. *rest is what follows.
 */
bool h1_list_next(struct slice *rest, struct slice *element);

#endif
