#!/usr/bin/python3
"""Keeps the README's tables equal to what they tell of: the programs' options, the reasons that connections
and requests ended for, the fields of the access log.

`readme.py` writes them; `readme.py --check` exits 1 when one is out of date. The programs must be built.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("OUTRIGGER_BUILD", "build")
PROGRAMS = ("outrigger-init", "outrigger-proxy", "outrigger-controller", "outrigger inject")


def options():
    for program in PROGRAMS:
        table = subprocess.check_output([BUILD / program.split()[0], *program.split()[1:], "--help=markdown"], text=True)
        yield f"### {program}\n\n{table.strip()}\n"


def reasons():
    text = (ROOT / "proxy/telemetry/reasons.def").read_text(encoding="utf-8")
    yield "| reason | what it means |\n|---|---|"
    for word, meaning in re.findall(r'^REASON\(\w+,\s*"(\w+)",\s*\w+,\s*"([^"]+)"\)', text, re.M | re.S):
        yield f"| `{word}` | {meaning} |"


def request_reasons():
    text = (ROOT / "proxy/telemetry/request_reasons.def").read_text(encoding="utf-8")
    rows = re.findall(r'^REQUEST_REASON\(\w+,\s*"(\w*)",\s*(\d+),\s*(\d+),\s*"([^"]+)"\)', text, re.M | re.S)
    if len(rows) != text.count("\nREQUEST_REASON("):
        sys.exit("request_reasons.def: a row is not written as the others are")
    yield "| reason | HTTP | gRPC | what it means |\n|---|---|---|---|"
    for word, status, grpc_status, meaning in rows:
        if word:  # the empty one is the application's own answer
            yield f"| `{word}` | {status if int(status) else 'cut'} | {grpc_status} | {meaning} |"


def request_fields():
    text = (ROOT / "proxy/telemetry/request_fields.def").read_text(encoding="utf-8")
    rows = re.findall(r'^FACT_(?:TEXT|NUMBER)\((\w+),[^"\n]*?\s*"([^"]+)"\)$', text, re.M)
    if len(rows) != len(re.findall(r"^FACT_", text, re.M)):
        sys.exit("request_fields.def: a row is not written as the others are")
    yield "| field | what it is |\n|---|---|"
    for name, meaning in rows:
        yield f"| `{name}` | {meaning} |"


def filled(readme):
    for name, lines in (("options", options()), ("reasons", reasons()),
                        ("request-reasons", request_reasons()),
                        ("request-fields", request_fields())):
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, rest = readme.split(begin)
        readme = f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{rest.split(end)[1]}"
    return readme


def main():
    path = ROOT / "README.md"
    old = path.read_text(encoding="utf-8")
    new = filled(old)
    if "--check" in sys.argv[1:]:
        if new != old:
            print("README.md: its tables are out of date; run test/readme.py", file=sys.stderr)
        return int(new != old)
    path.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
