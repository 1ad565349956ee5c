/*
 * The head of an HTTP message, whatever its version: what stands in front of the fields, and the
 * fields as slices, in the order in which they came. A head owns nothing: it and all it points to
 * live in an arena, mostly that of a stream, and are gone with it.
 *
 * Field names are in lower case. Not among the fields, because they have a place of their own: Host
 * (`authority`), Content-Length (`content_length`), hop-by-hop fields and what Connection named
 * (removed by the codec that read them), pseudo-header fields. Exception: `te: trailers` stays.
 */
#ifndef OUTRIGGER_COMMON_HTTP_HEAD_H
#define OUTRIGGER_COMMON_HTTP_HEAD_H

#include <stdint.h>

#include "common/arena.h"
#include "common/http/chars.h"
#include "common/slice.h"

enum field_name {
    FIELD_OTHER,
#define FIELD(suffix, name, is_hop_by_hop) FIELD_##suffix,
#include "common/http/field_names.def"
#undef FIELD
    FIELD_COUNT
};
/* FIELD_OTHER when it is none of the table. `name` in lower case. Constant time. */
enum field_name field_name_of(struct slice name);
struct slice field_name_text(enum field_name name); /* empty for FIELD_OTHER */
bool field_name_is_hop_by_hop(enum field_name name);

struct field {
    struct slice name, value;
    enum field_name id;
    bool is_sensitive; /* HPACK: never indexed (RFC 7541 7.1.3) */
};

/*
 * Not what others decided by when the head came: framing, routing, authorization (RFC 9110 6.5.1).
 * For the trailers of every protocol.
 */
bool field_may_be_trailer(const struct field *field);

enum http_version { HTTP_1_0, HTTP_1_1, HTTP_2 };

#define CONTENT_LENGTH_NONE (-1)

struct head {
    struct arena *arena;
    struct field *fields;
    size_t n_fields, room;
    enum http_version version; /* in which it was read */
    int64_t content_length;    /* or CONTENT_LENGTH_NONE */

    /* Of a request; empty in a response. */
    struct slice method;
    struct slice scheme;    /* "http" or "https"; empty when it was not said (origin-form) */
    struct slice authority; /* of the target, else Host; empty only in HTTP/1.0 */
    struct slice path; /* with the query, begins with '/'; or "*" (OPTIONS); empty with CONNECT */
    /* The one protocol that Upgrade (HTTP/1.1) or :protocol (RFC 8441) asks for, or that a 101 or
     * an answer to it agrees to; empty: none. */
    struct slice upgrade;

    uint16_t status; /* of a response: 100-599; 0 in a request */
};

/* An empty head whose fields and bytes will be in `arena`. */
void head_init(struct head *head, struct arena *arena);

/* Neither name nor value is copied. False when memory is short. */
bool head_add(struct head *head, struct slice name, struct slice value) MUST_USE;
bool head_add_id(struct head *head, enum field_name id, struct slice value) MUST_USE;
/* `field.id` is field_name_of(field.name). */
bool head_add_field(struct head *head, struct field field) MUST_USE;
/* Removes all of that name, keeping the order of the others. */
void head_remove(struct head *head, enum field_name id);
void head_remove_name(struct head *head, struct slice name);
void head_remove_prefix(struct head *head, struct slice name_prefix);
/* One field of that name and no other, in the place of the first that there was, or at the end. */
bool head_set(struct head *head, enum field_name id, struct slice value) MUST_USE;
/* The first of that name, or NULL. */
const struct field *head_find(const struct head *head, enum field_name id);
const struct field *head_find_name(const struct head *head, struct slice name);
/* A head that can be changed without changing the first, sharing its bytes. False: no memory. */
bool head_copy(struct head *to, const struct head *from, struct arena *arena) MUST_USE;

#endif
