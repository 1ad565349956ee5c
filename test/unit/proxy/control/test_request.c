#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/version.h"
#include "proxy/control/request.h"
#include "test/unit/proxy/control/responses.h"

typedef Envoy__Service__Discovery__V3__DeltaDiscoveryRequest DeltaDiscoveryRequest;

static DeltaDiscoveryRequest *unpack(struct buf *buf)
{
    struct slice bytes = buf_slice(buf);
    DeltaDiscoveryRequest *request = envoy__service__discovery__v3__delta_discovery_request__unpack(
        NULL, bytes.len, (const uint8_t *)bytes.ptr);
    assert_non_null(request);
    buf_consume(buf, bytes.len);
    return request;
}

static void done(DeltaDiscoveryRequest *request)
{
    envoy__service__discovery__v3__delta_discovery_request__free_unpacked(request, NULL);
}

static void replies(void **state)
{
    (void)state;
    struct buf buf;
    struct err refusal;
    buf_init(&buf, 4096);
    assert_true(request_reply(&buf, "type", "nonce-1", NULL));
    DeltaDiscoveryRequest *request = unpack(&buf);
    assert_string_equal(request->type_url, "type");
    assert_string_equal(request->response_nonce, "nonce-1");
    assert_null(request->error_detail);
    assert_null(request->node);
    done(request);
    err_set(&refusal, "service x: port: 0");
    assert_true(request_reply(&buf, "type", "nonce-2", &refusal));
    request = unpack(&buf);
    assert_int_equal(request->error_detail->code, 3);
    assert_string_equal(request->error_detail->message, "service x: port: 0");
    done(request);
    buf_fini(&buf);
    buf_init(&buf, 8);
    assert_false(request_reply(&buf, "type", "nonce-3", NULL)); /* the ceiling */
    buf_fini(&buf);
}

static void the_first_says_everything_and_the_next_what_changed(void **state)
{
    (void)state;
    struct buf buf;
    struct err err;
    buf_init(&buf, 4096);
    struct resources *r = resources_new("shop/api-1", "cluster.local", 10);
    assert_true(request_first(&buf, r, RESOURCE_WORKLOAD, "cluster.local"));
    DeltaDiscoveryRequest *request = unpack(&buf);
    assert_string_equal(request->type_url, "type.googleapis.com/outrigger.v1.Workload");
    assert_string_equal(request->node->id, "shop/api-1");
    assert_string_equal(request->node->cluster, "cluster.local");
    assert_string_equal(request->node->user_agent_name, "outrigger-proxy");
    assert_string_equal(request->node->user_agent_version, OUTRIGGER_VERSION);
    assert_int_equal(request->n_resource_names_subscribe, 1);
    assert_string_equal(request->resource_names_subscribe[0], "shop/api-1");
    assert_int_equal(request->n_initial_resource_versions, 0);
    done(request);

    resources_stream_opened(r, 1);
    assert_false(request_is_due(r, RESOURCE_SERVICE));
    assert_true(resources_want(r, slice_str("10.0.0.1:80"), 1));
    assert_true(resources_want(r, slice_str("10.0.0.2:80"), 1));
    assert_true(request_is_due(r, RESOURCE_SERVICE));
    assert_true(request_changes(&buf, r, RESOURCE_SERVICE));
    request = unpack(&buf);
    assert_int_equal(request->n_resource_names_subscribe, 2);
    assert_int_equal(request->n_resource_names_unsubscribe, 0);
    assert_int_equal(request->n_initial_resource_versions, 0);
    done(request);
    assert_false(request_is_due(r, RESOURCE_SERVICE));

    DeltaDiscoveryResponse *response = response_begin(resource_type_url(RESOURCE_SERVICE), "n");
    response_add_service(response, "10.0.0.1:80", "77", "shop/api/80", 1);
    response_remove(response, "10.0.0.2:80");
    assert_true(resources_apply(r, response, &err));
    response_free(response);
    assert_true(request_first(&buf, r, RESOURCE_SERVICE, NULL));
    request = unpack(&buf);
    assert_null(request->node);
    assert_int_equal(request->n_resource_names_subscribe, 2);
    assert_int_equal(request->n_initial_resource_versions, 1); /* absence has no version */
    assert_string_equal(request->initial_resource_versions[0]->key, "10.0.0.1:80");
    assert_string_equal(request->initial_resource_versions[0]->value, "77");
    done(request);
    resources_free(r);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies),
        cmocka_unit_test(the_first_says_everything_and_the_next_what_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
