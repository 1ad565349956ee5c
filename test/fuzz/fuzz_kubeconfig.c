// fuzz: controller
/* A kubeconfig, however it came to be: taken or refused with a message, nothing else. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/kubernetes/kube_access.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kube_access access;
    struct err err = {.text = ""};
    struct slice text = slice_of((const char *)data, size);
    if (!kube_access_parse(&access, text, "config", "/nowhere", &err) && !*err.text)
        abort();
    kube_access_fini(&access);
    return 0;
}
