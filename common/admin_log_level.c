#include "common/admin_log_level.h"

#include <jansson.h>

#include "common/log.h"

void admin_serve_log_level(struct admin_request *request, void *context)
{
    (void)context;
    const char *wanted = admin_request_param(request, "level");
    enum log_level level;
    if (admin_request_is_post(request)) {
        if (!wanted || !log_level_parse(slice_str(wanted), &level)) {
            admin_reply_text(request, HTTP_BADREQUEST,
                             "level: \"%s\" is none of debug, info, warn, error",
                             wanted ? wanted : "");
            return;
        }
        const char *before = log_level_name(log_get_level());
        log_set_level(level);
        /* At the new level, so that it is always seen. */
        log_write(level, "log_level_changed",
                  (const struct log_field[]){LOG_S("from", before), LOG_S("to", wanted)}, 2);
    }
    admin_reply_json(request, json_pack("{s:s}", "level", log_level_name(log_get_level())));
}
