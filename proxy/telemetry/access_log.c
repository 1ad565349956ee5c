#include "proxy/telemetry/access_log.h"

#include <stdlib.h>

#include "common/jitter.h"
#include "common/log.h"

#define LINE_BYTES  4000 /* what the log takes */
#define VALUE_BYTES 512

/* Text as it stands, or a placeholder. */
struct part {
    enum { PART_TEXT, PART_FACT, PART_TIME } kind;
    struct slice text;
    enum request_fact fact;
};

struct access_log {
    struct arena arena;
    struct part *parts; /* NULL: events */
    size_t n_parts;
    struct request_filter filter;
};

static bool add_part(struct access_log *log, struct part part, struct err *err)
{
    if (log->n_parts == ACCESS_LOG_PARTS_MAX)
        return err_set(err, "has more than %d placeholders and texts", ACCESS_LOG_PARTS_MAX);
    log->parts[log->n_parts++] = part;
    return true;
}

/* `at` stands on the '{'; moves past the '}'. */
static bool add_placeholder(struct access_log *log, struct slice format, size_t *at,
                            struct err *err)
{
    size_t begin = *at + 1;
    const char *end = memchr(format.ptr + begin, '}', format.len - begin);
    if (!end)
        return err_set(err, "byte %zu: `{` without `}` (a brace itself is `{{`)", begin);
    struct slice name = slice_sub(format, begin, (size_t)(end - format.ptr) - begin);
    *at = begin + name.len + 1;
    if (slice_eq_str(name, "time"))
        return add_part(log, (struct part){.kind = PART_TIME}, err);
    enum request_fact fact = request_fact_find(name);
    if (fact == FACT_COUNT)
        return err_set(err, "byte %zu: there is no field \"%.*s\"", begin,
                       SLICE_ARG(slice_sub(name, 0, 64)));
    return add_part(log, (struct part){.kind = PART_FACT, .fact = fact}, err);
}

static bool parse_format(struct access_log *log, struct slice format, struct err *err)
{
    size_t at = 0;
    while (at < format.len) {
        bool is_brace = format.ptr[at] == '{';
        if (is_brace && at + 1 < format.len && format.ptr[at + 1] == '{') {
            if (!add_part(log, (struct part){.text = slice_sub(format, at, 1)}, err))
                return false;
            at += 2;
        } else if (is_brace) {
            if (!add_placeholder(log, format, &at, err))
                return false;
        } else {
            const char *brace = memchr(format.ptr + at, '{', format.len - at);
            size_t end = brace ? (size_t)(brace - format.ptr) : format.len;
            if (!add_part(log, (struct part){.text = slice_sub(format, at, end - at)}, err))
                return false;
            at = end;
        }
    }
    return true;
}

static bool set_format(struct access_log *log, struct slice format, struct err *err)
{
    if (format.len > ACCESS_LOG_FORMAT_MAX)
        return err_set(err, "longer than %d bytes", ACCESS_LOG_FORMAT_MAX);
    for (size_t i = 0; i < format.len; i++)
        if ((unsigned char)format.ptr[i] < 0x20 && format.ptr[i] != '\t')
            return err_set(err, "byte %zu: a control byte would break the line", i + 1);
    const char *copy = arena_text(&log->arena, format);
    log->parts = arena_take_array(&log->arena, ACCESS_LOG_PARTS_MAX, sizeof(*log->parts));
    if (!copy || !log->parts)
        return err_set(err, "out of memory");
    return parse_format(log, slice_of(copy, format.len), err);
}

struct access_log *access_log_new(const char *format, const char *filter, struct err *err)
{
    struct access_log *log = calloc(1, sizeof(*log));
    if (!log) {
        err_set(err, "out of memory");
        return NULL;
    }
    bool is_good = true;
    if (format && *format)
        is_good = set_format(log, slice_str(format), err);
    if (is_good &&
        request_filter_parse(&log->filter, slice_str(filter ? filter : ""), &log->arena, err))
        return log;
    access_log_free(log);
    return NULL;
}

void access_log_free(struct access_log *log)
{
    if (!log)
        return;
    arena_fini(&log->arena);
    free(log);
}

static bool append_escaped(struct buf *line, struct slice text)
{
    if (text.len == 0)
        return buf_append(line, "-", 1);
    text = slice_sub(text, 0, VALUE_BYTES); /* who asks must not be able to fill the line */
    size_t plain = 0;                       /* where what needs no escape begins */
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            continue;
        if (!buf_append(line, text.ptr + plain, i - plain) || !buf_printf(line, "\\x%02x", c))
            return false;
        plain = i + 1;
    }
    return buf_append(line, text.ptr + plain, text.len - plain);
}

bool access_log_line(const struct access_log *log, const struct request_facts *facts,
                     const char *time, struct buf *line)
{
    bool is_ok = true;
    for (size_t i = 0; is_ok && i < log->n_parts; i++) {
        const struct part *part = &log->parts[i];
        struct fact fact = {0};
        if (part->kind == PART_FACT)
            fact = request_fact(facts, part->fact);
        if (part->kind == PART_TEXT)
            is_ok = buf_append(line, part->text.ptr, part->text.len);
        else if (part->kind == PART_TIME)
            is_ok = buf_printf(line, "%s", time);
        else if (fact.is_number)
            is_ok = buf_printf(line, "%lld", (long long)fact.number);
        else
            is_ok = append_escaped(line, fact.text);
    }
    return is_ok;
}

static void write_event(const struct request_facts *facts)
{
    struct log_field fields[FACT_COUNT];
    for (int i = 0; i < FACT_COUNT; i++) {
        struct fact fact = request_fact(facts, (enum request_fact)i);
        const char *name = request_fact_name((enum request_fact)i);
        fields[i] = fact.is_number ? LOG_I(name, fact.number) : LOG_SL(name, fact.text);
    }
    log_write(LOG_INFO, "request", fields, FACT_COUNT);
}

void access_log_write(const struct access_log *log, const struct request_facts *facts)
{
    char time[LOG_TIME_BYTES];
    struct buf line;
    if (!log) {
        write_event(facts);
        return;
    }
    uint64_t random = log->filter.share == TRACE_ALL ? 0 : jitter_below(TRACE_ALL);
    if (!request_filter_passes(&log->filter, facts, random))
        return;
    if (!log->parts) {
        write_event(facts);
        return;
    }
    buf_init(&line, LINE_BYTES);
    /* What does not fit is left out; a line is better than none. */
    (void)!access_log_line(log, facts, log_time_text(time), &line);
    log_line(buf_slice(&line));
    buf_fini(&line);
}
