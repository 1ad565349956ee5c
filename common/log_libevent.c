#include "common/log_libevent.h"

#include <event2/event.h>

#include "common/log.h"

/* evdns names each name server that fails and that comes back: news for people, not a fault of
 * ours.
 */
static void on_message(int severity, const char *message)
{
    switch (severity) {
    case EVENT_LOG_DEBUG:
        break;
    case EVENT_LOG_MSG:
        LOG_LIMITED(LOG_INFO, "libevent", LOG_S("message", message));
        break;
    case EVENT_LOG_WARN:
        LOG_LIMITED(LOG_WARN, "libevent", LOG_S("message", message));
        break;
    default:
        LOG(LOG_ERROR, "libevent", LOG_S("message", message)); /* libevent ends the process next */
        break;
    }
}

void log_libevent(void)
{
    event_set_log_callback(on_message);
}
