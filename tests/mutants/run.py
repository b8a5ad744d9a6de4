#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build the library with one safeguard taken away, and see that a test notices:
run.py COMPILER SOURCE_ROOT [WORD…]: the mutants whose names hold one of the words, or all. Prints TAP.

The killers are the programs of the other folders, as they stand; they pass with the healthy library.
"""
import concurrent.futures
import os
import subprocess
import sys
import tempfile

import table

LITMUS = ["tests/stress/litmus.c", "tests/stress/receivers.c"]
INJECT = ["-include", "tests/stress/inject.h"]
# Long enough for the slowest killer: one that hangs has caught its mutant, too.
PATIENCE = 120


def sources_of(program):
    """The files and flags of a killer."""
    if program == "litmus":
        return LITMUS
    if program.startswith("storm"):
        return LITMUS + ["tests/stress/storm.c"] + INJECT
    if program == "claim":
        return ["tests/stress/claim.c"]
    if program == "inject":
        return ["tests/stress/inject.c", "tests/stress/receivers.c", "tests/runner.c"] + INJECT + ["-lcheck"]
    return [f"tests/{program}.c", "tests/runner.c", "-lcheck"] + HELPERS


HELPERS = [f"tests/unit/{name}" for name in ("helpers.c", "load.c")]


def mutate(root, directory, file, text, replacement):
    """The library's sources in directory, one of them changed."""
    for path in ("include/doorbell/queue.h", "src/core/queue.c", "src/core/wait.c", "src/core/base.c"):
        with open(f"{root}/{path}", encoding="utf-8") as f:
            body = f.read()
        if path == file:
            if body.count(text) != 1:
                raise ValueError(f"its text stands {body.count(text)} times in {file}, not once")
            body = body.replace(text, replacement)
        os.makedirs(os.path.dirname(f"{directory}/{path}"), exist_ok=True)
        with open(f"{directory}/{path}", "w", encoding="utf-8") as f:
            f.write(body)


def try_mutant(compiler, root, mutant):
    """How the killer ended, in words; or None if it noticed nothing."""
    file, text, replacement, (program, *args) = mutant
    with tempfile.TemporaryDirectory() as d:
        mutate(root, d, file, text, replacement)
        flags = ["-std=gnu11", "-O2", "-w", "-D_GNU_SOURCE", "-pthread", f"-I{d}/include", "-Iinclude", "-Isrc",
                 "-Itests", "-Itests/stress", "-Itests/unit"]
        core = [f"{d}/src/core/{name}.c" for name in ("queue", "wait", "base")]
        libraries = subprocess.run(["pkg-config", "--libs", "check"], stdout=subprocess.PIPE, text=True,
                                   check=True).stdout.split()
        subprocess.run([compiler, *flags, *sources_of(program), *core, "-o", f"{d}/killer", *libraries],
                       cwd=root, check=True)
        word, _, storm = program.partition(" ")
        try:
            status = subprocess.run([f"{d}/killer", *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                    env=dict(os.environ, LITMUS_STORM=storm), timeout=PATIENCE).returncode
        except subprocess.TimeoutExpired:
            return f"{word} hung"
        if status == 2:
            raise ValueError(f"{program} does not know its arguments")
        return f"{program} ended with {status}" if status else None


def main(compiler, root, *words):
    chosen = [name for name in table.MUTANTS if not words or any(word in name for word in words)]
    print(f"1..{len(chosen)}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        tries = [pool.submit(try_mutant, compiler, root, table.MUTANTS[name]) for name in chosen]
        for number, (name, t) in enumerate(zip(chosen, tries), 1):
            try:
                caught = t.result()
            except (ValueError, subprocess.CalledProcessError) as e:
                print(f"not ok {number} - {name}: {e}", flush=True)
                continue
            print(f"{'ok' if caught else 'not ok'} {number} - {name}: "
                  f"{caught or table.MUTANTS[name][3][0] + ' noticed nothing'}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
