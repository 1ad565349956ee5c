"""Programs under test: started in a namespace as a user, their output kept, their end judged."""
import ctypes
import json
import os
import re
import resource
import signal
import subprocess

from .wait import wait_until

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

SANITIZER = re.compile(r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer|"
                       r"runtime error:|SUMMARY: \w+Sanitizer|LeakSanitizer has encountered")

# The exit code makes a report visible even where nobody reads the log.
SANITIZER_ENV = {
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "exitcode=99:halt_on_error=0:second_deadlock_stack=1",
}


class Process:
    """A running program. `expected_exit` are the exit codes that its end may have."""

    def __init__(self, name, command, namespace, folder, uid=None, expected_exit=(0,), env=None,
                 max_descriptors=None):
        self.name, self.command, self.namespace = name, [str(word) for word in command], namespace
        self.log_path = os.path.join(folder, f"{name}.log")
        self.expected_exit, self.uid, self._env = set(expected_exit), uid, env or {}
        self.max_descriptors = max_descriptors
        self._popen = None
        self.start()

    def start(self):
        """Starts it (again); the log goes on in the same file."""
        assert not self.is_running, f"{self.name} runs already"
        log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        parent = os.getpid()

        def become():
            self.namespace.join()
            if self.max_descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.max_descriptors,) * 2)
            _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            if self.uid is not None:
                os.setgroups([])
                os.setresgid(self.uid, self.uid, self.uid)
                os.setresuid(self.uid, self.uid, self.uid)  # drops the capabilities as well
            # After the change of user, which clears it.
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        try:
            self._popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, preexec_fn=become, cwd="/",
                                           env={**os.environ, **SANITIZER_ENV, **self._env})
        finally:
            os.close(log)

    # -- its life -----------------------------------------------------------------------------

    @property
    def pid(self):
        return self._popen.pid

    @property
    def is_running(self):
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self):
        return self._popen.poll()

    def signal(self, number):
        self._popen.send_signal(number)

    def wait(self, timeout=10.0):
        """Waits for its end; returns the exit code (negative: the signal that killed it)."""
        wait_until(lambda: not self.is_running, f"the end of {self.name}", timeout)
        return self.exit_code

    def stop(self, timeout=15.0):
        """SIGTERM, its end, and the judgement of its end."""
        if self.is_running:
            self.signal(signal.SIGTERM)
            self.wait(timeout)
        self.judge()

    def kill(self):
        """SIGKILL: as if the machine had done it. That end is then no failure."""
        if self.is_running:
            self.expected_exit.add(-signal.SIGKILL)
            self.signal(signal.SIGKILL)
            self.wait()

    def judge(self):
        """Fails for an exit code that was not expected and for a sanitizer's report."""
        found = SANITIZER.search(self.log())
        if found:
            raise AssertionError(f"{self.name}: {found.group(0)}\n{self.log()[-20000:]}")
        if not self.is_running and self.exit_code not in self.expected_exit:
            raise AssertionError(f"{self.name} ended with {self.exit_code}, expected "
                                 f"{sorted(self.expected_exit)}\n{self.log()[-4000:]}")

    # -- what it says -------------------------------------------------------------------------

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def events(self, event=None, **fields):
        """Its JSON log lines, those of one event and with these field values only, if given."""
        found = []
        for line in self.log().splitlines():
            if not line.startswith("{"):
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if event in (None, entry.get("event")) and \
                    all(entry.get(key) == value for key, value in fields.items()):
                found.append(entry)
        return found

    def wait_for_log(self, text, timeout=10.0):
        def said():
            self.must_run()
            return text in self.log()
        wait_until(said, f"{self.name} to say {text!r}", timeout)

    def wait_for_event(self, event, timeout=10.0, **fields):
        """Waits for a JSON log line; returns the first that fits."""
        return wait_until(lambda: self.events(event, **fields),
                          f"{self.name} to log {event} {fields or ''}", timeout)[0]

    def must_run(self):
        if not self.is_running:
            raise AssertionError(f"{self.name} ended with {self.exit_code}:\n{self.log()[-4000:]}")

    # -- what it costs ------------------------------------------------------------------------

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def own_bytes(self):
        """Resident memory of its own, without the pages of files, which come and go by themselves."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            fields = file.read().split()
        return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
