"""A service mesh in network namespaces, for tests, the demo and the benchmarks.

    from mesh import Mesh, wait_until

    def test_vip_balances():
        with Mesh() as mesh:                                # a router, a controller
            api = mesh.service("api", {80: 8080})           # VIPs 10.96.0.n and fd00:96::n
            for name in ("api-1", "api-2"):
                pod = mesh.pod(name, ports={"tcp": 8080})   # redirected, its proxy ready
                pod.run_app("echo.py", 8080, "--name", name)
            web = mesh.pod("web")
            with web.connect(*api.vip) as client:           # as an application in the pod
                client.sendall(b"hello")
                ...

At the end of the block every proxy must be back where it was when it had become ready (no connection,
no descriptor, no memory beyond), must end with 0 on SIGTERM, and no log may hold a sanitizer's report.
On a failure the logs of all processes are printed. Whatever happens, nothing is left: namespaces are
only file descriptors, processes die with Python, and the one temporary folder is removed.

It runs as root or inside `unshare -Urnm`. As root a proxy runs as uid 1337 and applications as 1000,
without capabilities. Where there is only one user the redirect knows the proxy by its socket mark.

The parts (each attribute below is a method or property, documented where it is):

    Mesh(trust_domain=, start_controller=True, leaf_ttl="30s", ...)   more options: the controller's
        .pod(name, namespace=, account=, labels=, annotations=, ports=, redirect=, proxy=, **options)
        .node(name)      a machine outside of the mesh      .service(name, {port: target})
        .namespace(name, annotations)    .access_policy(name, spec)    .manifests.put/.write/.remove
        .token(namespace, account, pod)  .check_nothing_left()  .proxies  .folder  .logs()
        .controller      .process .admin(path) .kill() .restart() .address .anchors_file
        .start(Process(...))             any other program, ended and judged with the rest
    pod, node   .connect(address, port)  .run_app("echo.py", ...)  .record()  .net  .ipv4  .ipv6
    pod         .proxy  .start_proxy(drain_timeout="1s", max_descriptors=64)  .redirect()
                .publish()  .identity
    pod.proxy   .admin(path)  .metric(name, label=value)  .connections()  .events(event, field=value)
                .wait_ready()  .wait_for_event(...)  .signal()  .stop()  .kill()  .resident_bytes()
    recorder    .streams()  .contains(bytes); tls_records(), tls_version() read a stream's data
    net         .run(*command)  .ip("link set ...")  .entered() for sockets of one's own
    wait_until(condition, what, timeout)    never sleep: wait for what you wait for

    stories     web_and_api(mesh, apis=2), call(), is_refused(), receive_all(), reset()
    HTTP        with Talk(pod, *service.vip) as talk: talk.ask("/path", ...).json(); ask() for one

The applications, in apps/, each telling its options with --help: echo.py, http_echo.py, greeting.py (the server
speaks first), slow_reader.py, resetter.py (answers with RST), half_closer.py, source.py (bulk).

OUTRIGGER_BUILD names the folder of the programs (default: build), e.g. build-asan;
OUTRIGGER_WORKERS how many threads each proxy has (1). Processes must be started from Python's main
thread: they die with the thread that started them.
"""
from .capture import Recorder, Stream, tls_records, tls_version
from .http import Talk, ask
from .load import Load
from .netns import Namespace
from .process import Process
from .programs import BUILD, IS_SANITIZED, program, users
from .scenes import call, is_refused, receive, receive_all, reset, web_and_api
from .topology import Mesh, Node, Pod, Service
from .wait import Timeout, wait_until

__all__ = ["BUILD", "IS_SANITIZED", "Load", "Mesh", "Namespace", "Node", "Pod", "Process", "Recorder",
           "Service", "Stream", "Talk", "Timeout", "ask", "call", "is_refused", "program", "receive",
           "receive_all", "reset", "tls_records", "tls_version", "users", "wait_until",
           "web_and_api"]
