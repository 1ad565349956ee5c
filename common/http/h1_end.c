#include "common/http/h1_parse.h"

#define EMPTY_LINES_MAX 2 /* in front of a request */

/* Bytes of the empty lines in front; more than two are found out to be no start line. */
static size_t leading_bytes(struct slice bytes)
{
    size_t n = 0;
    while (n < 2 * EMPTY_LINES_MAX && bytes.len - n >= 2 && bytes.ptr[n] == '\r' &&
           bytes.ptr[n + 1] == '\n')
        n += 2;
    return n;
}

/* The line that ends with the LF at `at`: has it nothing before its CR? */
static bool is_empty_line(struct slice bytes, size_t at)
{
    return at == 1 || bytes.ptr[at - 2] == '\n';
}

/* Goes through the lines that have come since the last call. */
static size_t find_empty_line(struct slice bytes, size_t *seen, const struct h1_limits *limits,
                              enum h1_fault *fault)
{
    const char *lf;
    while ((lf = memchr(bytes.ptr + *seen, '\n', bytes.len - *seen))) {
        size_t at = (size_t)(lf - bytes.ptr);
        *seen = at + 1;
        if (at + 1 > limits->head_bytes)
            break;
        if (at == 0 || bytes.ptr[at - 1] != '\r') {
            *fault = H1_FAULT_LINE_END;
            return 0;
        }
        if (is_empty_line(bytes, at))
            return at + 1;
    }
    if (!lf)
        *seen = bytes.len;
    /* At the ceiling without its end, it would be longer with it. */
    if (*seen >= limits->head_bytes)
        *fault = H1_FAULT_HEAD_TOO_LARGE;
    return 0;
}

/* Is the first line longer than it may be, as far as it has come? */
static bool first_line_is_long(struct slice bytes, size_t start, const struct h1_limits *limits)
{
    const size_t most = limits->line_bytes + 2;
    return bytes.len - start >= most && !memchr(bytes.ptr + start, '\n', most);
}

size_t h1_head_end(struct slice bytes, size_t *seen, const struct h1_limits *limits,
                   enum h1_fault *fault)
{
    size_t start = leading_bytes(bytes);
    *fault = H1_FAULT_NONE;
    if (bytes.len == start)
        return 0;
    if (bytes.len - start == 1 && bytes.ptr[start] == '\r' && start < 2 * EMPTY_LINES_MAX)
        return 0; /* perhaps half of an empty line */
    if (*seen <= start) {
        /* Seen for the first time. What no start line begins with need not come to its end. */
        if (!http_char_is(bytes.ptr[start], HTTP_TCHAR)) {
            *fault = H1_FAULT_LINE;
            return 0;
        }
        *seen = start;
    }
    if (*seen <= start + limits->line_bytes + 1 && first_line_is_long(bytes, start, limits)) {
        *fault = H1_FAULT_LINE_TOO_LONG;
        return 0;
    }
    return find_empty_line(bytes, seen, limits, fault);
}

size_t h1_trailers_end(struct slice bytes, size_t *seen, const struct h1_limits *limits,
                       enum h1_fault *fault)
{
    *fault = H1_FAULT_NONE;
    return bytes.len > 0 ? find_empty_line(bytes, seen, limits, fault) : 0;
}
