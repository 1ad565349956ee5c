// fuzz: proxy
/* The first bytes of a connection: an answer, once given, is not turned round by more bytes. */
#include <stdint.h>
#include <stdlib.h>

#include "proxy/detect/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum detected before = DETECTED_MORE;
    size_t looked = size < 256 ? size : 256; /* every cut of what decides; then the whole */
    for (size_t len = 0; len <= looked; len++) {
        enum detected now = protocol_detect(slice_of(data, len));
        need(before == DETECTED_MORE || now == before);
        before = now;
    }
    enum detected whole = protocol_detect(slice_of(data, size));
    need(before == DETECTED_MORE || whole == before);
    need(whole != DETECTED_MORE || size < PROTOCOL_MAX_BYTES);
    if (whole == DETECTED_HTTP2)
        need(size >= 24 && memcmp(data, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24) == 0);
    if (whole == DETECTED_HTTP1)
        need(memchr(data, ' ', size) != NULL);
    return 0;
}
