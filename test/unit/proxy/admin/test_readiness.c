#include "proxy/admin/readiness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The only thing of the control room that readiness asks. */
static struct control_status told;
struct control_status control_status(const struct control *control)
{
    (void)control;
    return told;
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    static const struct {
        struct control_status status;
        size_t n_workers;
        bool is_draining;
        const char *why; /* NULL: ready */
    } cases[] = {
        {{.has_certificate = true, .has_workload = true, .is_connected = true}, 1, false, NULL},
        {{.has_certificate = true, .has_workload = true, .last_error = "lost"}, 1, false, NULL},
        {{.has_certificate = true, .has_workload = true}, 0, false, "starting: no listeners yet"},
        {{.has_certificate = true, .has_workload = true},
         1,
         true,
         "draining: open connections may end, then the proxy does"},
        {{.certificate_error = "bad token", .last_error = "other"},
         1,
         false,
         "no valid certificate: bad token"},
        {{.certificate_error = "", .last_error = "refused"},
         1,
         false,
         "no valid certificate: refused"},
        {{0}, 1, false, "no valid certificate: asked the controller for one"},
        {{.has_certificate = true, .last_nack = "ports[0]", .last_error = "x"},
         1,
         false,
         "the controller has not described demo/web: ports[0]"},
        {{.has_certificate = true},
         1,
         false,
         "the controller has not described demo/web: asked for it"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err why = {.text = ""};
        struct admin_sources sources = {.pod = "demo/web",
                                        .control = (struct control *)&told,
                                        .n_workers = cases[i].n_workers,
                                        .is_draining = cases[i].is_draining};
        told = cases[i].status;
        bool is_ready = readiness_check(&sources, &why);
        if (is_ready != !cases[i].why || (!is_ready && strcmp(why.text, cases[i].why) != 0))
            fail_msg("case %zu: %d '%s'", i, is_ready, why.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_missing_is_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
