#include "common/http/h1_fault.h"

int h1_fault_status(enum h1_fault fault)
{
    static const int statuses[] = {
#define X(suffix, status, text) status,
        H1_FAULTS(X)
#undef X
    };
    return statuses[fault];
}

const char *h1_fault_text(enum h1_fault fault)
{
    static const char *const texts[] = {
#define X(suffix, status, text) text,
        H1_FAULTS(X)
#undef X
    };
    return texts[fault];
}
