"""What the tests of outrigger-init share: a pod with two interfaces, a world outside of it, the ways of
running outrigger-init, and one attempt at a connection that tells where it came out."""
import contextlib
import ctypes
import os
import select
import shutil
import socket
import struct
import subprocess
import tempfile

from mesh.netns import Namespace
from mesh.programs import program, users

SO_ORIGINAL_DST = 80  # of both levels
OUTBOUND, INBOUND = 15001, 15006
_libc = ctypes.CDLL(None, use_errno=True)

HAS_USERS = users()[0] is not None
ONE_USER = "one user only (unshare -Urn): no second user or group to connect as"
# What tells the proxy where no user can.
MARK_ONLY = ["--proxy-uid=", "--proxy-mark=1337"]


class Tools:
    """A way to run outrigger-init: the backend and the iptables that it finds on its PATH."""

    def __init__(self, name, backend, kind=None):
        self.name, self.backend, self.kind = name, backend, kind
        self.folder = tempfile.mkdtemp(prefix="outrigger-init-")
        for base in ("iptables", "ip6tables"):
            for verb in ("save", "restore"):
                found = shutil.which(f"{base}-{kind}-{verb}", path="/usr/sbin:/sbin:/usr/bin")
                if kind and found:
                    os.symlink(found, os.path.join(self.folder, f"{base}-{verb}"))

    def close(self):
        shutil.rmtree(self.folder)

    def why_not(self):
        """Why these tools do not work here, or None."""
        if self.kind is None:
            return None
        probe = Namespace("probe")
        try:
            for base in ("iptables", "ip6tables"):
                tool = os.path.join(self.folder, f"{base}-restore")
                if not os.path.exists(tool):
                    return f"{base}-{self.kind} is not installed"
                done = probe.run(tool, input="*nat\nCOMMIT\n", check=False)
                if done.returncode != 0:
                    return f"{base}-{self.kind} does not work here: {done.stderr.strip()}"
        finally:
            probe.close()
        return None

    def run(self, namespace, *options, check=True, env=None, prefix=()):
        """Runs outrigger-init in the namespace; returns the CompletedProcess."""
        command = [*prefix, program("outrigger-init"), f"--backend={self.backend}", *options]
        return namespace.run(*command, check=check,
                             env={**os.environ, "PATH": self.folder, **(env or {})})

    def save(self, namespace, base="iptables"):
        """What iptables-save says, without comments and counters."""
        text = namespace.run(os.path.join(self.folder, f"{base}-save"), "-t", "nat").stdout
        return [line.split(" [")[0] for line in text.splitlines() if not line.startswith("#")]


def own_options(*options):
    """Options under which the proxy can be told apart here, with those of a test."""
    return [*([] if HAS_USERS else MARK_ONLY), *options]


class World:
    """A pod with eth0 and eth1 to one outside, which answers for every address of 10.8/16, 10.96/16 and fd08::/32.

    The pod is 10.7.0.1 and fd07::1 on eth0, 10.6.0.1 and fd06::1 on eth1; outside is .2 and ::2.
    """

    def __init__(self):
        self.pod, self.outside = Namespace("pod"), Namespace("outside")
        for name, net in (("eth0", 7), ("eth1", 6)):
            self.pod.ip(f"link add {name} type veth peer name {name} netns {self.outside.path}")
            for space, host in ((self.pod, 1), (self.outside, 2)):
                space.ip(f"link set {name} up",
                         f"addr add 10.{net}.0.{host}/24 dev {name}",
                         f"addr add fd0{net}::{host}/64 dev {name} nodad")
        self.pod.ip("route add default via 10.7.0.2", "route add default via fd07::2")
        self.outside.ip("route add local 10.8.0.0/16 dev lo", "route add local 10.96.0.0/16 dev lo",
                        "route add local fd08::/32 dev lo")

    def close(self):
        self.pod.close()
        self.outside.close()


def is_ip6(address):
    return ":" in address


@contextlib.contextmanager
def acting_as(uid, gid):
    """Sockets made inside belong to the user and group; only this thread changes."""
    _libc.setfsgid(gid)
    _libc.setfsuid(uid)
    try:
        yield
    finally:
        _libc.setfsuid(0)
        _libc.setfsgid(0)


def listen(namespace, port, kind=socket.SOCK_STREAM):
    """On every address of both families, or of IPv4 where there is no IPv6."""
    with namespace.entered():
        try:
            sock = socket.socket(socket.AF_INET6, kind)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            host = "::"
        except OSError:
            sock, host = socket.socket(socket.AF_INET, kind), "0.0.0.0"
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def original_destination(sock, family):
    """(address, port) as the kernel's connection tracking remembers it."""
    if family == socket.AF_INET:
        raw = sock.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
        return socket.inet_ntoa(raw[4:8]), struct.unpack("!H", raw[2:4])[0]
    raw = sock.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, 28)
    return socket.inet_ntop(family, raw[8:24]), struct.unpack("!H", raw[2:4])[0]


def connect(namespace, address, port, uid=0, gid=0, mark=0):
    """A socket whose connection is on its way."""
    family = socket.AF_INET6 if is_ip6(address) else socket.AF_INET
    with namespace.entered(), acting_as(uid, gid):
        sock = socket.socket(family, socket.SOCK_STREAM)
    if mark:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    sock.setblocking(False)
    sock.connect_ex((address, port))
    return sock


def attempt(source, pod, target, address, port, timeout=5, **who):
    """Opens a connection and says where it comes out: "outbound", "inbound", "straight" or "nowhere".

    `target` is the namespace that has the address. Checks on the way that the proxy's two ports see
    the original destination.
    """
    with contextlib.ExitStack() as stack:
        ends = {"outbound": listen(pod, OUTBOUND), "inbound": listen(pod, INBOUND)}
        if target is not pod or port not in (OUTBOUND, INBOUND):
            ends["straight"] = listen(target, port)
        for sock in ends.values():
            stack.enter_context(sock)
        client = stack.enter_context(connect(source, address, port, **who))
        ready, _, _ = select.select(list(ends.values()), [], [], timeout)
        if not ready:
            return "nowhere"
        assert len(ready) == 1
        end = next(name for name, sock in ends.items() if sock is ready[0])
        accepted, _ = ready[0].accept()
        stack.enter_context(accepted)
        if end != "straight":
            assert original_destination(accepted, client.family) == (address, port)
        return end


def deny_netfilter_netlink():
    """For preexec_fn: from here on the kernel has no nf_tables, as far as this process can see."""
    af_netlink, netlink_netfilter, sys_socket = 16, 12, {"x86_64": 41, "aarch64": 198}[os.uname().machine]
    load, jump_equal, give = 0x20, 0x15, 0x06
    refuse, allow = 0x00050000 | 93, 0x7FFF0000  # EPROTONOSUPPORT
    code = [(load, 0, 0, 0), (jump_equal, 0, 5, sys_socket),
            (load, 0, 0, 16), (jump_equal, 0, 3, af_netlink),
            (load, 0, 0, 32), (jump_equal, 0, 1, netlink_netfilter),
            (give, 0, 0, refuse), (give, 0, 0, allow)]
    filters = b"".join(struct.pack("HBBI", *step) for step in code)
    buffer = ctypes.create_string_buffer(filters)
    fprog = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
    pr_set_no_new_privs, pr_set_seccomp, mode_filter = 38, 22, 2
    if _libc.prctl(pr_set_no_new_privs, 1, 0, 0, 0) or _libc.prctl(pr_set_seccomp, mode_filter, fprog):
        raise OSError(ctypes.get_errno(), "seccomp")


def output_of(namespace, *command):
    return namespace.run(*command).stdout


def run_all(namespace, commands, env=None):
    """Starts all the commands at once; returns (exit code, standard error) of each."""
    with namespace.entered():
        running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                    env=env) for command in commands]
    return [(process.communicate(timeout=120)[1], process.returncode)[::-1] for process in running]
