/*
 * The access log: one line for each request that its filter lets through. Without a format the line
 * is an event of the log (`request`, with all fields, as text or JSON); with one it is what the
 * format says. Like all of the log it never waits: a line for which standard output has no room is
 * dropped and counted.
 *
 * A format is text with placeholders: "{method} {path} {status} {duration_us}us". Their names are
 * those of the fields; {time} is the time of the line. "{{" is a brace. Values are escaped where
 * they could end the line or pass for something else: controls, quotes, backslashes and what is
 * above ASCII as \xHH; empty ones are "-". A value is cut at 512 bytes, a line at 4000.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_ACCESS_LOG_H
#define OUTRIGGER_PROXY_TELEMETRY_ACCESS_LOG_H

#include "common/buf.h"
#include "proxy/telemetry/request_filter.h"

#define ACCESS_LOG_FORMAT_MAX 4096 /* bytes */
#define ACCESS_LOG_PARTS_MAX  128

struct access_log; /* immutable */

/*
 * `format` "" or NULL: events. `filter` "" or NULL: everything. NULL with `err` saying what is
 * wrong, and where.
 */
struct access_log *access_log_new(const char *format, const char *filter, struct err *err);
void access_log_free(struct access_log *log);

/* Any thread. `log` NULL: events, all of them. */
void access_log_write(const struct access_log *log, const struct request_facts *facts);

/* The line of a format, without its end. False: not all of it had room. */
bool access_log_line(const struct access_log *log, const struct request_facts *facts,
                     const char *time, struct buf *line) MUST_USE;

#endif
