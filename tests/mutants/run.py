#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build the library with one safeguard taken away, and see that a test notices:
run.py COMPILER SOURCE_ROOT [WORD…]: the mutants whose names hold one of the words, or all. Prints TAP.

The killers are the programs of the other folders, as they stand; they pass with the healthy library.
"""
import concurrent.futures
import glob
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time

import collector
import share_pipe
import table

LITMUS = ["tests/stress/litmus.c", "tests/stress/receivers.c"]
STOPS = "tests/stress/stops.c"
INJECT = ["-include", "tests/stress/inject.h"]
# A killer that takes longer has not caught anything.
PATIENCE = 120
# Killers that wait for a race to happen. That it did not, in so many rounds, is no verdict.
RACES = ("litmus", "storm", "claim", "hub_litmus", "collector_backpressure", "ipc/race",
         "ipc/share_pipe_flow")

MUTANTS = {**table.MUTANTS, **collector.MUTANTS, **share_pipe.MUTANTS}


def sources_of(program):
    """The files and flags of a killer."""
    if program == "litmus":
        return LITMUS
    if program.startswith("storm"):
        return LITMUS + ["tests/stress/storm.c"] + INJECT
    if program in ("claim", "hub_litmus", "collector_backpressure", "pipe_hash"):
        return [f"tests/stress/{program}.c"]
    if program.startswith("tsan "):
        return sources_of(program[5:]) + ["-fsanitize=thread", "-g"]
    if program == "model/permit":
        return [f"tests/model/permit/{name}.c" for name in ("explore", "play", "scenarios", "scenarios_more")] + EXPLORE
    if program.startswith("ipc/"):
        return [f"tests/{program}.c", "tests/ipc/shares.c", "tests/ipc/step.c", "tests/runner.c", "-Itests/ipc",
                "-lcheck", *HELPERS, *(["tests/ipc/share_pipes.c"] if "share_pipe" in program else []),
                *(INJECT if program.endswith("inject") else [])]
    if "inject" in program:
        more = {"inject": ["tests/stress/receivers.c", STOPS], "inject_collector": []}.get(program, [STOPS])
        return [f"tests/stress/{program}.c", "tests/runner.c", *more, *INJECT, "-lcheck"]
    if program == "fault/creation":
        return ["tests/fault/creation.c", *FAULT]
    if program == "fault/no_membarrier":
        return ["tests/fault/no_membarrier.c", "tests/fault/loop.c", "tests/stress/receivers.c", *FAULT, *INJECT]
    return [f"tests/{program}.c", "tests/runner.c", "-lcheck"] + HELPERS


EXPLORE = ["-include", "tests/model/permit/step.h", "-Itests/model/permit", "-fno-stack-protector",
           "-ftrivial-auto-var-init=pattern"]
HELPERS = [f"tests/unit/{name}" for name in ("helpers.c", "load.c")]
FAULT = ["tests/fault/refuse.c", "tests/runner.c", "-Itests/fault", "-lcheck", *HELPERS]


def library(root, file, program):
    """What to compile: the core, and the layer of the mutant's file. The core's inlines need no symbols here, and the
    explorer of permits has futexes of its own."""
    layers = {"core", *(["ipc", "stream"] if program.startswith("ipc/") else ["sync"] if "permit" in program else [])}
    if file.startswith("src/"):
        layers.add(file.split("/")[1])
    sources = [path for layer in sorted(layers) for path in glob.glob(f"src/{layer}/*.c", root_dir=root)]
    without = ["src/core/symbols.c"] + ["src/core/futex.c"] * (program == "model/permit")
    return [path for path in sources if path not in without]


def mutate(root, file, text, replacement):
    """The text of the file, changed."""
    with open(f"{root}/{file}", encoding="utf-8") as f:
        body = f.read()
    if body.count(text) != 1:
        raise ValueError(f"its text stands {body.count(text)} times in {file}, not once")
    return body.replace(text, replacement)


def compiled(command, source, cache, root):
    """An object; what is the same for many mutants is compiled once."""
    name = f"{cache}/{hashlib.sha256(repr((command, source)).encode()).hexdigest()}.o"
    if not os.path.exists(name):
        made = f"{name}.{threading.get_ident()}"
        subprocess.run([*command, "-c", source, "-o", made], cwd=root, check=True)
        os.replace(made, name)
    return name


def try_mutant(compiler, root, mutant, cache):
    """How the killer ended, in words; or None if it noticed nothing."""
    file, text, replacement, (program, *args) = mutant
    sources = library(root, file, program) + [word for word in sources_of(program) if word.endswith(".c")]
    options = [word for word in sources_of(program) if not word.endswith(".c") and not word.startswith("-l")]
    with tempfile.TemporaryDirectory() as d:
        header = file.endswith(".h")  # in all that is compiled
        os.makedirs(os.path.dirname(f"{d}/{file}"))
        with open(f"{d}/{file}", "w", encoding="utf-8") as f:
            f.write(mutate(root, file, text, replacement))
        command = [compiler, "-std=gnu11", "-O2", "-w", "-D_GNU_SOURCE", "-pthread",
                   *([f"-I{d}/include", f"-I{d}/src"] if header else []), "-Iinclude", "-Isrc", "-Itests",
                   "-Itests/stress", "-Itests/unit", *options]
        objects = [compiled(command, f"{d}/{s}" if s == file else s, d if header or s == file else cache, root)
                   for s in sources]
        libraries = subprocess.run(["pkg-config", "--libs", "check"], stdout=subprocess.PIPE, text=True,
                                   check=True).stdout.split()
        subprocess.run([*command, *objects, "-o", f"{d}/killer", *libraries], cwd=root, check=True)
        return caught([f"{d}/killer", *args], program)


def caught(command, program):
    """Run a killer until it reports its first failure."""
    # The tests of libcheck wait a quarter as long as usual until they count as hung: healthy, they take a second.
    environment = dict(os.environ, LITMUS_STORM=program.partition(" ")[2], CK_TIMEOUT_MULTIPLIER="0.25")
    with subprocess.Popen(["stdbuf", "-oL", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          env=environment, text=True) as run:
        timer = threading.Timer(PATIENCE, run.kill)
        timer.start()
        for line in run.stdout:
            if line.startswith("not ok"):
                timer.cancel()
                run.kill()  # its tests die with it: runner.c
                run.wait()
                return f"{program}: {line.strip().split(':')[-1].strip()[:60]}"
        status = run.wait()
        timed_out = not timer.is_alive()
        timer.cancel()
        if timed_out:
            return None
        if status == 2:
            raise ValueError(f"{program} does not know its arguments")
        return f"{program} ended with {status}" if status else None


def result_of(compiler, root, name, cache):
    """The TAP words for a mutant: verdict, and remark with the time it took."""
    started = time.monotonic()
    verdict, remark = judge(compiler, root, name, cache)
    return verdict, f"{remark} ({time.monotonic() - started:.1f} s)"


def judge(compiler, root, name, cache):
    program = MUTANTS[name][3][0]
    try:
        remark = try_mutant(compiler, root, MUTANTS[name], cache)
    except (ValueError, subprocess.CalledProcessError) as e:
        return "not ok", f": {e}"
    if remark:
        return "ok", f": {remark}"
    if program.split()[0] in RACES:
        return "ok", f" # SKIP {program} ran its rounds and the race did not happen"
    return "not ok", f": {program} noticed nothing"


def main(compiler, root, *words):
    chosen = [name for name in MUTANTS if not words or any(word in name for word in words)]
    with open(f"{root}/docs/PROOF.md", encoding="utf-8") as f:
        rows = f.read()
    untold = [name for name in MUTANTS if f"\n| {name} | " not in rows]
    print(f"1..{1 + len(chosen)}\n{'not ' if untold else ''}ok 1 - docs/PROOF.md has a row for each: {untold}", flush=True)
    results = {}
    # Six at a time: many killers wait for what does not come.
    with tempfile.TemporaryDirectory() as cache, concurrent.futures.ThreadPoolExecutor(6) as pool:
        for name in chosen:
            if MUTANTS[name][3][0].split()[0] in RACES:  # each needs the processors for itself
                results[name] = result_of(compiler, root, name, cache)
        waiting = {name: pool.submit(result_of, compiler, root, name, cache) for name in chosen if name not in results}
        results.update({name: future.result() for name, future in waiting.items()})
    for number, name in enumerate(chosen, 2):
        verdict, remark = results[name]
        print(f"{verdict} {number} - {name}{remark}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
