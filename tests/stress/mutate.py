#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the queue with one safeguard taken away: mutate.py SOURCE_ROOT NAME HEADER_OUT SOURCE_OUT

Each mutant names the text that it changes. The text must stand exactly once in the sources, so a
mutant that no longer fits stops the build instead of silently testing the healthy queue.
"""
import sys

HEADER, SOURCE = "include/doorbell/queue.h", "src/core/queue.c"

MUTANTS = {
    # name: (file, text, replacement)
    "poll-no-fence": (
        HEADER,
        "	bell_fence_full(); /* F1: flags cleared before the caller reads its data */\n",
        "	bell_fence_compiler();\n",
    ),
    "arm-no-recheck": (
        SOURCE,
        "	armed = bell_cas_acq_rel(&q->tail, &v, v | BELL__ARMED); /* step 2: A1 */\n",
        "	v = bell_fetch_or_acq_rel(&q->tail, BELL__ARMED);\n	armed = true;\n",
    ),
}


def main(root, name, header_out, source_out):
    file, text, replacement = MUTANTS[name]
    for path, out in ((HEADER, header_out), (SOURCE, source_out)):
        with open(f"{root}/{path}", encoding="utf-8") as f:
            body = f.read()
        if path == file:
            if body.count(text) != 1:
                sys.exit(f"mutant {name}: its text stands {body.count(text)} times in {path}, not once")
            body = body.replace(text, replacement)
        with open(out, "w", encoding="utf-8") as f:
            f.write(body)


if __name__ == "__main__":
    main(*sys.argv[1:])
