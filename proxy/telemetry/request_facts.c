#include "proxy/telemetry/request_facts.h"

struct fact request_fact(const struct request_facts *f, enum request_fact which)
{
    switch (which) {
#define FACT_TEXT(name, expression, help)                                                          \
    case FACT_##name:                                                                              \
        return (struct fact){.text = (expression)};
#define FACT_NUMBER(name, expression, help)                                                        \
    case FACT_##name:                                                                              \
        return (struct fact){.is_number = true, .number = (int64_t)(expression)};
#include "proxy/telemetry/request_fields.def"
#undef FACT_TEXT
#undef FACT_NUMBER
    case FACT_COUNT:
        break;
    }
    return (struct fact){0};
}

const char *request_fact_name(enum request_fact which)
{
    static const char *const names[] = {
#define FACT_TEXT(name, expression, help)   #name,
#define FACT_NUMBER(name, expression, help) #name,
#include "proxy/telemetry/request_fields.def"
#undef FACT_TEXT
#undef FACT_NUMBER
    };
    return names[which];
}

enum request_fact request_fact_find(struct slice name)
{
    int which = 0;
    while (which < FACT_COUNT && !slice_eq_str(name, request_fact_name((enum request_fact)which)))
        which++;
    return (enum request_fact)which;
}
