#include "common/grpc/answer.h"

#include "common/base64.h"
#include "common/grpc/metadata.h"

#define ANSWER_TEXT_BYTES 65536 /* more than a head may have */

void grpc_answer_init(struct grpc_answer *answer)
{
    *answer = (struct grpc_answer){.code = GRPC_UNKNOWN};
    buf_init(&answer->message, ANSWER_TEXT_BYTES);
    buf_init(&answer->details, ANSWER_TEXT_BYTES);
}

void grpc_answer_fini(struct grpc_answer *answer)
{
    buf_fini(&answer->message);
    buf_fini(&answer->details);
}

static unsigned http_status(struct slice text)
{
    unsigned number = 0;
    for (size_t i = 0; i < text.len; i++)
        number = number * 10 + (unsigned)(text.ptr[i] - '0') % 10;
    return text.len == 3 ? number : 0;
}

static bool take_message(struct grpc_answer *answer, struct slice value)
{
    buf_fini(&answer->message);
    if (value.len == 0)
        return true;
    char *room = buf_room(&answer->message, value.len);
    if (!room)
        return false;
    buf_added(&answer->message, grpc_message_decode(value, room));
    return true;
}

/* Details that cannot be decoded are left out: the code says what matters. */
static bool take_details(struct grpc_answer *answer, struct slice value)
{
    size_t len;
    buf_fini(&answer->details);
    if (value.len == 0)
        return true;
    char *room = buf_room(&answer->details, base64_decoded_len(value.len) + 1);
    if (!room)
        return false;
    if (base64_decode(BASE64_STANDARD, value, room, &len))
        buf_added(&answer->details, len);
    return true;
}

bool grpc_answer_field(struct grpc_answer *answer, struct slice name, struct slice value)
{
    if (slice_eq_str(name, ":status")) {
        answer->http = http_status(value);
    } else if (slice_eq_str(name, "content-type")) {
        answer->is_grpc = grpc_content_type_is_ours(value);
    } else if (slice_eq_str(name, "grpc-encoding")) {
        answer->is_compressed = !slice_eq_str(value, "identity");
    } else if (slice_eq_str(name, "grpc-status")) {
        answer->has_code = true;
        answer->code = grpc_code_parse(value);
    } else if (slice_eq_str(name, "grpc-message")) {
        return take_message(answer, value);
    } else if (slice_eq_str(name, "grpc-status-details-bin")) {
        return take_details(answer, value);
    }
    return true;
}

bool grpc_answer_block(struct grpc_answer *answer)
{
    if (answer->http >= 100 && answer->http < 200) {
        grpc_answer_fini(answer);
        grpc_answer_init(answer);
        return false;
    }
    answer->has_head = true;
    return true;
}

bool grpc_answer_is_foreign(const struct grpc_answer *answer, struct err *err)
{
    if (!answer->has_head || answer->has_code || (answer->http == 200 && answer->is_grpc))
        return false;
    if (answer->http != 200)
        err_set(err, "the peer answered with HTTP status %u", answer->http);
    else
        err_set(err, "the peer's answer is not of content type application/grpc");
    return true;
}
