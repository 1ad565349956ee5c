/*
 * Log lines: one event a line, text (`key=value`) or JSON, on standard output.
 *
 * An event has a stable name in snake_case and fields; people grep for the name, machines read the
 * fields. Fields that say the same are called the same in all programs: `error` is a text for
 * people, `reason` one word of a list (proxy/telemetry/reasons.def), `identity` a SPIFFE ID,
 * `address` a peer's address and port, `node` the namespace/pod of a proxy. The logger is the only
 * global mutable state of a program and may be called from every thread. It never blocks: a line
 * that the reader of standard output has no room for is dropped and counted, and the next line that
 * gets through carries `lines_dropped`.
 *
 *     LOG(LOG_WARN, "connection_refused", LOG_S("policy", name), LOG_I("port", port));
 *     {"time":"2026-01-31T12:00:00.123Z","level":"warn","event":"connection_refused",...}
 */
#ifndef OUTRIGGER_COMMON_LOG_H
#define OUTRIGGER_COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
#define LOG_OFF ((enum log_level)(LOG_ERROR + 1)) /* for log_set_level(): write nothing */
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
    const char *key;
    enum { LOG_FIELD_STR, LOG_FIELD_INT } type;
    struct slice str; /* cut at 512 bytes; quoted and escaped as the format asks */
    int64_t num;
};

#define LOG_S(k, cstr)                                                                             \
    ((struct log_field){.key = (k), .type = LOG_FIELD_STR, .str = slice_str(cstr)})
#define LOG_SL(k, s) ((struct log_field){.key = (k), .type = LOG_FIELD_STR, .str = (s)})
#define LOG_I(k, n)  ((struct log_field){.key = (k), .type = LOG_FIELD_INT, .num = (int64_t)(n)})

#define LOG(level, event, ...)                                                                     \
    do {                                                                                           \
        if (log_is_on(level)) {                                                                    \
            const struct log_field log_fields_[] = {__VA_ARGS__};                                  \
            log_write(level, event, log_fields_, sizeof(log_fields_) / sizeof(log_fields_[0]));    \
        }                                                                                          \
    } while (0)

/*
 * A log line for what can repeat without end: at most one a second for each place in the source;
 * the next one that is written says how many were `suppressed`. Each use needs its own static
 * state.
 */
struct log_limit {
    _Atomic uint64_t next_ns;
    _Atomic uint64_t suppressed;
};
#define LOG_LIMITED(level, event, ...)                                                             \
    do {                                                                                           \
        static struct log_limit log_limit_;                                                        \
        uint64_t log_suppressed_;                                                                  \
        if (log_is_on(level) && log_limit_pass(&log_limit_, &log_suppressed_))                     \
            LOG(level, event, __VA_ARGS__, LOG_I("suppressed", log_suppressed_));                  \
    } while (0)

/* Before any thread is started. Default: info, text, standard output. */
void log_setup(enum log_level level, enum log_format format);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_is_on(enum log_level level);

/* "debug", "info", "warn", "error"; false for anything else. */
bool log_level_parse(struct slice name, enum log_level *level);
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);
bool log_limit_pass(struct log_limit *limit, uint64_t *suppressed);

/* A line in a form of its own, whatever the level; without its line feed, and nothing in it may be
 * one. Longer than the log's lines may be, it is dropped and counted. */
void log_line(struct slice text);

/* Now, as in the log: "2026-01-31T12:00:00.123Z". Returns `text`. */
#define LOG_TIME_BYTES 40
const char *log_time_text(char text[LOG_TIME_BYTES]);

/* Lines dropped because standard output did not take them, since the start. */
uint64_t log_lines_dropped(void);

#endif
