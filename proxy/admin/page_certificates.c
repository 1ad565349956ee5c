#include <jansson.h>

#include "common/clock.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/pages.h"
#include "proxy/admin/text.h"

static json_t *time_json(int64_t wall_sec)
{
    char text[TEXT_TIME_BYTES];
    return wall_sec ? json_string(text_time(wall_sec, text)) : json_null();
}

static json_t *anchors_json(const struct trust_anchors *anchors, int64_t now)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < trust_anchors_count(anchors); i++) {
        int64_t end = trust_anchors_not_after(anchors, i);
        json_array_append_new(
            array, json_pack("{s:s,s:o,s:I}", "name", trust_anchors_name(anchors, i), "not_after",
                             time_json(end), "seconds_left", (json_int_t)(end - now)));
    }
    return array;
}

static json_t *certificate_json(const struct svid *svid, int64_t now)
{
    struct slice id = svid_id(svid)->text;
    return json_pack("{s:s%,s:s,s:o,s:o,s:I}", "identity", id.ptr, id.len, "serial",
                     svid_serial(svid), "not_before", time_json(svid_not_before(svid)), "not_after",
                     time_json(svid_not_after(svid)), "seconds_left",
                     (json_int_t)(svid_not_after(svid) - now));
}

void page_certificates(struct admin_request *request, void *context)
{
    struct admin_sources *sources = context;
    struct control_status status = control_status(sources->control);
    const struct svid *svid = control_svid(sources->control);
    int64_t now = clock_wall_sec();
    admin_reply_json(request,
                     json_pack("{s:o,s:o,s:o,s:s}", "certificate",
                               svid ? certificate_json(svid, now) : json_null(), "trust_anchors",
                               svid ? anchors_json(svid_anchors(svid), now) : json_array(),
                               "next_renewal", time_json(status.next_renewal), "last_error",
                               status.certificate_error ? status.certificate_error : ""));
}
