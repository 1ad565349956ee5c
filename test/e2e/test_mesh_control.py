"""The controller: certificates in time, configuration, and what holds when it is gone."""
import struct
import threading

from mesh import Mesh, call, is_refused, receive, wait_until, web_and_api


def serial(pod):
    return pod.proxy.admin("/certificates").json()["serial"]


def test_certificates_rotate_under_a_running_transfer():
    with Mesh(leaf_ttl="6s") as mesh:
        web, apis, service = web_and_api(mesh)
        before = [serial(pod) for pod in (web, *apis)]
        with web.connect(*service.vip) as client:
            client.sendall(b"x")
            assert receive(client, 7) == b"api-1\nx"
            count = 0

            def exchange():
                nonlocal count
                message = struct.pack("!Q", count) * 4096
                client.sendall(message)
                assert receive(client, len(message)) == message
                count += 1
                return all(old != serial(pod) for old, pod in zip(before, (web, *apis)))

            wait_until(exchange, "both proxies to have renewed", timeout=30, every=0.05)
            exchange()
        assert call(web, *service.vip) == "api-1"
        for pod in (web, apis[0]):
            assert pod.proxy.metric("outrigger_certificates_issued_total") >= 2
            assert pod.proxy.metric("outrigger_tls_handshake_failures_total") == 0


def test_no_call_fails_when_the_controller_is_killed_and_started_again():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, apis=2, backoff_max="500ms")
        failed, calls, stop = [], 0, threading.Event()
        assert call(web, *service.vip)  # so that it is known

        def keep_calling():
            nonlocal calls
            while not stop.is_set():
                try:
                    call(web, *service.vip)
                except OSError as problem:
                    failed.append(problem)
                calls += 1

        caller = threading.Thread(target=keep_calling)
        caller.start()
        try:
            mesh.controller.kill()
            wait_until(lambda: all(pod.proxy.metric("outrigger_control_connected") == 0
                                   for pod in (web, *apis)), "the proxies to notice")
            assert all(pod.proxy.is_ready() for pod in (web, *apis))
            seen = calls
            wait_until(lambda: calls > seen + 20, "calls to go on without a controller")
            mesh.controller.restart()
            wait_until(lambda: all(pod.proxy.metric("outrigger_control_connected") == 1
                                   for pod in (web, *apis)), "the proxies to be back")
            seen = calls
            wait_until(lambda: calls > seen + 20, "calls to go on with the new controller")
        finally:
            stop.set()
            caller.join()
        assert not failed, f"{len(failed)} of {calls}: {failed[:3]}"
        # What changed meanwhile is heard again.
        mesh.access_policy("no-web", {"action": "Deny", "selector": {"matchLabels": {"app": "api"}},
                                      "rules": [{"from": [{"serviceAccounts": ["web"]}]}]})
        wait_until(lambda: is_refused(web, *service.vip), "the new controller's policy to hold")


def test_a_proxy_without_a_controller_is_not_ready_and_says_why():
    with Mesh(start_controller=False) as mesh:
        mesh.controller.start()
        token_pod = mesh.pod("warm")
        mesh.controller.kill()
        web = mesh.pod("web", wait=False, proxy=False, in_mesh=True)
        web.token_file = token_pod.token_file
        web.redirect()
        web.start_proxy(wait=False, backoff_max="200ms")
        answer = wait_until(lambda: web.proxy.admin("/readyz"), "the admin port")
        assert answer.status == 503 and answer.text.startswith("no valid certificate: ")
        assert answer.text.count("\n") == 1
        assert web.proxy.admin("/livez").status == 200
        mesh.controller.restart()
        web.token_file = mesh.token("demo", "web", "web")
        web.proxy.stop()
        web.start_proxy()


def test_unknown_destinations_pass_when_the_controller_does_not_answer():
    with Mesh() as mesh:
        web = mesh.pod("web", discovery_timeout="200ms")
        outside = mesh.node("outside")
        outside.run_app("echo.py", "8080", "--name", "outside")
        mesh.controller.kill()
        wait_until(lambda: web.proxy.metric("outrigger_control_connected") == 0, "it to be noticed")
        assert call(web, outside.ipv4, 8080) == "outside"
        assert web.proxy.metric("outrigger_discovery_timeouts_total") == 1


def test_pods_come_and_go():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh)
        assert call(web, *service.vip) == "api-1"
        newer = mesh.pod("api-2", ports={"tcp": 8080})
        newer.run_app("echo.py", "8080", "--name", "api-2")
        wait_until(lambda: {call(web, *service.vip) for _ in range(10)} == {"api-1", "api-2"},
                   "the new pod to be called")
        apis[0].publish(is_ready=False)
        wait_until(lambda: {call(web, *service.vip) for _ in range(10)} == {"api-2"},
                   "the pod that is not ready to be left alone")
        apis[0].publish(is_ready=True)
        wait_until(lambda: {call(web, *service.vip) for _ in range(10)} == {"api-1", "api-2"},
                   "it to be called again")


def test_a_service_that_comes_later_is_found():
    with Mesh() as mesh:
        web = mesh.pod("web")
        pod = mesh.pod("api-1", ports={"tcp": 8080})
        pod.run_app("echo.py", "8080", "--name", "api-1")
        assert is_refused(web, "10.96.0.1", 80)
        service = mesh.service("api", {80: 8080})
        assert service.ipv4 == "10.96.0.1"
        wait_until(lambda: not is_refused(web, *service.vip), "the service to be found")


def test_the_controller_forgets_nothing_when_a_manifest_goes_bad():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh)
        path = mesh.manifests.write("pod-demo-api-1.yaml", "apiVersion: v1\nkind: Pod\nmetadata: 7\n")
        mesh.controller.process.wait_for_log("pod-demo-api-1.yaml")
        assert call(web, *service.vip) == "api-1"
        assert path and apis[0].proxy.is_ready()
