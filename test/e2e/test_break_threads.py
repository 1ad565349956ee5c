"""Four workers under everything at once: calls, resets, policies, rotation, admin pages, drain."""
import signal
import threading

from mesh import Mesh, call, reset, wait_until, web_and_api


def test_four_threads_share_nothing_that_they_should_not():
    with Mesh(leaf_ttl="6s") as mesh:
        web, apis, service = web_and_api(mesh, apis=2, workers=4, backoff_max="200ms")
        outside, stop = mesh.node("outside"), threading.Event()
        calls, failed = [0], []
        assert call(web, *service.vip)

        def call_and_hang_up():
            while not stop.is_set():
                try:
                    call(web, *service.vip)
                    calls[0] += 1
                except OSError as problem:
                    failed.append(problem)
                client = outside.connect(apis[0].ipv4, 8080)
                client.sendall(b"\x16\x03")  # as TLS begins
                reset(client)

        def look_and_change():
            path = mesh.access_policy("watch", {
                "selector": {"matchLabels": {"app": "api"}}, "action": "Audit",
                "rules": [{"from": [{"serviceAccounts": ["web"]}]}]})
            for proxy in mesh.proxies:
                for page in ("/connections", "/memory", "/metrics", "/endpoints", "/policies"):
                    assert proxy.admin(page).status == 200
                proxy.admin("/log-level?level=info", "POST")
            mesh.manifests.remove(path)
            return all(proxy.metric("outrigger_certificates_issued_total") >= 2
                       for proxy in mesh.proxies)

        threads = [threading.Thread(target=call_and_hang_up) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            wait_until(look_and_change, "the certificates to be renewed meanwhile", 40, every=0.1)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not failed, failed[:3]
        assert calls[0] > 50
        with web.connect(*service.vip) as client:
            client.sendall(b"x")
            assert client.recv(1)
            for pod in apis:  # one of them carries it
                pod.proxy.signal(signal.SIGTERM)
                pod.proxy.wait_for_event("draining")  # two at once would be one
                if pod.proxy.is_running:
                    pod.proxy.signal(signal.SIGTERM)
            for pod in apis:
                assert pod.proxy.wait(20) == 0
