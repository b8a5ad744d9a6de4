#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Count, from outside, the reads and writes of the bell: syscalls.py PROGRAM. Prints TAP.

A queue is born armed, so its first notification rings once; the rest is as the design promises.
"""
import collections
import re
import shutil
import subprocess
import sys
import tempfile

SLEEPS = 2000
CASES = {
    # workload: (what is shown, writes, reads)
    "awake": ("a million notifies to a receiver that is awake make no write", 1, 0),
    "conflated": ("a million conflated notifies make no write", 1, 0),
    "level": ("each sleep costs one write, and one read in level mode", SLEEPS, SLEEPS),
    "edge": ("each sleep costs one write, and no read in edge mode", SLEEPS, 0),
    "pipe": ("a million writes to a pipe whose two sides are awake make no write but that of a new bell", 2, 0),
}


def count(program, arguments):
    """Reads and writes of 8 bytes of an eventfd; and what the library's own counters say."""
    with tempfile.NamedTemporaryFile(mode="r") as log:
        said = subprocess.run(
            ["strace", "-f", "-y", "-e", "trace=read,write", "-o", log.name, program, *arguments],
            check=True, stdout=subprocess.PIPE, text=True).stdout
        calls = collections.Counter(
            m.group(1) for line in log if (m := re.search(r"\b(read|write)\(\d+<anon_inode:\[eventfd\]>", line)))
    return calls["write"], calls["read"], tuple(map(int, said.split()))


def main(program):
    todo = [([workload, *more], sentence + (", with a single producer" if more else ""), writes, reads)
            for more in ([], ["single"]) for workload, (sentence, writes, reads) in CASES.items()]
    print(f"1..{len(todo)}")
    for number, (arguments, sentence, writes, reads) in enumerate(todo, 1):
        if not shutil.which("strace"):
            print(f"ok {number} - {sentence} # SKIP strace is not installed")
            continue
        w, r, said = count(program, arguments)
        # The last read is spared when the receiver stops before it arms again.
        ok = w == writes and reads - 1 <= r <= reads and said == (w, r)
        print(f"{'ok' if ok else 'not ok'} {number} - {sentence}: {w} writes, {r} reads, counters say {said}")


if __name__ == "__main__":
    main(sys.argv[1])
