#include "common/http/h1_fields.h"

/* Without the blanks at the ends: spaces and tabs (OWS, RFC 9110 5.6.3). */
static struct slice trim_blanks(const char *from, const char *to, bool *has_tab)
{
    bool tab = false;
    for (; from < to && (*from == ' ' || *from == '\t'); from++)
        tab |= *from == '\t';
    for (; from < to && (to[-1] == ' ' || to[-1] == '\t'); to--)
        tab |= to[-1] == '\t';
    *has_tab = tab;
    return slice_of(from, (size_t)(to - from));
}

/* Why the bytes between `from` and `to` are no value. */
static enum h1_fault value_fault(struct slice value)
{
    if (memchr(value.ptr, '\0', value.len))
        return H1_FAULT_NUL;
    return memchr(value.ptr, '\r', value.len) ? H1_FAULT_LINE_END : H1_FAULT_FIELD_VALUE;
}

/* Puts the name in lower case on the way. NULL: what ends it is no colon. */
static char *end_of_name(char *at, const char *end)
{
    for (; at < end && http_char_is(*at, HTTP_TCHAR); at++)
        if (http_char_is(*at, HTTP_UPPER))
            *at |= 0x20;
    return at < end && *at == ':' ? at : NULL;
}

enum h1_fault h1_fields_next(struct h1_lines *lines, struct h1_line *line)
{
    char *start = lines->at;
    char *lf = memchr(start, '\n', (size_t)(lines->end - start));
    if (!lf || lf == start || lf[-1] != '\r')
        return H1_FAULT_LINE_END;
    const char *end = lf - 1;
    lines->at = lf + 1;
    *line = (struct h1_line){.id = FIELD_OTHER};
    if (end == start)
        return lines->at == lines->end ? H1_FAULT_NONE : H1_FAULT_LINE;
    if (*start == ' ' || *start == '\t')
        return H1_FAULT_FOLDED;
    if (lines->n_left == 0)
        return H1_FAULT_TOO_MANY_FIELDS;
    lines->n_left--;
    char *colon = end_of_name(start, end);
    if (!colon || colon == start)
        return memchr(start, '\0', (size_t)(end - start)) ? H1_FAULT_NUL : H1_FAULT_FIELD_NAME;
    line->name = slice_of(start, (size_t)(colon - start));
    line->value = trim_blanks(colon + 1, end, &line->has_tab);
    line->id = field_name_of(line->name);
    return http_is_field_text(line->value) ? H1_FAULT_NONE : value_fault(line->value);
}

bool h1_list_next(struct slice *rest, struct slice *element)
{
    bool ignored;
    while (rest->len > 0) {
        const char *end = rest->ptr + rest->len;
        const char *comma = memchr(rest->ptr, ',', rest->len);
        *element = trim_blanks(rest->ptr, comma ? comma : end, &ignored);
        *rest = comma ? slice_of(comma + 1, (size_t)(end - comma) - 1) : slice_of(end, 0);
        if (element->len > 0)
            return true;
    }
    return false;
}

static bool is_word(struct slice text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

/* 1*DIGIT and nothing else, at most 2^63-1 (RFC 9112 6.3: anything else may be read otherwise). */
static enum h1_fault read_content_length(struct slice value, struct h1_section *section)
{
    int64_t length = 0;
    if (section->has_content_length || value.len == 0)
        return H1_FAULT_CONTENT_LENGTH;
    for (size_t i = 0; i < value.len; i++) {
        int digit = value.ptr[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(length, 10, &length) ||
            __builtin_add_overflow(length, digit, &length))
            return H1_FAULT_CONTENT_LENGTH;
    }
    section->has_content_length = true;
    section->content_length = length;
    return H1_FAULT_NONE;
}

/*
 * "chunked" alone is understood. What could be a list of real codings is 501; whatever another
 * reader might take for chunked, or not, is 400.
 */
static enum h1_fault read_transfer_encoding(const struct h1_line *line, struct h1_section *section)
{
    struct slice rest = line->value;
    bool has_chunked = false;
    if (section->is_chunked || line->has_tab || rest.len == 0)
        return H1_FAULT_TRANSFER_ENCODING;
    section->is_chunked = true;
    if (is_word(rest, "chunked"))
        return H1_FAULT_NONE;
    for (bool is_last = false; !is_last;) {
        const char *comma = memchr(rest.ptr, ',', rest.len);
        size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
        struct slice coding = slice_trim(slice_sub(rest, 0, len), " ");
        is_last = !comma;
        if (has_chunked || !http_is_token(coding) || is_word(coding, "identity"))
            return H1_FAULT_TRANSFER_ENCODING;
        has_chunked = is_word(coding, "chunked");
        if (!has_chunked && memmem(coding.ptr, coding.len, "hunked", 6))
            return H1_FAULT_TRANSFER_ENCODING;
        rest = slice_sub(rest, len + 1, rest.len);
    }
    return H1_FAULT_TRANSFER_CODING;
}

/* What it names is removed when all fields have been read. */
static enum h1_fault read_connection(struct slice value, struct h1_section *section)
{
    struct slice option;
    if (section->n_connection == H1_CONNECTION_FIELDS_MAX)
        return H1_FAULT_CONNECTION;
    section->connection[section->n_connection++] = value;
    while (h1_list_next(&value, &option)) {
        if (!http_is_token(option) || section->n_options++ == H1_CONNECTION_OPTIONS_MAX)
            return H1_FAULT_CONNECTION;
        if (is_word(option, "close"))
            section->is_close = true;
        else if (is_word(option, "keep-alive"))
            section->is_keep_alive = true;
        else if (is_word(option, "upgrade"))
            section->is_upgrade = true;
        else if (!is_word(option, "te"))
            section->names_fields = true;
    }
    return H1_FAULT_NONE;
}

static bool may_be_forwarded(struct slice protocol)
{
    static const char *const ours[] = {"h2c", "h2", "h3", "http", "tls"};
    const char *slash = memchr(protocol.ptr, '/', protocol.len);
    struct slice name = slice_sub(protocol, 0, slash ? (size_t)(slash - protocol.ptr) : SIZE_MAX);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (is_word(name, ours[i]))
            return false;
    return true;
}

/* protocol-name ["/" protocol-version], both tokens (RFC 9110 7.8). */
static bool is_protocol(struct slice text)
{
    const char *slash = memchr(text.ptr, '/', text.len);
    if (!slash)
        return http_is_token(text);
    size_t len = (size_t)(slash - text.ptr);
    return http_is_token(slice_sub(text, 0, len)) &&
           http_is_token(slice_sub(text, len + 1, text.len));
}

bool h1_protocol_may_pass(struct slice text)
{
    return text.len > 0 && is_protocol(text) && may_be_forwarded(text);
}

static enum h1_fault read_upgrade(struct slice value, struct h1_section *section)
{
    struct slice protocol;
    while (h1_list_next(&value, &protocol)) {
        if (!is_protocol(protocol))
            return H1_FAULT_CONNECTION;
        if (section->upgrade.len == 0 && may_be_forwarded(protocol))
            section->upgrade = protocol;
    }
    return H1_FAULT_NONE;
}

static enum h1_fault read_host(struct slice value, struct h1_section *section)
{
    if (section->has_host || !http_is_authority(value))
        return H1_FAULT_HOST;
    section->has_host = true;
    section->host = value;
    return H1_FAULT_NONE;
}

/* Of TE, "trailers" alone is for the next hop too: gRPC asks for it end to end. */
static enum h1_fault read_te(struct slice value, struct head *head)
{
    struct slice coding;
    while (h1_list_next(&value, &coding))
        if (is_word(coding, "trailers") && !head_find(head, FIELD_TE))
            return head_add_id(head, FIELD_TE, SLICE_LITERAL("trailers")) ? H1_FAULT_NONE
                                                                          : H1_FAULT_NO_MEMORY;
    return H1_FAULT_NONE;
}

static enum h1_fault keep(struct head *head, const struct h1_line *line)
{
    const struct field field = {.name = line->name, .value = line->value, .id = line->id};
    return head_add_field(head, field) ? H1_FAULT_NONE : H1_FAULT_NO_MEMORY;
}

static enum h1_fault read_line(const struct h1_line *line, struct head *head,
                               struct h1_section *section)
{
    switch (line->id) {
    case FIELD_OTHER:
        return keep(head, line);
    case FIELD_HOST:
        return read_host(line->value, section);
    case FIELD_CONTENT_LENGTH:
        return read_content_length(line->value, section);
    case FIELD_TRANSFER_ENCODING:
        return read_transfer_encoding(line, section);
    case FIELD_CONNECTION:
        return read_connection(line->value, section);
    case FIELD_UPGRADE:
        return read_upgrade(line->value, section);
    case FIELD_TE:
        return read_te(line->value, head);
    case FIELD_EXPECT:
        section->expects_continue |= is_word(line->value, "100-continue");
        return keep(head, line);
    default:
        return field_name_is_hop_by_hop(line->id) ? H1_FAULT_NONE : keep(head, line);
    }
}

/* In place: it is the value of a Connection field, which nobody reads again. */
static struct slice to_lower_case(struct slice text)
{
    char *bytes = (char *)(uintptr_t)text.ptr;
    for (size_t i = 0; i < text.len; i++)
        if (http_char_is(bytes[i], HTTP_UPPER))
            bytes[i] |= 0x20;
    return text;
}

/* RFC 9110 7.6.1. Framing and Host are out of its reach: they are no fields of the head. */
static void remove_named(struct head *head, const struct h1_section *section)
{
    for (size_t i = 0; i < section->n_connection; i++) {
        struct slice options = section->connection[i], option;
        while (h1_list_next(&options, &option))
            if (!is_word(option, "te"))
                head_remove_name(head, to_lower_case(option));
    }
}

enum h1_fault h1_fields_read(struct h1_lines *lines, struct head *head, struct h1_section *section)
{
    *section = (struct h1_section){0};
    for (;;) {
        struct h1_line line;
        enum h1_fault fault = h1_fields_next(lines, &line);
        if (fault == H1_FAULT_NONE && line.name.len > 0)
            fault = read_line(&line, head, section);
        if (fault != H1_FAULT_NONE)
            return fault;
        if (line.name.len == 0)
            break;
    }
    if (section->names_fields)
        remove_named(head, section);
    return H1_FAULT_NONE;
}
