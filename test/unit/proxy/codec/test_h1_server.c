/* What a client sends, what the stream is told, what the client gets; cut at every byte. */
#include "test/unit/proxy/codec/h1_application.h"

struct script {
    const char *name;
    const char *sends;
    const char *expect; /* events */
    const char *gets;
    enum { OPEN, ENDED } after; /* has the codec sent FIN? */
};

static const struct script scripts[] = {
    {"keep-alive", GET("/") GET("/empty") GET("/"), "GET a / end\nGET a /empty end\nGET a / end\n",
     OK "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" OK, OPEN},
    {"fields", "GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nConnection: x-two\r\nX-Two: 2\r\n\r\n",
     "GET a / x-one=1 end\n", OK, OPEN},
    {"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" GET("/"),
     "POST a /\ndata hello end\nGET a / end\n", OK OK, OPEN},
    {"length 0", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" GET("/"),
     "POST a / end\nGET a / end\n", OK OK, OPEN},
    {"chunks",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n "
     "there\r\n0\r\n\r\n" GET("/"),
     "POST a /\ndata hello there end\nGET a / end\n", OK OK, OPEN},
    {"no chunk",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET("/"),
     "POST a /\nend\nGET a / end\n", OK OK, OPEN},
    {"trailers",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: "
     "7\r\n\r\n" GET("/"),
     "POST a /\ndata hello\ntrailers x-sum=7\nGET a / end\n", OK OK, OPEN},
    {"answered in chunks", GET("/chunked") GET("/"), "GET a /chunked end\nGET a / end\n",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: "
     "chunked\r\n\r\n5\r\nfirst\r\n7\r\nsecond!\r\n0\r\n\r\n" OK,
     OPEN},
    {"answered with trailers", GET("/trailers") GET("/"), "GET a /trailers end\nGET a / end\n",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\ngrpc-status: "
     "0\r\n\r\n" OK,
     OPEN},
    {"HEAD", "HEAD /length HTTP/1.1\r\nHost: a\r\n\r\n" GET("/"),
     "HEAD a /length end\nGET a / end\n", "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n" OK,
     OPEN},
    {"HEAD in chunks", "HEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\n" GET("/"),
     "HEAD a /chunked end\nGET a / end\n", "HTTP/1.1 200 OK\r\n\r\n" OK, OPEN},
    {"204", GET("/204") GET("/"), "GET a /204 end\nGET a / end\n",
     "HTTP/1.1 204 No Content\r\n\r\n" OK, OPEN},
    {"304", GET("/304") GET("/"), "GET a /304 end\nGET a / end\n",
     "HTTP/1.1 304 Not Modified\r\ncontent-length: 77\r\n\r\n" OK, OPEN},
    {"close asked for", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/"),
     "GET a / end\n", OK_CLOSE, ENDED},
    {"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET a / end\n", OK_CLOSE, ENDED},
    {"HTTP/1.0 keep-alive", "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" GET("/"),
     "GET a / end\nGET a / end\n",
     "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok" OK, OPEN},
    {"HTTP/1.0 knows no chunks",
     "GET /chunked HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "GET a /chunked end\n",
     "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nfirstsecond!", ENDED},
    {"HTTP/1.0 knows no 1xx", "GET /hints HTTP/1.0\r\nHost: a\r\n\r\n", "GET a /hints end\n",
     OK_CLOSE, ENDED},
    {"1xx", GET("/hints"), "GET a /hints end\n",
     "HTTP/1.1 103 Early Hints\r\nlink: </s.css>\r\n\r\n" OK, OPEN},
    {"expect",
     "POST /continue HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
     "POST a /continue expect=100-continue\ndata hello end\n", "HTTP/1.1 100 Continue\r\n\r\n" OK,
     OPEN},
    {"expect, refused",
     "POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
     "POST a /early expect=100-continue\n",
     "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", ENDED},
    {"early answer", "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" GET("/"),
     "POST a /early\nGET a / end\n",
     "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n" OK, OPEN},
    {"early answer to chunks",
     "POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: "
     "b\r\n\r\n" GET("/"),
     "POST a /early\nGET a / end\n",
     "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n" OK, OPEN},
    {"upgrade",
     "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET / raw",
     "GET a /ws upgrade=websocket\ndata GET / raw\n",
     "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n<hello>",
     OPEN},
    {"upgrade refused",
     "GET /no-ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
     "GET a /no-ws upgrade=websocket\nend\n", OK, OPEN},
    {"CONNECT", "CONNECT target:443 HTTP/1.1\r\nHost: target:443\r\n\r\nraw",
     "CONNECT target:443 \ndata raw\n", "HTTP/1.1 200 OK\r\n\r\n", OPEN},
    {"cut before the answer", GET("/cut"), "GET a /cut end\nclosed no_memory: the answer was cut\n",
     "", ENDED},
    {"cut in the answer", GET("/half"),
     "GET a /half end\nclosed server_reset: the answer was cut\n",
     "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345", ENDED},
    {"cut in chunks", GET("/half-stream"),
     "GET a /half-stream end\nclosed server_reset: the answer was cut\n",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n", ENDED},
    {"shorter than announced", GET("/short"),
     "GET a /short end\nreset internal_error\nclosed done: a message other than announced\n", NULL,
     ENDED},
    {"longer than announced", GET("/long"),
     "GET a /long end\nreset internal_error\nclosed done: a message other than announced\n", NULL,
     ENDED},
    {"malformed", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "", REFUSED("400 Bad Request"), ENDED},
    {"malformed after a good one", GET("/") "NONSENSE\r\n\r\n" GET("/"), "GET a / end\n",
     OK REFUSED("400 Bad Request"), ENDED},
    {"not HTTP", "\x16\x03\x01\x02\x00\x01\r\n\r\n", "", REFUSED("400 Bad Request"), ENDED},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", "", REFUSED("400 Bad Request"), ENDED},
    {"unknown version", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", "",
     REFUSED("505 HTTP Version Not Supported"), ENDED},
    {"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "",
     REFUSED("501 Not Implemented"), ENDED},
    {"two framings",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n" GET("/"),
     "", REFUSED("400 Bad Request"), ENDED},
    {"a bad chunk",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX" GET("/"),
     "POST a /\ndata hello\nreset protocol_error\n", REFUSED("400 Bad Request"), ENDED},
    {"a bad trailer",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n",
     "POST a /\nreset protocol_error\n", REFUSED("400 Bad Request"), ENDED},
};

static void run_script(const struct script *script, size_t step)
{
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig_send_by(&rig, slice_str(script->sends), step);
    rig_flush_data(&rig, "");
    rig_assert_text(&rig.log, script->expect);
    if (script->gets)
        rig_assert_text(&rig.wire, script->gets);
    assert_int_equal(rig.is_eof || rig.is_reset, script->after == ENDED);
    rig_close(&rig);
}

static void test_scripts(void **state)
{
    (void)state;
    static const size_t steps[] = {0, 1, 2, 7};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        for (size_t j = 0; j < sizeof(steps) / sizeof(steps[0]); j++) {
            run_script(&scripts[i], steps[j]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
