#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tick.py PROGRAM: a loop that polls on its own tick makes no system call for the bell, nor do those that
notify it, but for the first ring: counted by strace, and by the library's own counters. Prints TAP.
"""
import re
import shutil
import subprocess
import sys
import tempfile

CASES = {
    "level, ticking all the time": ["level"],
    "edge, ticking all the time": ["edge"],
    "level, a tick a millisecond": ["level", "1"],
    "edge, a tick a millisecond": ["edge", "1"],
}
# What a thread needs to live and die, and a tick to wait; what is left would be the queue's.
OTHERS = ("set_robust_list rseq rt_sigprocmask rt_sigaction madvise munmap mmap mprotect exit futex "
          "clock_nanosleep restart_syscall getrandom clone clone3 brk").split()


def calls_of(program, arguments):
    """The system calls from the first ring, of a queue just made, to the printing; and what was printed."""
    with tempfile.NamedTemporaryFile(mode="r") as log:
        said = subprocess.run(["strace", "-f", "-y", "-o", log.name, program, *arguments],
                              check=True, stdout=subprocess.PIPE, text=True).stdout
        calls = []
        for line in log:
            bell = re.search(r"\b(?:read|write)\(\d+<anon_inode:\[eventfd\]>", line)
            call = re.match(r"\d+ +(\w+)\(", line)
            if calls and re.search(r"\b(?:new)?fstat\w*\(|\bwrite\(1<", line):
                break
            if bell or calls and call and call[1] not in OTHERS:
                calls.append(call[1])
    return calls, said


def main(program):
    print(f"1..{len(CASES)}")
    for number, (name, arguments) in enumerate(CASES.items(), 1):
        what = f"{name}: a million notifies, one ring at the start and no other call"
        if not shutil.which("strace"):
            print(f"ok {number} - {what} # SKIP strace is not installed")
            continue
        calls, said = calls_of(program, arguments)
        ok = calls == ["write"] and said.split() == ["1", "0", "0", "0"]
        print(f"{'ok' if ok else 'not ok'} {number} - {what}: {calls[:20]}, counters {said.strip()}")


if __name__ == "__main__":
    main(sys.argv[1])
