#include "common/http/h1_body.h"

#include "common/http/h1_parse.h"

/* Where in a chunked body the next byte stands (RFC 9112 7.1). */
enum chunk_state {
    SIZE,       /* digits */
    EXT_NAME_0, /* after ';': blanks, then a name */
    EXT_NAME,
    EXT_NAME_END, /* blanks after it */
    EXT_VALUE_0,  /* after '=': blanks, then a value */
    EXT_VALUE,
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_QUOTED_END,
    EXT_VALUE_END, /* blanks after it */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LAST, /* the trailer section follows */
    BAD,
};

void h1_body_init(struct h1_body *body, const struct h1_message *message, const struct head *head)
{
    *body = (struct h1_body){.framing = message->framing, .state = SIZE};
    if (message->framing == H1_LENGTH)
        body->left = (uint64_t)head->content_length;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static enum chunk_state after_size(struct h1_body *body, char c)
{
    int digit = http_hex_value(c);
    if (digit >= 0) {
        if (++body->digits > H1_CHUNK_SIZE_MAX_DIGITS || body->left >> 59)
            return BAD; /* the next one would make it more than 2^63-1 */
        body->left = body->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (body->digits == 0)
        return BAD;
    if (c == '\r')
        return SIZE_LF;
    return c == ';' ? EXT_NAME_0 : BAD;
}

/* What may follow a name or a value that has ended. */
static enum chunk_state after_ext(char c, enum chunk_state blanks, bool is_name)
{
    if (c == ';')
        return EXT_NAME_0;
    if (c == '=' && is_name)
        return EXT_VALUE_0;
    return is_blank(c) ? blanks : BAD;
}

/* One byte of an extension. Nobody reads them; but all readers must agree on where they end. */
static enum chunk_state after_ext_byte(enum chunk_state state, char c)
{
    const bool is_tchar = http_char_is(c, HTTP_TCHAR);
    switch (state) {
    case EXT_NAME_0:
        return is_tchar ? EXT_NAME : is_blank(c) ? EXT_NAME_0 : BAD;
    case EXT_NAME:
        if (is_tchar)
            return EXT_NAME;
        return c == '\r' ? SIZE_LF : after_ext(c, EXT_NAME_END, true);
    case EXT_NAME_END:
        return after_ext(c, EXT_NAME_END, true);
    case EXT_VALUE_0:
        if (c == '"')
            return EXT_QUOTED;
        return is_tchar ? EXT_VALUE : is_blank(c) ? EXT_VALUE_0 : BAD;
    case EXT_VALUE:
        if (is_tchar)
            return EXT_VALUE;
        return c == '\r' ? SIZE_LF : after_ext(c, EXT_VALUE_END, false);
    case EXT_QUOTED:
        if (c == '"')
            return EXT_QUOTED_END;
        return c == '\\' ? EXT_ESCAPED : http_char_is(c, HTTP_VALUE) ? EXT_QUOTED : BAD;
    case EXT_ESCAPED:
        return http_char_is(c, HTTP_VALUE) ? EXT_QUOTED : BAD;
    case EXT_QUOTED_END:
        return c == '\r' ? SIZE_LF : after_ext(c, EXT_VALUE_END, false);
    default:
        return after_ext(c, EXT_VALUE_END, false);
    }
}

static enum chunk_state after_byte(struct h1_body *body, char c)
{
    switch (body->state) {
    case SIZE:
        return after_size(body, c);
    case SIZE_LF:
        if (c != '\n')
            return BAD;
        body->digits = 0;
        body->line_bytes = 0;
        return body->left > 0 ? DATA : LAST;
    case DATA_CR:
        return c == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        return c == '\n' ? SIZE : BAD;
    default:
        return after_ext_byte(body->state, c);
    }
}

/* As many of the bytes that are left as have come. */
static enum h1_body_result take_data(struct h1_body *body, struct slice *input, struct slice *data)
{
    size_t n = input->len < body->left ? input->len : (size_t)body->left;
    if (n == 0)
        return H1_BODY_MORE;
    *data = slice_sub(*input, 0, n);
    *input = slice_sub(*input, n, input->len);
    body->left -= n;
    return H1_BODY_DATA;
}

static enum h1_body_result next_of_chunks(struct h1_body *body, struct slice *input,
                                          struct slice *data)
{
    while (body->state != LAST && body->state != BAD) {
        if (body->state == DATA) {
            enum h1_body_result result = take_data(body, input, data);
            if (body->left == 0)
                body->state = DATA_CR;
            return result;
        }
        if (input->len == 0)
            return H1_BODY_MORE;
        body->state = after_byte(body, input->ptr[0]);
        *input = slice_sub(*input, 1, input->len);
        if (body->state >= EXT_NAME_0 && body->state <= EXT_VALUE_END &&
            ++body->line_bytes > H1_CHUNK_EXTENSION_MAX_BYTES)
            body->state = BAD;
    }
    return body->state == LAST ? H1_BODY_TRAILERS : H1_BODY_BAD;
}

enum h1_body_result h1_body_next(struct h1_body *body, struct slice *input, struct slice *data)
{
    *data = slice_of(NULL, 0);
    switch (body->framing) {
    case H1_NO_BODY:
        return H1_BODY_END;
    case H1_LENGTH:
        return body->left == 0 ? H1_BODY_END : take_data(body, input, data);
    case H1_CHUNKED:
        return next_of_chunks(body, input, data);
    case H1_UNTIL_CLOSE:
    case H1_TUNNEL:
        body->left = UINT64_MAX;
        return take_data(body, input, data);
    }
    return H1_BODY_BAD;
}
