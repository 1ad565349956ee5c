#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

/* Up to PIPE_BUF a write to a pipe that polls as writable neither blocks nor interleaves. */
#define LOG_LINE_BYTES  4096
#define LOG_VALUE_BYTES 512

static struct {
    _Atomic int level;
    enum log_format format;
    pthread_mutex_t mutex; /* one line at a time */
    _Atomic uint64_t dropped;
    uint64_t dropped_told; /* how many of `dropped` a line has told of; under the mutex */
} logger = {.level = LOG_INFO, .format = LOG_TEXT, .mutex = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct line {
    char text[LOG_LINE_BYTES];
    size_t len;
    bool is_full; /* what did not fit is left out whole; the line is still well formed */
};

void log_setup(enum log_level level, enum log_format format)
{
    atomic_store(&logger.level, (int)level);
    logger.format = format;
}

void log_set_level(enum log_level level)
{
    atomic_store(&logger.level, (int)level);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&logger.level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return level >= log_get_level();
}

bool log_level_parse(struct slice name, enum log_level *level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
        if (slice_eq_str(name, level_names[i])) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

uint64_t log_lines_dropped(void)
{
    return atomic_load(&logger.dropped);
}

/* Two bytes are always kept for the end of the line. */
static void line_add(struct line *line, const char *text, size_t len)
{
    if (line->is_full || len > sizeof(line->text) - 2 - line->len) {
        line->is_full = true;
        return;
    }
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void line_add_str(struct line *line, const char *text)
{
    line_add(line, text, strlen(text));
}

static void line_add_escaped(struct line *line, struct slice value)
{
    size_t len = value.len < LOG_VALUE_BYTES ? value.len : LOG_VALUE_BYTES;
    line_add_str(line, "\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        char escaped[8];
        if (c == '"' || c == '\\')
            line_add(line, (char[]){'\\', (char)c}, 2);
        else if (c >= 0x20 && c < 0x7f)
            line_add(line, (char *)&c, 1);
        else /* not UTF-8 for certain: every other byte is escaped as Latin-1 */
            line_add(line, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", c));
    }
    line_add_str(line, "\"");
}

static bool is_bare(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return value.len > 0 && value.len <= LOG_VALUE_BYTES;
}

static void line_add_field(struct line *line, const struct log_field *field)
{
    size_t before = line->len;
    char number[24];
    if (logger.format == LOG_JSON) {
        line_add_str(line, ",\"");
        line_add_str(line, field->key);
        line_add_str(line, "\":");
    } else {
        line_add_str(line, " ");
        line_add_str(line, field->key);
        line_add_str(line, "=");
    }
    if (field->type == LOG_FIELD_INT)
        line_add(line, number,
                 (size_t)snprintf(number, sizeof(number), "%lld", (long long)field->num));
    else if (logger.format == LOG_TEXT && is_bare(field->str))
        line_add(line, field->str.ptr, field->str.len);
    else
        line_add_escaped(line, field->str);
    if (line->is_full)
        line->len = before;
}

const char *log_time_text(char text[LOG_TIME_BYTES])
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t len = strftime(text, LOG_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + len, LOG_TIME_BYTES - len, ".%03ldZ", now.tv_nsec / 1000000);
    return text;
}

static void line_start(struct line *line, enum log_level level, const char *event)
{
    char time_text[LOG_TIME_BYTES];
    log_time_text(time_text);
    char head[160];
    const char *format = logger.format == LOG_JSON
                             ? "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\""
                             : "%s %-5s %s";
    int n = snprintf(head, sizeof(head), format, time_text, level_names[level], event);
    line_add(line, head, (size_t)n < sizeof(head) ? (size_t)n : sizeof(head) - 1);
}

static bool stdout_takes(const struct line *line)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT))
        return false;
    ssize_t n;
    do
        n = write(STDOUT_FILENO, line->text, line->len);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)line->len;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
    struct line line = {.len = 0};
    line_start(&line, level, event);
    for (size_t i = 0; i < n; i++)
        line_add_field(&line, &fields[i]);

    pthread_mutex_lock(&logger.mutex);
    uint64_t dropped = atomic_load(&logger.dropped);
    if (dropped > logger.dropped_told)
        line_add_field(&line, &LOG_I("lines_dropped", dropped - logger.dropped_told));
    if (logger.format == LOG_JSON)
        line.text[line.len++] = '}';
    line.text[line.len++] = '\n';
    if (stdout_takes(&line))
        logger.dropped_told = dropped;
    else
        atomic_fetch_add(&logger.dropped, 1);
    pthread_mutex_unlock(&logger.mutex);
}

void log_line(struct slice text)
{
    struct line line = {.len = 0};
    line_add(&line, text.ptr ? text.ptr : "", text.len);
    line.text[line.len++] = '\n';
    pthread_mutex_lock(&logger.mutex);
    if (line.is_full || !stdout_takes(&line))
        atomic_fetch_add(&logger.dropped, 1);
    pthread_mutex_unlock(&logger.mutex);
}

bool log_limit_pass(struct log_limit *limit, uint64_t *suppressed)
{
    uint64_t now = clock_now_ns();
    uint64_t next = atomic_load_explicit(&limit->next_ns, memory_order_relaxed);
    if (now < next || !atomic_compare_exchange_strong(&limit->next_ns, &next, now + NS_PER_SEC)) {
        atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *suppressed = atomic_exchange(&limit->suppressed, 0);
    return true;
}
