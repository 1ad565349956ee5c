#include "controller/objects/http_filter.h"

#include "controller/objects/grpc_failure.h"

#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))
#define PERCENT        10000u /* in millionths */
#define DELAY_MAX_MS   (3600ull * 1000)
#define GRPC_AS_HTTP   503 /* for callers that do not speak gRPC */
#define DEFAULT_STATUS 200

static bool is_header_text(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

static void read_direct_response(const struct field *field, struct http_direct_response *direct)
{
    static const char *const names[] = {"status", "body", "contentType"};
    field_allow_only(field, names, COUNT(names));
    struct field status = field_get(field, "status");
    struct field body = field_get(field, "body");
    struct field type = field_get(field, "contentType");
    direct->status = (uint16_t)field_uint(&status, 200, 599, DEFAULT_STATUS);
    direct->body = field_text(&body);
    direct->content_type = field_text(&type);
    if (!is_header_text(direct->content_type))
        field_fail(&type, "has a byte that cannot stand in a header");
    if (*direct->body && (direct->status == 204 || direct->status == 304))
        field_fail(&body, "an answer with status %u has none", direct->status);
}

static uint32_t read_percentage(const struct field *up)
{
    struct field percentage = field_get(up, "percentage");
    return (uint32_t)field_uint(&percentage, 0, 100, 100) * PERCENT;
}

static void read_fault(const struct field *field, struct http_fault *fault)
{
    static const char *const names[] = {"delay", "abort"};
    static const char *const delay_names[] = {"duration", "percentage"};
    static const char *const abort_names[] = {"httpStatus", "grpcStatus", "percentage"};
    field_allow_only(field, names, COUNT(names));
    struct field delay = field_get(field, "delay");
    struct field abort = field_get(field, "abort");
    if (!field_is_set(&delay) && !field_is_set(&abort))
        field_fail(field, "says nothing: expected delay or abort");
    if (field_is_set(&delay)) {
        field_allow_only(&delay, delay_names, COUNT(delay_names));
        struct field duration = field_get(&delay, "duration");
        field_require(&duration);
        fault->delay_ms = field_duration_ms(&duration, 1, DELAY_MAX_MS);
        fault->delay_millionths = read_percentage(&delay);
    }
    if (field_is_set(&abort)) {
        field_allow_only(&abort, abort_names, COUNT(abort_names));
        struct field http = field_get(&abort, "httpStatus");
        struct field grpc = field_get(&abort, "grpcStatus");
        if (!field_is_set(&http) && !field_is_set(&grpc))
            field_fail(&abort, "says nothing: expected httpStatus or grpcStatus");
        fault->abort_status = (uint16_t)field_uint(&http, 200, 599, GRPC_AS_HTTP);
        fault->abort_grpc_status = grpc_failure_read(&grpc);
        fault->abort_millionths = read_percentage(&abort);
    }
}

void http_filter_read(const struct field *root, struct object *object)
{
    static const char *const names[] = {"directResponse", "fault"};
    struct http_filter *filter = (struct http_filter *)object;
    struct field spec = field_get(root, "spec");
    field_require(&spec);
    field_allow_only(&spec, names, COUNT(names));
    struct field direct = field_get(&spec, "directResponse");
    struct field fault = field_get(&spec, "fault");
    if (field_is_set(&direct) == field_is_set(&fault))
        field_fail(&spec, "needs one of directResponse and fault, and not both");
    filter->is_fault = field_is_set(&fault);
    if (filter->is_fault)
        read_fault(&fault, &filter->fault);
    else
        read_direct_response(&direct, &filter->direct_response);
}
