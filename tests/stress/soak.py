#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Both races, in each way to receive, with 1, 2, 4 and 8 producers, one after the other:
soak.py LITMUS [SECONDS [MODE…]], SECONDS in all (default: 600), MODE as in receivers.h.

Prints a line for each, and the sum. Status 1 if anything was lost or stuck.
"""
import re
import subprocess
import sys

MODES = ['level', 'edge', 'wait', 'level-budget', 'edge-budget', 'uring', 'uring-budget']
PRODUCERS = [1, 2, 4, 8]


def main():
    litmus, seconds, modes = sys.argv[1], int((sys.argv[2:] or ['600'])[0]), sys.argv[3:] or MODES
    runs = [(race, mode, str(n)) for race in ('data', 'sleep') for mode in modes for n in PRODUCERS]
    each = str(max(1, seconds // len(runs)))
    rounds, failed = {'data': 0, 'sleep': 0}, 0
    for race, mode, producers in runs:
        run = subprocess.run([litmus, race, '--mode', mode, '--producers', producers, '--seconds', each],
                             stdout=subprocess.PIPE, text=True, check=False)
        print(run.stdout.strip() or '%s %s: no result' % (race, mode), flush=True)
        done = re.search(r'(\d+) rounds, 0 (lost|stuck)', run.stdout)
        rounds[race] += int(done[1]) if done else 0
        failed += run.returncode != 0 or not done
    print('%d runs of %s s, %d failed; %d rounds of data, %d of sleep'
          % (len(runs), each, failed, rounds['data'], rounds['sleep']))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
