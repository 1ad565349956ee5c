#include "common/http/h1_parse.h"

#include "common/http/h1_fields.h"
#include "common/http/h1_target.h"

#define VERSION_BYTES 8 /* "HTTP/1.1" */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* HTTP-name and two digits; any other version than ours is told from what is none. */
static enum h1_fault version_parse(const char *text, enum http_version *version)
{
    if (memcmp(text, "HTTP/", 5) != 0 || !is_digit(text[5]) || text[6] != '.' || !is_digit(text[7]))
        return H1_FAULT_LINE;
    if (text[5] != '1' || text[7] > '1')
        return H1_FAULT_VERSION;
    *version = text[7] == '1' ? HTTP_1_1 : HTTP_1_0;
    return H1_FAULT_NONE;
}

/* What is said about a start line that has bytes no start line may have. */
static enum h1_fault bytes_fault(struct slice line)
{
    if (memchr(line.ptr, '\0', line.len))
        return H1_FAULT_NUL;
    return memchr(line.ptr, '\r', line.len) ? H1_FAULT_LINE_END : H1_FAULT_LINE;
}

/* Cuts the start line off. */
static enum h1_fault start_line(char *text, size_t len, const struct h1_limits *limits,
                                struct h1_lines *lines, struct slice *line)
{
    char *lf = memchr(text, '\n', len);
    if (!lf || lf == text || lf[-1] != '\r')
        return H1_FAULT_LINE_END;
    *line = slice_of(text, (size_t)(lf - text) - 1);
    if (line->len > limits->line_bytes)
        return H1_FAULT_LINE_TOO_LONG;
    *lines = (struct h1_lines){.at = lf + 1, .end = text + len, .n_left = limits->n_fields};
    return H1_FAULT_NONE;
}

/* method SP target SP version (RFC 9112 3): single spaces, nothing at the ends. */
static enum h1_fault request_line_parse(char *text, struct slice line, struct head *head)
{
    size_t method = 0;
    while (method < line.len && http_char_is(text[method], HTTP_TCHAR))
        method++;
    if (method == 0 || method == line.len || text[method] != ' ')
        return bytes_fault(line) == H1_FAULT_LINE ? H1_FAULT_METHOD : bytes_fault(line);
    if (!http_is_field_text(line))
        return bytes_fault(line);
    head->method = slice_of(text, method);
    if (line.len < method + 1 + VERSION_BYTES + 1)
        return H1_FAULT_LINE;
    size_t version = line.len - VERSION_BYTES;
    if (text[version - 1] != ' ' || version - 1 <= method + 1)
        return H1_FAULT_LINE;
    enum h1_fault fault = version_parse(text + version, &head->version);
    if (fault != H1_FAULT_NONE)
        return fault;
    return h1_target_parse(head, text + method + 1, version - 1 - (method + 1)) ? H1_FAULT_NONE
                                                                                : H1_FAULT_TARGET;
}

/* Two framings, or one that HTTP/1.0 does not know: readers would differ (RFC 9112 6.1). */
static enum h1_fault framing_check(const struct head *head, const struct h1_section *section)
{
    if (section->is_chunked && section->has_content_length)
        return H1_FAULT_TWO_FRAMINGS;
    if (section->is_chunked && head->version == HTTP_1_0)
        return H1_FAULT_TRANSFER_ENCODING;
    return H1_FAULT_NONE;
}

static bool is_persistent(const struct head *head, const struct h1_section *section)
{
    if (section->is_close)
        return false;
    return head->version == HTTP_1_1 || section->is_keep_alive;
}

static void frame_by_fields(struct head *head, const struct h1_section *section,
                            struct h1_message *message, enum h1_framing otherwise)
{
    message->framing = otherwise;
    if (section->is_chunked) {
        message->framing = H1_CHUNKED;
    } else if (section->has_content_length) {
        head->content_length = section->content_length;
        message->framing = section->content_length > 0 ? H1_LENGTH : H1_NO_BODY;
    }
}

static enum h1_fault request_framing(struct head *head, const struct h1_section *section,
                                     struct h1_message *message)
{
    enum h1_fault fault = framing_check(head, section);
    if (fault != H1_FAULT_NONE)
        return fault;
    frame_by_fields(head, section, message, H1_NO_BODY);
    if (!slice_eq_str(head->method, "CONNECT"))
        return H1_FAULT_NONE;
    /* What follows is the tunnel's, to some readers, or the body (RFC 9110 9.3.6). */
    if (section->is_chunked)
        return H1_FAULT_TRANSFER_ENCODING;
    if (message->framing != H1_NO_BODY)
        return H1_FAULT_CONTENT_LENGTH;
    head->content_length = CONTENT_LENGTH_NONE;
    return H1_FAULT_NONE;
}

static enum h1_fault host_check(struct head *head, const struct h1_section *section)
{
    if (!section->has_host)
        return head->version == HTTP_1_1 ? H1_FAULT_HOST : H1_FAULT_NONE;
    if (head->authority.len == 0)
        head->authority = section->host;
    return H1_FAULT_NONE;
}

enum h1_fault h1_parse_request(char *text, size_t len, const struct h1_limits *limits,
                               struct head *head, struct h1_message *message)
{
    struct h1_lines lines;
    struct h1_section section;
    struct slice line;
    enum h1_fault fault;
    *message = (struct h1_message){.framing = H1_NO_BODY};
    if (len > limits->head_bytes)
        return H1_FAULT_HEAD_TOO_LARGE;
    for (int i = 0; i < 2 && len >= 2 && text[0] == '\r' && text[1] == '\n'; i++) {
        text += 2;
        len -= 2;
    }
    if ((fault = start_line(text, len, limits, &lines, &line)) != H1_FAULT_NONE ||
        (fault = request_line_parse(text, line, head)) != H1_FAULT_NONE ||
        (fault = h1_fields_read(&lines, head, &section)) != H1_FAULT_NONE ||
        (fault = host_check(head, &section)) != H1_FAULT_NONE ||
        (fault = request_framing(head, &section, message)) != H1_FAULT_NONE)
        return fault;
    message->is_persistent = is_persistent(head, &section);
    message->expects_continue =
        section.expects_continue && head->version == HTTP_1_1 && message->framing != H1_NO_BODY;
    if (section.is_upgrade && section.upgrade.len > 0 && head->version == HTTP_1_1 &&
        message->framing == H1_NO_BODY && head->path.len > 0) {
        head->upgrade = section.upgrade;
        message->is_upgrade = true;
    }
    return H1_FAULT_NONE;
}

/* version SP status SP [reason]; the last space is wanting in what some servers send. */
static enum h1_fault status_line_parse(struct slice line, struct head *head)
{
    const char *status = line.ptr + VERSION_BYTES + 1;
    if (!http_is_field_text(line))
        return bytes_fault(line);
    if (line.len < VERSION_BYTES + 4)
        return H1_FAULT_LINE;
    enum h1_fault fault = version_parse(line.ptr, &head->version);
    if (fault != H1_FAULT_NONE)
        return fault;
    if (line.ptr[VERSION_BYTES] != ' ')
        return H1_FAULT_LINE;
    if (!is_digit(status[0]) || !is_digit(status[1]) || !is_digit(status[2]) ||
        (line.len > VERSION_BYTES + 4 && status[3] != ' ') || status[0] < '1' || status[0] > '5')
        return H1_FAULT_STATUS;
    head->status = (uint16_t)((status[0] - '0') * 100 + (status[1] - '0') * 10 + status[2] - '0');
    return H1_FAULT_NONE;
}

/* 1xx and 204 have no body and may not say that they had (RFC 9110 8.6, RFC 9112 6.1); a length of
 * 0 is said by many and believed by all. */
static enum h1_fault bodyless_framing(const struct h1_section *section)
{
    if (section->is_chunked)
        return H1_FAULT_TRANSFER_ENCODING;
    return section->has_content_length && section->content_length > 0 ? H1_FAULT_CONTENT_LENGTH
                                                                      : H1_FAULT_NONE;
}

static enum h1_fault response_framing(struct head *head, const struct h1_section *section,
                                      struct slice method, struct h1_message *message)
{
    enum h1_fault fault = framing_check(head, section);
    if (fault != H1_FAULT_NONE)
        return fault;
    if (head->status / 100 == 2 && slice_eq_str(method, "CONNECT")) {
        message->framing = H1_TUNNEL; /* whatever the fields say (RFC 9112 6.3) */
        return H1_FAULT_NONE;
    }
    if (head->status / 100 == 1 || head->status == 204) {
        message->framing = head->status == 101 ? H1_TUNNEL : H1_NO_BODY;
        return bodyless_framing(section);
    }
    frame_by_fields(head, section, message, H1_UNTIL_CLOSE);
    if (head->status == 304 || slice_eq_str(method, "HEAD"))
        message->framing = H1_NO_BODY;
    return H1_FAULT_NONE;
}

enum h1_fault h1_parse_response(char *text, size_t len, const struct h1_limits *limits,
                                struct slice method, struct head *head, struct h1_message *message)
{
    struct h1_lines lines;
    struct h1_section section;
    struct slice line;
    enum h1_fault fault;
    *message = (struct h1_message){.framing = H1_NO_BODY};
    if (len > limits->head_bytes)
        return H1_FAULT_HEAD_TOO_LARGE;
    if ((fault = start_line(text, len, limits, &lines, &line)) != H1_FAULT_NONE ||
        (fault = status_line_parse(line, head)) != H1_FAULT_NONE ||
        (fault = h1_fields_read(&lines, head, &section)) != H1_FAULT_NONE ||
        (fault = response_framing(head, &section, method, message)) != H1_FAULT_NONE)
        return fault;
    message->is_persistent = is_persistent(head, &section) && message->framing != H1_UNTIL_CLOSE &&
                             message->framing != H1_TUNNEL;
    if (head->status == 101) {
        if (!section.is_upgrade || section.upgrade.len == 0 || head->version == HTTP_1_0)
            return H1_FAULT_CONNECTION;
        head->upgrade = section.upgrade;
        message->is_upgrade = true;
    }
    return H1_FAULT_NONE;
}

enum h1_fault h1_parse_trailers(char *text, size_t len, const struct h1_limits *limits,
                                struct head *head)
{
    struct h1_lines lines = {.at = text, .end = text + len, .n_left = limits->n_fields};
    if (len > limits->head_bytes)
        return H1_FAULT_HEAD_TOO_LARGE;
    for (;;) {
        struct h1_line line;
        enum h1_fault fault = h1_fields_next(&lines, &line);
        if (fault != H1_FAULT_NONE || line.name.len == 0)
            return fault;
        const struct field field = {.name = line.name, .value = line.value, .id = line.id};
        if (!field_may_be_trailer(&field))
            return H1_FAULT_TRAILER;
        if (!field_name_is_hop_by_hop(line.id) && !head_add_field(head, field))
            return H1_FAULT_NO_MEMORY;
    }
}
