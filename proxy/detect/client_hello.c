#include "proxy/detect/client_hello.h"

#include <stdint.h>

#define RECORD_HANDSHAKE     22
#define RECORD_HEAD_BYTES    5
#define RECORD_MAX_BYTES     16384
#define MESSAGE_CLIENT_HELLO 1
#define MESSAGE_HEAD_BYTES   4
#define EXTENSION_SNI        0
#define EXTENSION_ALPN       16
#define SNI_HOST_NAME        0
#define SNI_MAX_BYTES        255

/* Reads from the front of a slice; false when there is not so much. */
static bool take_bytes(struct slice *from, size_t len, struct slice *taken)
{
    if (from->len < len)
        return false;
    *taken = slice_sub(*from, 0, len);
    *from = slice_sub(*from, len, from->len);
    return true;
}

static bool take_number(struct slice *from, unsigned bytes, size_t *number)
{
    struct slice taken;
    if (!take_bytes(from, bytes, &taken))
        return false;
    *number = 0;
    for (unsigned i = 0; i < bytes; i++)
        *number = *number << 8 | (uint8_t)taken.ptr[i];
    return true;
}

/* A vector: its length in `bytes` bytes, then its content. */
static bool take_vector(struct slice *from, unsigned bytes, struct slice *content)
{
    size_t len;
    return take_number(from, bytes, &len) && take_bytes(from, len, content);
}

/* Bytes that no ClientHello has at that place; what is not there yet is no objection. */
static bool head_fits(struct slice bytes)
{
    static const struct {
        uint8_t offset, min, max;
    } rules[] = {
        {0, RECORD_HANDSHAKE, RECORD_HANDSHAKE},
        {1, 3, 3}, /* 3.1 to 3.3: the legacy version of all TLS records */
        {2, 0, 4},
        {3, 0, RECORD_MAX_BYTES >> 8},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && rules[i].offset < bytes.len; i++) {
        uint8_t byte = (uint8_t)bytes.ptr[rules[i].offset];
        if (byte < rules[i].min || byte > rules[i].max)
            return false;
    }
    return true;
}

/* The length of the message that `joined` begins with, with its head; 0: not known yet. */
static size_t message_length(struct slice joined)
{
    struct slice type;
    size_t len;
    if (!take_bytes(&joined, 1, &type) || !take_number(&joined, 3, &len))
        return 0;
    return MESSAGE_HEAD_BYTES + len;
}

/*
 * Joins the content of the handshake records at the front of `bytes` in `scratch`. With
 * CLIENT_HELLO_TLS `body` is that of the ClientHello, or empty when it is beyond our bounds.
 */
static enum client_hello_result join_records(struct slice bytes, char *scratch, struct slice *body)
{
    size_t joined = 0;
    *body = slice_of(NULL, 0);
    for (unsigned records = 0; records < CLIENT_HELLO_MAX_RECORDS; records++) {
        struct slice head, part;
        size_t len;
        if (!head_fits(bytes))
            return records ? CLIENT_HELLO_TLS : CLIENT_HELLO_NOT_TLS;
        if (!take_bytes(&bytes, RECORD_HEAD_BYTES - 2, &head) || !take_number(&bytes, 2, &len))
            return CLIENT_HELLO_MORE;
        if (len == 0 || len > RECORD_MAX_BYTES)
            return records ? CLIENT_HELLO_TLS : CLIENT_HELLO_NOT_TLS;
        if (records == 0 && bytes.len > 0 && bytes.ptr[0] != MESSAGE_CLIENT_HELLO)
            return CLIENT_HELLO_NOT_TLS;
        if (len > CLIENT_HELLO_MAX_BYTES - joined)
            return CLIENT_HELLO_TLS;
        if (!take_bytes(&bytes, len, &part))
            return CLIENT_HELLO_MORE;
        memcpy(scratch + joined, part.ptr, part.len);
        joined += part.len;
        size_t wanted = message_length(slice_of(scratch, joined));
        if (wanted > CLIENT_HELLO_MAX_BYTES)
            return CLIENT_HELLO_TLS;
        if (wanted && joined >= wanted) {
            *body = slice_of(scratch + MESSAGE_HEAD_BYTES, wanted - MESSAGE_HEAD_BYTES);
            return CLIENT_HELLO_TLS;
        }
    }
    return CLIENT_HELLO_TLS;
}

/* ServerNameList; only the first host name counts, and only if it could be one. */
static struct slice read_server_name(struct slice extension)
{
    struct slice list, name;
    size_t type;
    if (!take_vector(&extension, 2, &list))
        return slice_of(NULL, 0);
    while (take_number(&list, 1, &type) && take_vector(&list, 2, &name)) {
        if (type != SNI_HOST_NAME)
            continue;
        bool is_name = name.len > 0 && name.len <= SNI_MAX_BYTES;
        for (size_t i = 0; is_name && i < name.len; i++)
            is_name = name.ptr[i] > 0x20 && name.ptr[i] < 0x7f;
        return is_name ? name : slice_of(NULL, 0);
    }
    return slice_of(NULL, 0);
}

/* ProtocolNameList, if it is well formed to its end. */
static struct slice read_alpn(struct slice extension)
{
    struct slice list, name;
    if (!take_vector(&extension, 2, &list))
        return slice_of(NULL, 0);
    struct slice rest = list;
    while (rest.len)
        if (!take_vector(&rest, 1, &name) || name.len == 0)
            return slice_of(NULL, 0);
    return list;
}

static void read_body(struct slice body, struct client_hello *hello)
{
    struct slice skipped, extensions, extension;
    size_t type;
    bool has_extensions = take_bytes(&body, 2 + 32, &skipped) && /* version, random */
                          take_vector(&body, 1, &skipped) &&     /* session ID */
                          take_vector(&body, 2, &skipped) &&     /* cipher suites */
                          take_vector(&body, 1, &skipped) &&     /* compression */
                          take_vector(&body, 2, &extensions);
    if (!has_extensions)
        return;
    while (take_number(&extensions, 2, &type) && take_vector(&extensions, 2, &extension)) {
        if (type == EXTENSION_SNI)
            hello->server_name = read_server_name(extension);
        else if (type == EXTENSION_ALPN)
            hello->alpn = read_alpn(extension);
    }
}

enum client_hello_result client_hello_parse(struct slice bytes, char *scratch,
                                            struct client_hello *hello)
{
    struct slice body;
    *hello = (struct client_hello){{NULL, 0}, {NULL, 0}};
    enum client_hello_result result = join_records(bytes, scratch, &body);
    if (result == CLIENT_HELLO_TLS)
        read_body(body, hello);
    return result;
}

bool client_hello_offers(const struct client_hello *hello, struct slice prefix)
{
    struct slice rest = hello->alpn;
    struct slice name;
    while (take_vector(&rest, 1, &name))
        if (slice_starts_with(name, prefix))
            return true;
    return false;
}
