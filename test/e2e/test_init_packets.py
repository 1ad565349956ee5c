"""Packets through every rule of outrigger-init, with every backend that works here."""
import contextlib
import socket
import threading

import pytest

from initlib import (HAS_USERS, ONE_USER, OUTBOUND, Tools, World, attempt, connect, listen, own_options)

ALL_TOOLS = [("nftables", "nftables", None), ("iptables-nft", "iptables", "nft"),
             ("iptables-legacy", "iptables", "legacy")]


@pytest.fixture(scope="module", params=ALL_TOOLS, ids=lambda p: p[0])
def tools(request):
    with contextlib.closing(Tools(*request.param)) as made:
        problem = made.why_not()
        if problem:
            pytest.skip(problem)
        yield made


@pytest.fixture(scope="module")
def world(tools):  # pylint: disable=unused-argument  (one world for each kind of tools)
    with contextlib.closing(World()) as made:
        yield made


APP, PROXY = {"uid": 1000, "gid": 1000}, {"uid": 1337, "gid": 1337}

# What the application (or whoever `who` is) in the pod opens: options, who, address, port, and where it
# comes out. The address decides who has it: 10.6/7 .1 and loopback the pod, the rest outside.
OUTBOUND_CASES = {
    "everything": ([], APP, "10.8.0.1", 80, "outbound"),
    "everything, IPv6": ([], APP, "fd08::1", 80, "outbound"),
    "any port": ([], APP, "10.8.0.1", 65535, "outbound"),
    "root as well": ([], {}, "10.8.0.1", 80, "outbound"),
    "own service VIP": ([], APP, "10.96.0.10", 80, "outbound"),
    "own address": ([], APP, "10.7.0.1", 8080, "outbound"),
    "own address, IPv6": ([], APP, "fd07::1", 8080, "outbound"),
    "loopback": ([], APP, "127.0.0.1", 8080, "straight"),
    "loopback, far end": ([], APP, "127.200.0.9", 8080, "straight"),
    "loopback, IPv6": ([], APP, "::1", 8080, "straight"),
    "proxy": ([], PROXY, "10.8.0.1", 80, "straight"),
    "proxy, IPv6": ([], PROXY, "fd08::1", 80, "straight"),
    "proxy to the application": ([], PROXY, "10.7.0.1", 8080, "straight"),
    "proxy to the application, IPv6": ([], PROXY, "fd07::1", 8080, "straight"),
    "proxy on loopback": ([], PROXY, "127.0.0.1", 8080, "straight"),
    "second of the proxy's users": (["--proxy-uid=5,1338,70000"], {"uid": 1338}, "10.8.0.1", 80, "straight"),
    "last of the proxy's users": (["--proxy-uid=5,1338,70000"], {"uid": 70000}, "fd08::1", 80, "straight"),
    "none of the proxy's users": (["--proxy-uid=5,1338,70000"], PROXY, "10.8.0.1", 80, "outbound"),
    "proxy's group": (["--proxy-gid=7,8"], {"uid": 1000, "gid": 8}, "10.8.0.1", 80, "straight"),
    "proxy's group, other port": (["--proxy-gid=7,8"], {"uid": 1000, "gid": 7}, "fd08::1", 4433, "straight"),
    "proxy's group, skipped ports": (["--proxy-gid=7", "--skip-outbound-ports=22"], {"uid": 1000, "gid": 7},
                                     "10.8.0.1", 80, "straight"),
    "not the proxy's group": (["--proxy-gid=7,8"], APP, "10.8.0.1", 80, "outbound"),
    "proxy's mark": (["--proxy-mark=0x10"], {"mark": 16}, "10.8.0.1", 80, "straight"),
    "proxy's mark, IPv6": (["--proxy-mark=0x10"], {"mark": 16}, "fd08::1", 80, "straight"),
    "another mark": (["--proxy-mark=0x10"], {"mark": 17}, "10.8.0.1", 80, "outbound"),
    "skipped user": (["--skip-uids=44,1000"], APP, "10.8.0.1", 80, "straight"),
    "not the skipped user": (["--skip-uids=44,1000"], {}, "10.8.0.1", 80, "outbound"),
    "skipped interface": (["--skip-interfaces=eth1,eth9"], {}, "10.6.0.2", 80, "straight"),
    "skipped interface, IPv6": (["--skip-interfaces=eth1,eth9"], {}, "fd06::2", 80, "straight"),
    "not the skipped interface": (["--skip-interfaces=eth1,eth9"], {}, "10.7.0.2", 80, "outbound"),
    "skipped port": (["--skip-outbound-ports=22,80-90"], {}, "10.8.0.1", 22, "straight"),
    "first of a skipped range": (["--skip-outbound-ports=22,80-90"], {}, "10.8.0.1", 80, "straight"),
    "last of a skipped range, IPv6": (["--skip-outbound-ports=22,80-90"], {}, "fd08::1", 90, "straight"),
    "behind a skipped range": (["--skip-outbound-ports=22,80-90"], {}, "10.8.0.1", 91, "outbound"),
    "skipped network": (["--skip-outbound-cidrs=10.8.1.0/24,fd08::/64"], {}, "10.8.1.255", 80, "straight"),
    "skipped network, IPv6": (["--skip-outbound-cidrs=10.8.1.0/24,fd08::/64"], {}, "fd08::9", 80, "straight"),
    "beside a skipped network": (["--skip-outbound-cidrs=10.8.1.0/24,fd08::/64"], {}, "10.8.2.0", 80,
                                 "outbound"),
    "beside a skipped network, IPv6": (["--skip-outbound-cidrs=10.8.1.0/24,fd08::/64"], {}, "fd08:0:0:1::1",
                                       80, "outbound"),
    "included network": (["--include-outbound-cidrs=10.96.0.0/16,fd08::/64"], {}, "10.96.0.10", 80,
                         "outbound"),
    "included network, IPv6": (["--include-outbound-cidrs=10.96.0.0/16,fd08::/64"], {}, "fd08::1", 80,
                               "outbound"),
    "outside of the included": (["--include-outbound-cidrs=10.96.0.0/16"], {}, "10.8.0.1", 80, "straight"),
    "other family than the included": (["--include-outbound-cidrs=10.96.0.0/16"], {}, "fd08::1", 80,
                                       "straight"),
    "skipped hole in the included": (["--include-outbound-cidrs=10.8.0.0/16",
                                      "--skip-outbound-cidrs=10.8.1.0/24"], {}, "10.8.1.1", 80, "straight"),
    "inbound options do not matter": (["--skip-inbound-ports=80"], {}, "10.8.0.1", 80, "outbound"),
}

# What comes to the pod from outside.
INBOUND_CASES = {
    "everything": ([], "10.7.0.1", 8080, "inbound"),
    "everything, IPv6": ([], "fd07::1", 8080, "inbound"),
    "second interface": ([], "10.6.0.1", 8080, "inbound"),
    "admin port": ([], "10.7.0.1", 15000, "straight"),
    "admin port, IPv6": ([], "fd07::1", 15000, "straight"),
    "another admin port": (["--admin-port=9000"], "10.7.0.1", 9000, "straight"),
    "no longer the admin port": (["--admin-port=9000"], "10.7.0.1", 15000, "inbound"),
    "outbound port from outside": ([], "10.7.0.1", 15001, "inbound"),
    "skipped port": (["--skip-inbound-ports=22,8000-8999"], "10.7.0.1", 22, "straight"),
    "skipped range, IPv6": (["--skip-inbound-ports=22,8000-8999"], "fd07::1", 8999, "straight"),
    "behind a skipped range": (["--skip-inbound-ports=22,8000-8999"], "10.7.0.1", 9000, "inbound"),
    "included port": (["--include-inbound-ports=8080,9000-9001"], "10.7.0.1", 8080, "inbound"),
    "included range, IPv6": (["--include-inbound-ports=8080,9000-9001"], "fd07::1", 9001, "inbound"),
    "outside of the included": (["--include-inbound-ports=8080,9000-9001"], "10.7.0.1", 80, "straight"),
    "skipped interface": (["--skip-interfaces=eth1"], "10.6.0.1", 8080, "straight"),
    "skipped interface, IPv6": (["--skip-interfaces=eth1"], "fd06::1", 8080, "straight"),
    "not the skipped interface": (["--skip-interfaces=eth1"], "10.7.0.1", 8080, "inbound"),
    "outbound options do not matter": (["--skip-outbound-ports=8080", "--skip-outbound-cidrs=10.0.0.0/8"],
                                       "10.7.0.1", 8080, "inbound"),
}


def needs_users(options, who):
    return bool(who.get("uid") or who.get("gid")) or any("uid" in o or "gid" in o for o in options)


@pytest.mark.parametrize("case", OUTBOUND_CASES.values(), ids=OUTBOUND_CASES)
def test_outbound(tools, world, case):
    options, who, address, port, expected = case
    if needs_users(options, who) and not HAS_USERS:
        pytest.skip(ONE_USER)
    is_own = address in ("10.7.0.1", "fd07::1", "::1") or address.startswith("127.")
    tools.run(world.pod, *own_options(*options))
    assert attempt(world.pod, world.pod, world.pod if is_own else world.outside, address, port,
                   **who) == expected


@pytest.mark.parametrize("case", INBOUND_CASES.values(), ids=INBOUND_CASES)
def test_inbound(tools, world, case):
    options, address, port, expected = case
    tools.run(world.pod, *own_options(*options))
    assert attempt(world.outside, world.pod, world.pod, address, port) == expected


def test_other_ports_of_the_proxy(tools, world):
    tools.run(world.pod, *own_options("--outbound-port=5001", "--inbound-port=5006"))
    with listen(world.pod, 5001) as outbound, listen(world.pod, 5006) as inbound:
        outbound.settimeout(5)
        inbound.settimeout(5)
        with connect(world.pod, "10.8.0.1", 80), outbound.accept()[0]:
            pass
        with connect(world.outside, "10.7.0.1", 80), inbound.accept()[0]:
            pass


def test_udp_is_left_alone(tools, world):
    tools.run(world.pod, *own_options())
    with listen(world.outside, 53, socket.SOCK_DGRAM) as server, world.pod.entered():
        server.settimeout(5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"question", ("10.8.0.1", 53))
        assert server.recvfrom(100)[0] == b"question"


def test_after_delete_everything_goes_straight(tools, world):
    tools.run(world.pod, *own_options())
    tools.run(world.pod, "--delete")
    assert attempt(world.pod, world.pod, world.outside, "10.8.0.1", 80) == "straight"
    assert attempt(world.outside, world.pod, world.pod, "fd07::1", 8080) == "straight"


def test_no_connection_slips_through_while_the_rules_are_replaced(tools, world):
    tools.run(world.pod, *own_options())
    is_over = threading.Event()

    def replace():
        for _ in range(8):
            tools.run(world.pod, *own_options())
        is_over.set()

    ends = {"outbound": 0, "straight": 0}
    thread = threading.Thread(target=replace)
    thread.start()
    with listen(world.pod, OUTBOUND) as outbound, listen(world.outside, 80) as straight:
        outbound.settimeout(5)
        straight.setblocking(False)
        while not is_over.is_set() or ends["outbound"] == 0:
            with connect(world.pod, "10.8.0.1", 80):
                outbound.accept()[0].close()
                ends["outbound"] += 1
        with pytest.raises(BlockingIOError):
            straight.accept()
    thread.join()


def test_verify(tools, world):
    done = tools.run(world.pod, *own_options("--verify"))
    assert "verified=ipv4,ipv6" in done.stdout
    assert done.stderr == ""
