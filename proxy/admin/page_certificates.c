#include <jansson.h>

#include "common/clock.h"
#include "common/time_json.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/pages.h"

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

/* What there is only when there is a certificate. */
static void add_certificate(json_t *json, const struct svid *svid, int64_t now)
{
    struct slice id = svid_id(svid)->text;
    json_object_set_new(json, "identity", json_stringn(id.ptr, id.len));
    json_object_set_new(json, "serial", json_string(svid_serial(svid)));
    json_object_set_new(json, "not_before", time_json(svid_not_before(svid)));
    json_object_set_new(json, "not_after", time_json(svid_not_after(svid)));
    json_object_set_new(json, "seconds_left", json_integer(svid_not_after(svid) - now));
    json_object_set_new(json, "trust_anchors", anchors_json(svid_anchors(svid), now));
}

void page_certificates(struct admin_request *request, void *context)
{
    struct admin_sources *sources = context;
    struct control_status status = control_status(sources->control);
    const struct svid *svid = control_svid(sources->control);
    json_t *json = json_pack("{s:b,s:o,s:s}", "is_valid", status.has_certificate, "next_renewal",
                             time_json(status.next_renewal), "last_error",
                             status.certificate_error ? status.certificate_error : "");
    if (json && svid)
        add_certificate(json, svid, clock_wall_sec());
    admin_reply_json(request, json);
}
