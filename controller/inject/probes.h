/*
 * The kubelet knocks without a certificate, so that strict mode would refuse it, and a TCP probe
 * would find the proxy's open door whether the application lives or not. So each HTTP, TCP and gRPC
 * probe, and each HTTP hook, is asked of the proxy's admin port, and the proxy asks the application
 * on the pod's own address. Exec probes stay as they are. Pure.
 */
#ifndef OUTRIGGER_CONTROLLER_INJECT_PROBES_H
#define OUTRIGGER_CONTROLLER_INJECT_PROBES_H

#include "controller/inject/plan.h"

#define PROBES_PATH "/app-probe/" /* of the proxy's admin port; then CONTAINER/PROBE */

/*
 * Appends to `patch` what is to be changed in the pod as it is shown, and to `arguments` the
 * proxy's --app-probe options. False when memory is short.
 */
bool probes_rewrite(const struct plan *plan, const json_t *spec, json_t *patch, json_t *arguments,
                    json_t *warnings) MUST_USE;

#endif
