"""HTTP between pods: each message arrives as it was sent, whatever is spoken on the way."""
import pytest

from mesh import Mesh, web_and_api


@pytest.fixture
def mesh():
    with Mesh() as made:
        yield made


def test_a_request_travels(mesh):
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="any")
    with web.connect(*service.vip) as client:
        client.sendall(b"GET /a/b?c=d HTTP/1.1\r\nHost: api\r\n\r\n")
        print(client.recv(65536))
        client.sendall(b"GET /a/b?c=d HTTP/1.1\r\nHost: api\r\n\r\n")
        print(client.recv(65536))
        print(web.proxy.connections(), apis[0].proxy.connections())
