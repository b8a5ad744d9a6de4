#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""asyncio_loop.py [LIBRARY]: a thread pool behind an asyncio server, over the library's exported symbols.

Clients send a word; threads hash it many times; the loop, told by the bell, answers.
"""
import asyncio
import concurrent.futures
import ctypes
import hashlib
import sys


class Bell:
    """A queue in a running loop: on_token(token) for each, at most budget at a time. Level-triggered."""

    def __init__(self, library, capacity, budget, on_token, on_end=lambda: None):
        # PyDLL keeps Python's lock: no call here blocks, and to let go of it would cost more.
        self.lib, self.queue = ctypes.PyDLL(library), ctypes.c_void_p()
        self.lib.bell_queue_poll.restype = ctypes.c_size_t
        if error := self.lib.bell_queue_new(ctypes.byref(self.queue), ctypes.c_uint32(capacity), 0):
            raise OSError(-error, "bell_queue_new")
        self.tokens, self.budget = (ctypes.c_uint32 * budget)(), ctypes.c_size_t(budget)
        self.on_token, self.on_end = on_token, on_end
        self.loop, self.fd = asyncio.get_running_loop(), self.lib.bell_queue_fd(self.queue)
        self.loop.add_reader(self.fd, self.ready)

    def notify(self, token):  # from any thread
        return self.lib.bell_queue_notify(self.queue, ctypes.c_uint32(token))

    def ready(self):
        n = self.lib.bell_queue_poll(self.queue, self.tokens, self.budget)
        for token in self.tokens[:n]:
            self.on_token(token)
        # The fd stays readable until arm says 1: with tokens left over, asyncio comes back.
        if self.queue and n < self.budget.value and self.lib.bell_queue_arm(self.queue) < 0:
            self.detach()
            self.on_end()  # closed, and drained

    def detach(self):  # once no thread notifies any more
        if self.queue:
            self.loop.remove_reader(self.fd)
            self.lib.bell_queue_unref(self.queue)
            self.queue = None


async def main(library):
    jobs, right = [], hashlib.pbkdf2_hmac("sha256", b"word 3", b"", 100000).hex()
    bell = Bell(library, 1024, 64, lambda token: jobs[token]["done"].set())

    def work(token):
        jobs[token]["hash"] = hashlib.pbkdf2_hmac("sha256", jobs[token]["word"], b"", 100000)
        bell.notify(token)  # whoever is told also sees the hash

    async def serve(reader, writer):
        jobs.append({"word": (await reader.readline()).strip(), "done": asyncio.Event()})
        job = jobs[-1]
        pool.submit(work, len(jobs) - 1)
        await job["done"].wait()
        writer.write(job["hash"].hex().encode())
        writer.close()

    async def ask(word):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(word.encode() + b"\n")
        answer = await reader.read()
        writer.close()
        return answer.decode()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            answers = await asyncio.gather(*(ask(f"word {i}") for i in range(8)))
    bell.detach()
    print(*answers, sep="\n")
    return 0 if answers[3] == right else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "libdoorbell.so.0")))
