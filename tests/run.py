#!/usr/bin/python3
"""run.py - runs the tests and counts them: the unit tests' programs, then pytest.

usage: run.py [--jobs N] [unit|client|e2e|model|PATH]...

The build directory comes in MOULT_TEST_BUILD. What fails is printed whole. The last line reads
"N passed, N failed, N skipped"; the exit status is 0 when none failed and some passed.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("MOULT_TEST_BUILD", ROOT / "build")).resolve()
UNIT_LIMIT_S = 300


def run_unit(program):
    """Runs one cmocka program; returns its name, output and counts."""
    env = dict(os.environ, FAKE_MONITOR=str(BUILD / "tests/puppets/fake_monitor"))
    try:
        done = subprocess.run([program], cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=UNIT_LIMIT_S, check=False)
        text, status = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        text, status = (late.stdout or b"").decode(errors="replace"), "time limit"
    passed = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", text)))
    failed = sum(map(int, re.findall(r"\[  FAILED  \] .*?(\d+) test", text)))
    skipped = sum(map(int, re.findall(r"\[  SKIPPED \] (\d+) test", text)))
    if status != 0 and failed == 0:
        failed, text = 1, text + "\n%s: ended with %s\n" % (program, status)
    if passed + failed + skipped == 0:
        failed, text = 1, text + "\n%s: ran no test\n" % program
    return program, text, (passed, failed, skipped)


def run_units(jobs):
    programs = sorted(BUILD.glob("tests/*/test_*"))
    programs = [p for p in programs if os.access(p, os.X_OK) and not p.suffix]
    total = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for program, text, counts in pool.map(run_unit, programs):
            print("%-44s %d passed, %d failed, %d skipped" % (program.relative_to(BUILD), *counts))
            if counts[1] or counts[2]:
                print(text)
            total = [a + b for a, b in zip(total, counts)]
    return total


def run_pytest(paths, jobs):
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(jobs), "-p", "no:cacheprovider",
               "-rsf", "--maxfail=25", *paths]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        last = ""
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line if re.search(r"\d+ (passed|failed|error)", line) else last
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", last)}
    failed = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    if process.returncode != 0 and failed == 0:
        failed = 1
    return [counts.get("passed", 0), failed, counts.get("skipped", 0)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("what", nargs="*", default=["unit", "client", "e2e", "model"])
    options = parser.parse_args()
    paths = {"client": ["tests/client", "tests/examples"], "e2e": ["tests/e2e"], "model": ["tests/model"]}
    paths = [path for what in options.what if what != "unit" for path in paths.get(what, [what])]
    total = [0, 0, 0]
    if "unit" in options.what:
        total = run_units(options.jobs)
    if paths:
        total = [a + b for a, b in zip(total, run_pytest(paths, options.jobs))]
    print("%d passed, %d failed, %d skipped" % tuple(total))
    sys.exit(0 if total[1] == 0 and total[0] > 0 else 1)


main()
