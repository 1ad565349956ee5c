/*
 * Small pieces of text that several pages need. Pure.
 */
#ifndef OUTRIGGER_COMMON_TEXT_H
#define OUTRIGGER_COMMON_TEXT_H

#include <stdint.h>

#include "common/buf.h"
#include "common/map.h"

/* Appends text with &, <, > and quotes escaped, fit for HTML content and attributes. */
bool text_html(struct buf *out, const char *text) MUST_USE;

/* "2026-01-31T12:00:00Z", or "never" for 0. Returns `text`. */
#define TEXT_TIME_BYTES 32
const char *text_time(int64_t wall_sec, char text[TEXT_TIME_BYTES]);

/* "3d 4h", "12m 5s", "7s"; with "-" in front of what is past. Returns `text`. */
#define TEXT_SPAN_BYTES 32
const char *text_span(int64_t seconds, char text[TEXT_SPAN_BYTES]);

/* Is it well-formed UTF-8 (RFC 3629)? */
bool text_is_utf8(struct slice text);

/*
 * The entries of a map in the order of their keys; an array for the caller to free(). NULL when
 * memory is short, never for an empty map.
 */
struct map_entry **text_sorted(const struct map *map) MUST_USE;

#endif
