/*
 * The HTTP/2 server against a peer of raw frames.
 */
#include "h2_rig.h"

static void open_server(struct rig *rig)
{
    rig_init(rig);
    rig_start(rig, true);
    put_preface(rig);
    rig_send(rig);
    rig_frames(rig);
}

static struct head answer_head(struct rig *rig, uint16_t status)
{
    struct head head;
    head_init(&head, &rig->streams[rig->n_streams - 1]->arena);
    head.status = status;
    return head;
}

/* ---- exchanges ------------------------------------------------------------------------------ */

static void test_request_and_answer(void **state)
{
    (void)state;
    struct rig rig;
    open_server(&rig);
    put_headers(&rig, 1, true, GET "x?y=1\nuser-agent=me\ncookie=a=1\nx-own=v\ncookie=b=2");
    rig_send(&rig);
    assert_string_equal(heard(&rig.told),
                        "1:GET http://a/x?y=1 user-agent=me cookie=a=1; b=2 x-own=v end\n");
    struct head head = answer_head(&rig, 200);
    head.content_length = 5;
    assert_true(head_add(&head, SLICE_LITERAL("x-back"), SLICE_LITERAL("1")));
    assert_true(stream_send_head(rig.streams[0], &head, false));
    assert_true(stream_send_data(rig.streams[0], SLICE_LITERAL("hello"), true));
    stream_close(rig.streams[0], STREAM_CUT_NONE);
    assert_string_equal(rig_frames(&rig),
                        "HEADERS 1 :status=200 content-length=5 x-back=1\nDATA 1 5 end\n");
    assert_int_equal(codec_n_streams(rig.codec), 0);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
