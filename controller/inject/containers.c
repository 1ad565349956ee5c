#include "controller/inject/containers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "controller/inject/names.h"
#include "controller/inject/warnings.h"
#include "controller/token.h"

/* The kubelet makes a new token in time: at four fifths of this. */
#define TOKEN_SECONDS 3600

/* For how long an ordinary sidecar is waited for; a native one's start-up probe counts seconds. */
#define HOLD_SECONDS 600

#define ARGUMENT_BYTES 8192 /* an annotation's text is at most FIELD_TEXT_MAX */

/* ---- arguments ---------------------------------------------------------------------------------
 */

/* In what follows `*is_good` becomes false when memory is short, and stays so. */
static void add_argument(json_t *list, bool *is_good, const char *format, ...) PRINTF_LIKE(3, 4);

static void add_argument(json_t *list, bool *is_good, const char *format, ...)
{
    char text[ARGUMENT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    *is_good = *is_good && json_array_append_new(list, json_string(text)) == 0;
}

static void add_wish(json_t *list, bool *is_good, const struct plan *plan, const char *option,
                     enum wish wish)
{
    const char *text = plan->wishes->text[wish];
    if (text)
        add_argument(list, is_good, "--%s=%s", option, text);
}

/* "80, 443" is good in an annotation; the programs take no blanks. */
static void add_list(json_t *list, bool *is_good, const struct plan *plan, const char *option,
                     enum wish wish)
{
    char text[ARGUMENT_BYTES];
    size_t used = 0;
    const char *from = plan->wishes->text[wish];
    if (!from)
        return;
    for (; *from && used < sizeof(text) - 1; from++)
        if (*from != ' ')
            text[used++] = *from;
    text[used] = '\0';
    add_argument(list, is_good, "--%s=%s", option, text);
}

static json_t *finished(json_t *json, bool is_good)
{
    if (is_good)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *proxy_arguments(const struct plan *plan, const json_t *probes)
{
    json_t *list = json_array();
    bool is_good = list != NULL;
    char drain[OPTION_DURATION_BYTES];
    add_argument(list, &is_good, "--pod=$(POD_NAMESPACE)/$(POD_NAME)");
    add_argument(list, &is_good, "--controller=%s", plan->settings->controller);
    add_argument(list, &is_good, "--trust-domain=%s", plan->settings->trust_domain);
    add_argument(list, &is_good, "--admin-port=%u", (unsigned)plan->admin_port);
    add_argument(list, &is_good, "--drain-timeout=%s",
                 option_format_duration(plan->drain_ms, drain));
    add_wish(list, &is_good, plan, "workers", WISH_PROXY_WORKERS);
    add_wish(list, &is_good, plan, "log-level", WISH_LOG_LEVEL);
    add_wish(list, &is_good, plan, "log-format", WISH_LOG_FORMAT);
    add_wish(list, &is_good, plan, "trace-sampling", WISH_TRACE_SAMPLING);
    for (size_t i = 0; i < json_array_size(probes); i++)
        is_good = is_good && json_array_append(list, json_array_get(probes, i)) == 0;
    return finished(list, is_good);
}

static json_t *init_arguments(const struct plan *plan)
{
    json_t *list = json_array();
    bool is_good = list != NULL;
    add_argument(list, &is_good, "--proxy-uid=%u", (unsigned)plan->user);
    add_argument(list, &is_good, "--admin-port=%u", (unsigned)plan->admin_port);
    add_list(list, &is_good, plan, "skip-inbound-ports", WISH_SKIP_INBOUND_PORTS);
    add_list(list, &is_good, plan, "skip-outbound-ports", WISH_SKIP_OUTBOUND_PORTS);
    add_list(list, &is_good, plan, "skip-outbound-cidrs", WISH_SKIP_OUTBOUND_CIDRS);
    add_wish(list, &is_good, plan, "log-level", WISH_LOG_LEVEL);
    add_wish(list, &is_good, plan, "log-format", WISH_LOG_FORMAT);
    return finished(list, is_good);
}

/* ---- what every container has ------------------------------------------------------------------
 */

static json_t *resources(const struct plan *plan)
{
    json_t *requests =
        json_pack("{s:s*, s:s*}", "cpu", plan->cpu.request, "memory", plan->memory.request);
    json_t *limits =
        json_pack("{s:s*, s:s*}", "cpu", plan->cpu.limit, "memory", plan->memory.limit);
    return json_pack("{s:o, s:o}", "requests", requests, "limits", limits);
}

static json_t *downward(const char *name, const char *path)
{
    return json_pack("{s:s, s:{s:{s:s}}}", "name", name, "valueFrom", "fieldRef", "fieldPath",
                     path);
}

static bool add_extra_env(json_t *list, const struct plan *plan)
{
    struct slice text = slice_str(plan->wishes->text[WISH_EXTRA_ENV]), name, value;
    bool is_good = true;
    while (is_good && annotation_next_env(&text, &name, &value)) {
        json_t *entry = json_pack("{s:s%, s:s%}", "name", name.ptr, name.len, "value",
                                  value.len ? value.ptr : "", value.len);
        is_good = json_array_append_new(list, entry) == 0;
    }
    return is_good;
}

/* Ours come last: of two variables of one name the later one counts. */
static json_t *environment(const struct plan *plan)
{
    json_t *list = json_array();
    bool is_good =
        list && add_extra_env(list, plan) &&
        json_array_append_new(list, downward("POD_NAME", "metadata.name")) == 0 &&
        json_array_append_new(list, downward("POD_NAMESPACE", "metadata.namespace")) == 0 &&
        json_array_append_new(list, downward("POD_UID", "metadata.uid")) == 0 &&
        json_array_append_new(list, downward("POD_IP", "status.podIP")) == 0;
    return finished(list, is_good);
}

/* ---- the proxy ---------------------------------------------------------------------------------
 */

static json_t *probe(const struct plan *plan, const char *path, int period, int failures)
{
    return json_pack("{s:{s:s, s:I}, s:i, s:i, s:i}", "httpGet", "path", path, "port",
                     (json_int_t)plan->admin_port, "periodSeconds", period, "failureThreshold",
                     failures, "timeoutSeconds", 5);
}

/* The pod security level "restricted" asks for exactly these. */
static json_t *proxy_security(const struct plan *plan)
{
    return json_pack("{s:I, s:I, s:b, s:b, s:b, s:b, s:{s:[s]}, s:{s:s}}", "runAsUser",
                     (json_int_t)plan->user, "runAsGroup", (json_int_t)plan->user, "runAsNonRoot",
                     1, "readOnlyRootFilesystem", 1, "allowPrivilegeEscalation", 0, "privileged", 0,
                     "capabilities", "drop", "ALL", "seccompProfile", "type", "RuntimeDefault");
}

static json_t *proxy_mounts(void)
{
    return json_pack("[{s:s, s:s, s:b}, {s:s, s:s, s:b}]", "name", INJECT_TOKEN_VOLUME, "mountPath",
                     INJECT_TOKEN_FOLDER, "readOnly", 1, "name", INJECT_ANCHORS_VOLUME, "mountPath",
                     INJECT_ANCHORS_FOLDER, "readOnly", 1);
}

/* An ordinary container: the next one is started when postStart has ended, and SIGTERM comes when
 * preStop has. */
static json_t *lifecycle(const struct plan *plan)
{
    char port[16], wait[OPTION_DURATION_BYTES], pause[OPTION_DURATION_BYTES];
    snprintf(port, sizeof(port), "%u", (unsigned)plan->admin_port);
    json_t *start = NULL, *stop = NULL;
    if (plan->is_held)
        start = json_pack("{s:{s:[s, s, s, s]}}", "exec", "command", "outrigger-proxy",
                          "await-ready", port, option_format_duration(HOLD_SECONDS * 1000, wait));
    if (plan->pause_ms > 0)
        stop = json_pack("{s:{s:[s, s, s]}}", "exec", "command", "outrigger-proxy", "pause",
                         option_format_duration(plan->pause_ms, pause));
    return json_pack("{s:o*, s:o*}", "postStart", start, "preStop", stop);
}

json_t *containers_proxy(const struct plan *plan, const json_t *probes)
{
    const char *image = wishes_text(plan->wishes, WISH_PROXY_IMAGE, plan->settings->proxy_image);
    json_t *startup =
        plan->is_native && plan->is_held ? probe(plan, "/readyz", 1, HOLD_SECONDS) : NULL;
    json_t *hooks = plan->is_native ? NULL : lifecycle(plan);
    return json_pack(
        "{s:s, s:s, s:s*, s:o, s:o, s:[{s:s, s:I}], s:o, s:o, s:o, s:o*, s:o*, s:o, s:o, s:s*}",
        "name", INJECT_PROXY_CONTAINER, "image", image, "imagePullPolicy",
        plan->settings->pull_policy, "args", proxy_arguments(plan, probes), "env",
        environment(plan), "ports", "name", "outrigger-admin", "containerPort",
        (json_int_t)plan->admin_port, "resources", resources(plan), "securityContext",
        proxy_security(plan), "volumeMounts", proxy_mounts(), "startupProbe", startup, "lifecycle",
        hooks, "readinessProbe", probe(plan, "/readyz", 5, 3), "livenessProbe",
        probe(plan, "/livez", 10, 6), "restartPolicy", plan->is_native ? "Always" : NULL);
}

/* ---- the redirect ------------------------------------------------------------------------------
 */

static json_t *init_security(void)
{
    return json_pack("{s:i, s:i, s:b, s:b, s:b, s:b, s:{s:[s], s:[s, s]}, s:{s:s}}", "runAsUser", 0,
                     "runAsGroup", 0, "runAsNonRoot", 0, "readOnlyRootFilesystem", 1,
                     "allowPrivilegeEscalation", 0, "privileged", 0, "capabilities", "drop", "ALL",
                     "add", "NET_ADMIN", "NET_RAW", "seccompProfile", "type", "RuntimeDefault");
}

json_t *containers_init(const struct plan *plan)
{
    return json_pack("{s:s, s:s, s:s*, s:o, s:o, s:o}", "name", INJECT_INIT_CONTAINER, "image",
                     plan->settings->init_image, "imagePullPolicy", plan->settings->pull_policy,
                     "args", init_arguments(plan), "resources", resources(plan), "securityContext",
                     init_security());
}

/* ---- what they read ----------------------------------------------------------------------------
 */

json_t *containers_token_volume(void)
{
    return json_pack("{s:s, s:{s:i, s:[{s:{s:s, s:i, s:s}}]}}", "name", INJECT_TOKEN_VOLUME,
                     "projected", "defaultMode", 0644, "sources", "serviceAccountToken", "audience",
                     TOKEN_AUDIENCE, "expirationSeconds", TOKEN_SECONDS, "path", "token");
}

json_t *containers_anchors_volume(const struct plan *plan)
{
    return json_pack("{s:s, s:{s:s, s:i}}", "name", INJECT_ANCHORS_VOLUME, "configMap", "name",
                     plan->settings->anchors, "defaultMode", 0644);
}
