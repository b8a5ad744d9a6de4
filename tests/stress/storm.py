#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Both litmus races with a disturbance at every injection point, in every way to receive:
storm.py LITMUS ROUNDS MODE… Prints TAP."""
import os
import subprocess
import sys

PRODUCER = ["claimed", "reserved", "published", "ringing"]
RECEIVER = ["taken", "cleared", "arming", "silenced", "armed", "hole", "announced"]
ACTIONS = ["delay", "yield", "signal"]
# A single producer passes no hole, and is not interrupted by another.
SINGLE = [point for point in PRODUCER + RECEIVER if point not in ("armed", "hole")]


def cases(modes):
    for mode in modes:
        for point in PRODUCER + RECEIVER:
            for action in ACTIONS:
                for race in ("data", "sleep"):
                    # The sleep race is judged by the state when no notify runs: not by one that a
                    # signal makes the receiver's thread run.
                    if not (race == "sleep" and action == "signal" and point in RECEIVER):
                        yield race, mode, point, action, ["--producers", "2"]
        for point in SINGLE:
            for action in ("delay", "yield"):
                for race in ("data", "sleep"):
                    yield race, mode, point, action, ["--single"]


def main(litmus, rounds, *modes):
    todo = list(cases(modes))
    print(f"1..{len(todo)}")
    for number, (race, mode, point, action, crowd) in enumerate(todo, 1):
        done = subprocess.run(
            [litmus, race, "--mode", mode, *crowd, "--rounds", rounds],
            env=dict(os.environ, LITMUS_STORM=f"{point}:{action}"),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = done.stdout.strip().replace("\n", "; ")
        print(f"{'ok' if done.returncode == 0 else 'not ok'} {number} - {action} at {point}: {said}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
