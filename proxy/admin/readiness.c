#include "proxy/admin/readiness.h"

static const char *reason_or(const char *reason, const char *otherwise)
{
    return reason && *reason ? reason : otherwise;
}

bool readiness_check(const struct admin_sources *sources, struct err *why)
{
    if (sources->is_draining)
        return err_set(why, "draining: open connections may end, then the proxy does");
    if (!sources->control || sources->n_workers == 0)
        return err_set(why, "starting: no listeners yet");
    struct control_status status = control_status(sources->control);
    if (!status.has_certificate)
        return err_set(why, "no valid certificate: %s",
                       reason_or(status.certificate_error,
                                 reason_or(status.last_error, "asked the controller for one")));
    if (!status.has_workload)
        return err_set(why, "the controller has not described %s: %s", sources->pod,
                       reason_or(status.last_nack, reason_or(status.last_error, "asked for it")));
    return true;
}
