/*
 * A pod in, what to do with it out: the decision, an RFC 6902 patch, and what its owner should
 * know. Nothing that a pod holds can make this fail; a second time it patches nothing. Pure.
 */
#ifndef OUTRIGGER_CONTROLLER_INJECT_INJECT_H
#define OUTRIGGER_CONTROLLER_INJECT_INJECT_H

#include "controller/inject/decide.h"
#include "controller/inject/settings.h"

struct injection {
    enum inject_decision decision;
    json_t *patch;    /* operations; empty unless the decision is INJECT_YES */
    json_t *warnings; /* texts of one line */
};

/*
 * `pod` is a Pod, or a pod template: metadata and spec count. `namespace` is the name of where it
 * is to be; `namespace_metadata` may be NULL. False when memory is short, with nothing to free.
 */
bool inject_pod(const json_t *pod, const char *namespace, const json_t *namespace_metadata,
                const struct inject_settings *settings, struct injection *injection) MUST_USE;
void injection_fini(struct injection *injection);

#endif
