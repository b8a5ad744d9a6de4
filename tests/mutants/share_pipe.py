# SPDX-License-Identifier: MIT
"""Mutants of the pipe between processes: name: (file, text, replacement, killer). See table.py."""

LIFE, WRITE, READER = "src/ipc/share_pipe.c", "src/ipc/share_pipe_write.c", "src/ipc/share_reader.c"
PEER, CONNECT, ADMIT = "src/ipc/peer.c", "src/ipc/connect.c", "src/ipc/admit.c"
PIPE, INJECT, HOSTILE, LIMITS = ("ipc/share_pipe",), ("ipc/share_pipe_inject",), ("ipc/share_pipe_hostile",), ("ipc/share_pipe_limits",)
LIVES, FLOW = ("ipc/share_pipe_lives",), ("ipc/share_pipe_flow",)

MUTANTS = {
    "a shared pipe tells the end before it has looked for bytes (X1)": (
        READER, "	left = (tail >> BELL__STREAM_SHIFT) - r->position;\n	if (left == 0)\n		return nothing_left(r, tail);\n",
        "	left = (tail >> BELL__STREAM_SHIFT) - r->position;\n	tail = bell_load_acquire(&r->stream->tail);\n	if (left == 0)\n"
        "		return nothing_left(r, tail);\n", INJECT),
    "a shared pipe raises tail before the bytes are there (X1)": (
        WRITE, "	for (done = 0; done < n; done += run) {",
        "	bell_store_release(&p->stream->tail, end << BELL__STREAM_SHIFT);\n"
        "	for (done = 0; done < n; done += run) {", INJECT),
    "a shared pipe tells a position before the bytes are copied (X2)": (
        READER, "	BELL_INJECT(pipe_copied);", "	bell_store_release(&r->seat->position, r->position + n);\n	BELL_INJECT(pipe_copied);", INJECT),
    "a shared pipe does not wake who sleeps (X3)": (
        WRITE, "	bell_store_release(&p->stream->tail, end << BELL__STREAM_SHIFT); /* X1 */\n	bell__share_pipe_wake(p);",
        "	bell_store_release(&p->stream->tail, end << BELL__STREAM_SHIFT); /* X1 */", PIPE),
    "a shared pipe wakes before it raises tail (X3)": (
        WRITE, "	BELL_INJECT(pipe_bytes_put);", "	bell__share_pipe_wake(p);\n	BELL_INJECT(pipe_bytes_put);\n"
        "	bell_store_release(&p->stream->tail, end << BELL__STREAM_SHIFT);\n	return;", INJECT),
    "a shared pipe wakes who has been woken (X3)": (
        WRITE, "		if (bell_exchange_acq_rel(&a->seat->asleep, 0))", "		if (1)", PIPE),
    "a shared pipe wakes everybody (X3)": (
        WRITE, "		if (!bell_load_relaxed(&a->seat->asleep))", "		bell_store_relaxed(&a->seat->asleep, 1);\n		if (0)", PIPE),
    "a shared pipe's reader announces sleep and does not look again (X3)": (
        READER, "		state = readable(r); /* what", "		; /* what", INJECT),
    "a shared pipe's reader does not announce sleep (X3)": (
        READER, "		bell_store_release(&r->seat->asleep, 1);", "		;", PIPE),
    "a shared pipe's reader hears after its last look (X3)": (
        READER, "		BELL_INJECT(pipe_reader_settled);", "		BELL_INJECT(pipe_reader_settled);\n		hear(r);", INJECT),
    "a shared pipe's reader never takes its wakes": (
        READER, "		hear(r);\n", "", PIPE),
    "a shared pipe's reader does not look whether the writer waits (X4)": (
        READER, "	if (r->position >= wanted &&", "	if (0 &&", PIPE),
    "a shared pipe's reader rings before it has freed enough (X4)": (
        READER, "	if (r->position >= wanted &&", "	if (wanted != BELL__NOTHING_WANTED &&", PIPE),
    "a shared pipe's writer sleeps and does not ask for room (X4)": (
        WRITE, "		bell_store_relaxed(&asked->wanted, due);", "		;", PIPE),
    "a shared pipe's writer asks for room and does not look again (X4)": (
        WRITE, "		if (room(p, wanted) >= wanted) /* the recheck", "		return 1; /* the recheck", INJECT),
    "a shared pipe's writer sleeps on a reader that has been there (X4)": (
        WRITE, "	} while (!is_behind(p, asked, due));", "	} while (0);", INJECT),
    "a shared pipe does not tell what it overwrites (X6)": (
        WRITE, "		bell_store_release(&p->stream->begin, p->floor); /* X6 */", "		;", PIPE),
    "a shared pipe overwrites first, and tells then (X6)": (
        WRITE, "		bell_store_release(&p->stream->begin, p->floor); /* X6 */", "		;", INJECT),
    "a shared pipe's lapped reader does not look at begin after its copy (X6)": (
        READER, "		if (begin > r->position)\n			return lapped(r, begin);\n	}\n	return advance", "	}\n	return advance", INJECT),
    "a shared pipe wakes without the fence (X3)": (
        WRITE, "	bell_fence_full(); /* X3: tail", "	bell_fence_compiler(); /* tail", FLOW),
    "a shared pipe's reader announces sleep without the fence (X3)": (
        READER, "		bell_fence_full(); /* X3: asleep", "		bell_fence_compiler(); /* asleep", FLOW),
    "a shared pipe's reader looks whether the writer waits without the fence (X4)": (
        READER, "	bell_fence_full(); /* X4: position", "	bell_fence_compiler(); /* position", FLOW),
    "a shared pipe's writer asks for room without the fence (X4)": (
        WRITE, "		bell_fence_full(); /* X4: wanted", "		bell_fence_compiler(); /* wanted", FLOW),
    "a shared pipe believes any position": (
        WRITE, "		if (position - a->position > p->end - a->position) {", "		if (0) {", HOSTILE),
    "a shared pipe believes a position that goes back": (
        WRITE, "		if (position - a->position > p->end - a->position) {", "		if (position > p->end) {", HOSTILE),
    "a shared pipe may be written to by whoever has it": (
        LIFE, "F_SEAL_SEAL | F_SEAL_FUTURE_WRITE;", "F_SEAL_SEAL;", HOSTILE),
    "a shared pipe's reader believes any tail": (
        READER, "	if (left > r->capacity) {", "	if (0) {", HOSTILE),
    "a shared pipe's reader believes any error": (
        READER, "		r->broken |= !bell__stream_error_valid(error);", "		;", HOSTILE),
    "a shared pipe's reader takes memory that is not sealed": (
        READER, " || !bell__is_sealed(fd, false, &size) ||", " || bell__is_sealed(fd, false, &size) < -1 || (size = 65536) == 0 ||", HOSTILE),
    "a shared pipe's reader takes memory that is too short": (
        READER, " || size < bell__stream_room(&header))", ")", HOSTILE),
    "a shared pipe's reader believes a header": (
        READER, "		!bell__stream_is_sound(&header) ||", "", HOSTILE),
    "a shared pipe's reader takes any message for a wake": (
        READER, "		r->broken |= n > 0 && message.msg_flags & (MSG_TRUNC | MSG_CTRUNC);", "		;", HOSTILE),
    "a shared pipe's reader hears a flood out": (
        READER, "	r->broken |= n > 0;", "	;", HOSTILE),
    "a shared pipe's reader does not notice that its writer died": (
        READER, "	r->gone |= n == 0 ||", "	r->gone |= 0 &&", LIVES),
    "a shared pipe's reader says that its writer died before it has all": (
        READER, "	if (r->broken)\n		return -EPROTO;\n	tail =", "	if (r->broken)\n		return -EPROTO;\n	if (r->gone)\n"
        "		return -ECONNRESET;\n	tail =", INJECT),
    "a shared pipe takes whoever connects for a reader": (
        LIFE, "		p->had |= bell_load_relaxed(&p->attached[i].seat->seated) != 0;", "		p->had = true;", PIPE),
    "a shared pipe is not broken when all have left": (
        WRITE, "	return p->had && p->readers == 0 ? -EPIPE : 0;", "	return 0;", PIPE),
    "a shared pipe keeps who has gone": (
        LIFE, "		p->attached[i] = p->attached[--p->readers];", "		;", PIPE),
    "a shared pipe never looks who comes while it writes": (
        WRITE, "	if (is_due(p))\n", "	if (0)\n", LIVES),
    "a share takes more in than there are places": (
        ADMIT, "	return empty ? empty : ended ? 0 : AT_ONCE;", "	return AT_ONCE;", LIVES),
    "a shared pipe in a forked child ends the parent's": (
        LIFE, "	if (p->share->pid == getpid()) /* the stream", "	if (1) /* the stream", LIMITS),
    "a peer takes a pipe for its receiver": (
        CONNECT, "	if (n == due && !", "	if (n >= due && !", LIMITS),
    "a peer takes a wake for the end": (
        PEER, "{.fd = p->fd, .events = POLLRDHUP}", "{.fd = p->fd, .events = POLLIN | POLLRDHUP}", PIPE),
}
