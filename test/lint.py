#!/usr/bin/python3
"""What no compiler checks: the house rules that keep the code readable.

Format (clang-format), the direction of includes, one header for each .c and included first, the
length of files and functions, banned functions, purity of the pure rooms, source lists that forget
nothing. Prints one line a finding and exits 1 if there is any.
"""
import re
import subprocess
import sys
from pathlib import Path

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 80

BANNED = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|alloca|strtok|atoi|atol)\s*\(")

# Lower rooms know nothing of higher ones: a file may include headers of its own rank or below. The
# longest prefix that fits decides.
RANKS = {
    "common/": 0,
    "proto/": 0,
    "google/": 0,
    "proxy/wire": 1,
    "proxy/detect/": 1,
    "proxy/policy/": 1,
    "proxy/limit/": 1,
    "proxy/route/": 1,
    "proxy/telemetry/": 1,
    "proxy/config/": 2,
    "proxy/snapshot": 3,
    "proxy/settings": 3,
    "proxy/workspace": 6,
    "proxy/workspace.c": 7,  # what it holds it also ends
    "proxy/conn/": 4,
    "proxy/tls/": 4,
    "proxy/codec/limits": 2,
    "proxy/codec/": 5,
    "proxy/accept/": 4,
    "proxy/balance/": 5,
    "proxy/upstream/": 6,
    "proxy/tunnel": 7,
    "proxy/downstream": 7,
    "proxy/flow_labels": 7,
    "proxy/request": 7,
    "proxy/worker": 7,
    "proxy/control/": 8,
    "proxy/probe/": 1,
    "proxy/admin/": 9,
    "proxy/": 10,
    "init/": 1,
    "controller/objects/": 1,
    "controller/kubernetes/": 2,
    "controller/kubernetes/token_review": 4,
    "controller/source/": 3,
    "controller/compile/": 3,
    "controller/inject/settings": 1,
    "controller/inject/": 4,
    "controller/": 4,
    "cli/": 5,
}
PROGRAMS = ("proxy/", "init/", "controller/", "cli/")

# Rooms of the controller that are pure enough to be used at a terminal as well.
SHARED = {"cli/": ("controller/objects/", "controller/inject/")}

# Decisions are pure: they can be tested with a table, so they may not see a socket or a library.
PURE = ("proxy/detect/", "proxy/policy/", "init/rules", "common/spiffe", "common/dns_name", "common/cidr",
        "common/base64", "common/grpc/framing", "common/grpc/metadata", "common/http/")
IMPURE_INCLUDES = re.compile(r"event2/|openssl/|nghttp2/|sys/epoll|libnftnl/|libmnl/")


def rank(path):
    best = max((p for p in RANKS if path.startswith(p)), key=len, default=None)
    return None if best is None else RANKS[best]


def program(path):
    return next((p for p in PROGRAMS if path.startswith(p)), None)


def includes(text):
    return re.findall(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', text, re.M)


def check_includes(path, text):
    own = rank(path)
    if own is None:
        return
    for kind, name in includes(text):
        if path.startswith(PURE) and IMPURE_INCLUDES.match(name):
            yield f"{path}: is pure but includes {name}"
        other = rank(name) if kind == '"' else None
        if other is None:
            continue
        if name.startswith(SHARED.get(program(path), ("//",))):
            continue
        if program(name) and program(name) != program(path):
            yield f"{path}: includes {name} of another program"
        elif other > own:
            yield f"{path}: includes {name}, which is a higher room"


def check_first_include(path, text):
    header = path[:-1] + "h"
    if not path.endswith(".c") or not Path(header).exists():
        return
    found = includes(text)
    # tunnel_parts.h is what the files of one corridor share, tunnel.h among it.
    first = found[0][1] if found else ""
    if first != header and first != header[:-2] + "_parts.h":
        yield f"{path}: the first include is not its own header {header}"


def check_lengths(path, lines):
    if len(lines) > MAX_FILE_LINES:
        yield f"{path}: {len(lines)} lines, more than {MAX_FILE_LINES}: which of its jobs can move out?"
    start, length, in_table = None, 0, False
    for number, line in enumerate(lines, 1):
        if line == "{" and lines[number - 2].endswith(")"):
            start, length, in_table = number, 0, False
        elif line == "}" and start is not None:
            if length > MAX_FUNCTION_LINES:
                yield f"{path}:{start}: function of {length} lines, more than {MAX_FUNCTION_LINES}"
            start = None
        # The rows of a table are data, however many.
        in_table = not line.endswith("};") if in_table else line.endswith("[] = {")
        length += not in_table


def strip_comments(text):
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    text = re.sub(r'"(\\.|[^"\\\n])*"', '""', text)
    return re.sub(r"//.*", "", text)


def check_banned(path, text):
    for number, line in enumerate(strip_comments(text).split("\n"), 1):
        found = BANNED.search(line)
        if found:
            yield f"{path}:{number}: {found.group(1)}() is banned"


def check_format(paths):
    run = subprocess.run(["clang-format", "--dry-run", "--Werror", *paths], stderr=subprocess.PIPE,
                         text=True, check=False)
    for line in run.stderr.splitlines():
        if "clang-formatted" in line:
            yield line


def check_source_lists():
    """The Makefile lists what is built, in the order of what happens; this finds what it forgot."""
    listed = subprocess.check_output(["make", "-s", "--no-print-directory", "print-sources"],
                                     text=True).split()
    patterns = [f"{room}*.c" for room in ("common/", *PROGRAMS)]
    there = subprocess.check_output(["git", "ls-files", *patterns, "proto/*.proto"],
                                    text=True).split()
    there = {path for path in there if Path(path).exists()}
    for path in sorted(there - set(listed)):
        yield f"Makefile: {path} is in no list of sources"
    for path in sorted(set(listed) - there):
        yield f"Makefile: {path} is listed but not there"
    for path in sorted({path for path in listed if listed.count(path) > 1}):
        yield f"Makefile: {path} is listed twice"


def main():
    paths = subprocess.check_output(["git", "ls-files", "*.c", "*.h"], text=True).split()
    findings = list(check_format([p for p in paths if Path(p).exists()]))
    findings += check_source_lists()
    for path in paths:
        if not Path(path).exists():
            continue
        text = Path(path).read_text(encoding="utf-8")
        for check in (check_includes, check_first_include, check_banned):
            findings += check(path, text)
        findings += check_lengths(path, text.splitlines())
    for script in subprocess.check_output(["git", "ls-files", "*.py"], text=True).split():
        if Path(script).exists():
            compile(Path(script).read_text(encoding="utf-8"), script, "exec")
    for finding in findings:
        print(finding)
    print(f"lint: {len(paths)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
