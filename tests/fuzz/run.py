#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py SOURCE [RUNS]: build each fuzz target with clang's libFuzzer, AddressSanitizer and
UndefinedBehaviorSanitizer, and run it so many times from nothing and a fixed seed. Prints TAP.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

TARGETS = {
    "drain": ["src/ipc/drain.c"],
    "reader": ["src/ipc/peer.c", "src/ipc/connect.c", "src/ipc/name.c", "src/core/block.c", "src/stream/words.c"],
}

source, runs = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "200000"
if not shutil.which("clang"):
    print("1..0 # SKIP clang is not installed")
    sys.exit(0)
print(f"1..{len(TARGETS)}", flush=True)
failed = 0
for number, (name, parts) in enumerate(TARGETS.items(), 1):
    with tempfile.TemporaryDirectory(prefix="bell-fuzz-") as folder:
        program = os.path.join(folder, name)
        subprocess.run(["clang", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Iinclude", "-Isrc",
                        "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all",
                        f"tests/fuzz/{name}.c", *parts, "-o", program], cwd=source, check=True)
        os.mkdir(folder + "/corpus")
        run = subprocess.run([program, f"-runs={runs}", "-seed=1", "-max_len=128", "corpus"], cwd=folder,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        done = re.search(r"Done (\d+) runs in (\d+) second", run.stdout)
        good = run.returncode == 0 and done
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}: {done.group(0) if done else 'no result'}", flush=True)
        if not good:
            print("\n".join("# " + line for line in run.stdout.splitlines()[-40:]), flush=True)
sys.exit(1 if failed else 0)
