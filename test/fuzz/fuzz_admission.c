/*
 * A webhook's request, from its bytes to its answer, both ways. An answer carries the request's
 * uid; a patch fits the pod it was made for, and a second admission patches nothing.
 */
// fuzz: controller
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/inject/patch.h"
#include "controller/inject/review.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static json_t *enabled(void *context, const char *name)
{
    (void)context;
    (void)name;
    return json_pack("{s:{s:s}}", "labels", "outrigger.dev/inject", "enabled");
}

static void check_answer(const json_t *answer)
{
    const json_t *response = json_object_get(answer, "response");
    must(json_is_string(json_object_get(response, "uid")));
    must(json_is_boolean(json_object_get(response, "allowed")));
}

static void admit_twice(const json_t *pod, const struct inject_settings *settings)
{
    struct injection first, second;
    json_t *namespace = enabled(NULL, NULL);
    json_t *patched = json_deep_copy(pod);
    must(inject_pod(pod, "shop", namespace, settings, &first));
    must(patch_apply(patched, first.patch));
    must(inject_pod(patched, "shop", namespace, settings, &second));
    must(json_array_size(second.patch) == 0);
    injection_fini(&first);
    injection_fini(&second);
    json_decref(patched);
    json_decref(namespace);
}

static void inject(struct slice body, int sidecars)
{
    const struct inject_settings settings = {.proxy_image = "p",
                                             .init_image = "i",
                                             .controller = "c:1",
                                             .trust_domain = "d",
                                             .anchors = "a",
                                             .sidecars = sidecars};
    const struct review_namespaces namespaces = {.metadata = enabled};
    struct review_outcome outcome;
    struct err err = {0};
    json_t *answer = review_inject(body, &settings, &namespaces, &outcome, &err);
    must(answer || err.text[0]);
    if (!answer)
        return;
    check_answer(answer);
    json_decref(answer);
    if (!outcome.is_patched)
        return;
    json_t *review = json_loadb(body.ptr, body.len, 0, NULL);
    admit_twice(json_object_get(json_object_get(review, "request"), "object"), &settings);
    json_decref(review);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body = slice_of(data, size);
    struct review_outcome outcome;
    struct err err = {0};
    inject(body, INJECT_NATIVE);
    inject(body, INJECT_ORDINARY);
    json_t *answer = review_validate(body, &outcome, &err);
    must(answer || err.text[0]);
    if (answer)
        check_answer(answer);
    json_decref(answer);
    return 0;
}
