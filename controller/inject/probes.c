#include "controller/inject/probes.h"

#include <ctype.h>
#include <string.h>

#include "common/buf.h"
#include "controller/inject/patch.h"
#include "controller/inject/warnings.h"

#define TARGET_MAX_BYTES 1024
#define TIMEOUT_MAX_SEC  600
#define HOOK_TIMEOUT_SEC 30 /* a hook says none; the pod's grace ends it, if nothing else does */

/* One probe or hook of one container. */
struct asked {
    const struct plan *plan;
    const json_t *container;
    const char *list;    /* "containers" */
    size_t index;        /* in it */
    const char *name;    /* of the container */
    const char *word;    /* "liveness", "postStart" */
    const char *path;    /* below the container: "livenessProbe", "lifecycle/postStart" */
    const json_t *probe; /* what stands there */
};

static const struct {
    const char *word, *field;
} probe_fields[] = {
    {"liveness", "livenessProbe"}, {"readiness", "readinessProbe"}, {"startup", "startupProbe"}};

static json_int_t named_port(const json_t *container, const char *name)
{
    const json_t *ports = json_object_get(container, "ports");
    for (size_t i = 0; i < json_array_size(ports); i++) {
        const json_t *port = json_array_get(ports, i);
        const char *here = json_string_value(json_object_get(port, "name"));
        if (here && strcmp(here, name) == 0)
            return json_integer_value(json_object_get(port, "containerPort"));
    }
    return 0;
}

/* A number, the name of one of the container's ports, or a number as a text. 0: it is none. */
static unsigned port_of(const struct asked *asked, const json_t *handler)
{
    const json_t *port = json_object_get(handler, "port");
    const char *text = json_string_value(port);
    json_int_t number = json_integer_value(port);
    uint64_t parsed;
    struct err ignored;
    if (text)
        number = named_port(asked->container, text);
    if (text && number == 0 && option_parse_uint(slice_str(text), 1, 65535, &parsed, &ignored))
        number = (json_int_t)parsed;
    return number >= 1 && number <= 65535 ? (unsigned)number : 0;
}

/* Path or service: of visible characters, and with "$(" so that no variable is put there. */
static bool write_target(struct buf *out, const char *target)
{
    for (; *target; target++) {
        if (!isgraph((unsigned char)*target))
            return false;
        if (target[0] == '$' && target[1] == '(' && !buf_append(out, "$", 1))
            return false;
        if (!buf_append(out, target, 1))
            return false;
    }
    return true;
}

static unsigned timeout_sec(const struct asked *asked)
{
    const json_t *value = json_object_get(asked->probe, "timeoutSeconds");
    json_int_t seconds = json_is_integer(value) ? json_integer_value(value) : 1;
    if (strncmp(asked->path, "lifecycle", strlen("lifecycle")) == 0)
        seconds = HOOK_TIMEOUT_SEC;
    if (seconds < 1)
        return 1;
    return seconds < TIMEOUT_MAX_SEC ? (unsigned)seconds : TIMEOUT_MAX_SEC;
}

/* --app-probe=web/liveness=http,8080,1s,/healthz */
static bool add_option(const struct asked *asked, json_t *arguments, const char *kind,
                       unsigned port, const char *target)
{
    struct buf text;
    buf_init(&text, TARGET_MAX_BYTES);
    bool is_good = port > 0 &&
                   buf_printf(&text, "--app-probe=%s/%s=%s,%u,%us,", asked->name, asked->word, kind,
                              port, timeout_sec(asked)) &&
                   write_target(&text, target);
    struct slice option = buf_slice(&text);
    is_good =
        is_good && json_array_append_new(arguments, json_stringn(option.ptr, option.len)) == 0;
    buf_fini(&text);
    return is_good;
}

/* As it was, but for whom it asks. */
static json_t *asking_us(const struct asked *asked, const json_t *headers)
{
    struct err path;
    err_set(&path, PROBES_PATH "%s/%s", asked->name, asked->word);
    json_t *probe = json_deep_copy(asked->probe);
    json_t *get = json_pack("{s:s, s:I, s:O*}", "path", path.text, "port",
                            (json_int_t)asked->plan->admin_port, "httpHeaders", headers);
    if (!probe || !get || json_object_set(probe, "httpGet", get) < 0) {
        json_decref(probe);
        probe = NULL;
    }
    json_decref(get);
    json_object_del(probe, "tcpSocket");
    json_object_del(probe, "grpc");
    return probe;
}

static const char *text_of(const json_t *handler, const char *field, const char *absent)
{
    const char *text = json_string_value(json_object_get(handler, field));
    return text ? text : absent;
}

static bool is_elsewhere(const json_t *handler)
{
    return *text_of(handler, "host", "") != '\0';
}

static bool choose(const struct asked *asked, json_t *arguments, const json_t *get,
                   const json_t *tcp, const json_t *grpc)
{
    if (get) {
        const char *path = text_of(get, "path", "/");
        bool is_https = strcmp(text_of(get, "scheme", "HTTP"), "HTTPS") == 0;
        return *path == '/' &&
               add_option(asked, arguments, is_https ? "https" : "http", port_of(asked, get), path);
    }
    if (tcp)
        return add_option(asked, arguments, "tcp", port_of(asked, tcp), "");
    return add_option(asked, arguments, "grpc", port_of(asked, grpc), text_of(grpc, "service", ""));
}

static bool rewrite(const struct asked *asked, json_t *patch, json_t *arguments, json_t *warnings)
{
    const json_t *get = json_object_get(asked->probe, "httpGet");
    const json_t *tcp = json_object_get(asked->probe, "tcpSocket");
    const json_t *grpc = json_object_get(asked->probe, "grpc");
    if ((!get && !tcp && !grpc) || is_elsewhere(get) || is_elsewhere(tcp))
        return true;
    if (!choose(asked, arguments, get, tcp, grpc)) {
        warnings_add(warnings,
                     "container %s: %s stays as it is, as its port or path cannot be made out: "
                     "strict mode will refuse it",
                     asked->name, asked->path);
        return true;
    }
    return patch_replace(patch, asking_us(asked, json_object_get(get, "httpHeaders")),
                         "/spec/%s/%zu/%s", asked->list, asked->index, asked->path);
}

static bool rewrite_hooks(struct asked *asked, json_t *patch, json_t *arguments, json_t *warnings)
{
    static const struct {
        const char *word, *path;
    } hooks[] = {{"postStart", "lifecycle/postStart"}, {"preStop", "lifecycle/preStop"}};
    const json_t *lifecycle = json_object_get(asked->container, "lifecycle");
    bool is_good = true;
    for (size_t i = 0; is_good && i < sizeof(hooks) / sizeof(hooks[0]); i++) {
        asked->probe = json_object_get(lifecycle, hooks[i].word);
        asked->word = hooks[i].word;
        asked->path = hooks[i].path;
        /* The kubelet makes no gRPC call here, and the TCP one it has never made. */
        if (json_object_get(asked->probe, "httpGet"))
            is_good = rewrite(asked, patch, arguments, warnings);
    }
    return is_good;
}

static bool rewrite_list(const struct plan *plan, const json_t *spec, const char *list,
                         json_t *patch, json_t *arguments, json_t *warnings)
{
    const json_t *containers = json_object_get(spec, list);
    bool is_good = true;
    for (size_t i = 0; is_good && i < json_array_size(containers); i++) {
        const json_t *container = json_array_get(containers, i);
        struct asked asked = {.plan = plan, .container = container, .list = list, .index = i};
        asked.name = json_string_value(json_object_get(container, "name"));
        if (!asked.name)
            continue;
        for (size_t j = 0; is_good && j < sizeof(probe_fields) / sizeof(probe_fields[0]); j++) {
            asked.word = probe_fields[j].word;
            asked.path = probe_fields[j].field;
            asked.probe = json_object_get(container, asked.path);
            is_good = rewrite(&asked, patch, arguments, warnings);
        }
        is_good = is_good && rewrite_hooks(&asked, patch, arguments, warnings);
    }
    return is_good;
}

bool probes_rewrite(const struct plan *plan, const json_t *spec, json_t *patch, json_t *arguments,
                    json_t *warnings)
{
    /* An ordinary proxy does not run yet when init containers do. */
    bool is_good = rewrite_list(plan, spec, "containers", patch, arguments, warnings) &&
                   (!plan->is_native ||
                    rewrite_list(plan, spec, "initContainers", patch, arguments, warnings));
    if (is_good && json_array_size(arguments) > 0)
        is_good =
            json_array_append_new(arguments, json_string("--app-probe-address=$(POD_IP)")) == 0;
    return is_good;
}
