"""Network namespaces that are nothing but a file descriptor: they vanish with their last process, so
that nothing is left behind however a test ends."""
import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *args):
    if getattr(_libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


class Namespace:
    """A network namespace of its own, loopback up, IPv6 addresses usable at once."""

    def __init__(self, name):
        self.name = name
        self.fd = self._make()
        self.write_sysctl("net/ipv6/conf/default/accept_dad", "0")
        self.write_sysctl("net/ipv6/conf/all/accept_dad", "0")
        self.ip("link set lo up")

    @staticmethod
    def _make():
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call("unshare", CLONE_NEWNET)  # of this thread alone
            try:
                return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            finally:
                _call("setns", own, CLONE_NEWNET)
        finally:
            os.close(own)

    def join(self):
        """Moves the calling thread (or a child before exec) into the namespace for good."""
        _call("setns", self.fd, CLONE_NEWNET)

    @contextlib.contextmanager
    def entered(self):
        """Inside the block the calling thread is in the namespace: sockets made there stay there."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.join()
            try:
                yield self
            finally:
                _call("setns", own, CLONE_NEWNET)
        finally:
            os.close(own)

    @property
    def path(self):
        """Good for `ip link ... netns PATH` and `nsenter --net=PATH` while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def run(self, *command, check=True, **options):
        """Runs a command in the namespace to its end; returns the CompletedProcess with text output."""
        options.setdefault("capture_output", True)
        with self.entered():
            done = subprocess.run(command, text=True, timeout=60, **options)
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(command)}: exit code {done.returncode}\n"
                               f"{done.stdout}{done.stderr}")
        return done

    def ip(self, *commands):
        """iproute2 commands, without their leading `ip`, in one go."""
        self.run("ip", "-batch", "-", input="".join(command + "\n" for command in commands))

    def write_sysctl(self, path, value):
        with self.entered(), open(f"/proc/sys/{path}", "w", encoding="ascii") as file:
            file.write(value)

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
