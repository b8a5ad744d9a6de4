/* SPDX-License-Identifier: MIT
 *
 * asio.cpp: Boost.Asio or, built with ASIO_STANDALONE, Asio; and what only C++ can do.
 */
#ifdef ASIO_STANDALONE
#include <asio.hpp>
#else
#include <boost/asio.hpp>
#endif

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include <doorbell/adapt/asio.hpp>

#include <check.h>

#include "reactor.h"

extern "C" {
#include "runner.h"
}

namespace {

namespace io = doorbell::io;
using doorbell::bell_asio;
using doorbell::error_code;

struct watch {
	watch(io::io_context &context, int number, reactor_fn fn, void *data)
	    : descriptor(context, ::dup(number)), fd(number), ready(fn), userdata(data)
	{
	}

	io::posix::stream_descriptor descriptor;
	int fd;
	reactor_fn ready;
	void *userdata;
};

void wait(const std::shared_ptr<watch> &w)
{
	w->descriptor.async_wait(w->descriptor.wait_read, [w](const error_code &error) {
		if (error || !w->descriptor.is_open())
			return;
		w->ready(w->userdata);
		if (w->descriptor.is_open())
			wait(w);
	});
}

/* What the contract calls a bell: the queue comes first. */
struct bell {
	bell_queue *queue;
	bell_asio *asio;
	void (*on_end)(void *userdata, int error);
	void *userdata;
};

struct loop {
	io::io_context context;
	std::array<std::shared_ptr<watch>, 16> watches;
	io::steady_timer timer{context};
	std::chrono::milliseconds every{0};
	reactor_fn tick = nullptr;
	void *userdata = nullptr;
	reactor_fn busy = nullptr;
};

void start_timer(loop *l)
{
	l->timer.expires_after(l->every);
	l->timer.async_wait([l](const error_code &error) {
		if (error || l->every.count() == 0)
			return;
		start_timer(l);
		l->tick(l->userdata);
	});
}

void be_busy(loop *l, void *userdata)
{
	if (!l->busy)
		return;
	io::post(l->context, [l, userdata] { be_busy(l, userdata); });
	l->busy(userdata);
}

loop *loop_of(void *userdata)
{
	return static_cast<loop *>(userdata);
}

bell *bell_of(void *userdata)
{
	return static_cast<bell *>(userdata);
}

int detach(void *, void *userdata)
{
	auto b = bell_of(userdata);

	if (!b->queue)
		return 0;
	b->queue = nullptr;
	delete b->asio;
	b->asio = nullptr;
	return 0;
}

int attach(void *where, void *userdata, bell_queue *q, size_t budget, bell_token_fn fn, void *data)
{
	auto b = bell_of(userdata);
	auto asio = std::make_unique<bell_asio>(loop_of(where)->context);
	error_code error;

	*b = bell{};
	asio->attach(q, budget, [fn, data](std::uint32_t token) { fn(data, token); }, error);
	if (error)
		return -error.value();
	b->queue = q;
	b->userdata = data;
	b->asio = asio.release();
	b->asio->on_end([b](int why) {
		auto end = b->on_end;
		auto to = b->userdata;

		detach(nullptr, b);
		if (end)
			end(to, why);
	});
	return 0;
}

bell_queue *queue_of(uint32_t capacity, uint32_t n)
{
	bell_queue *q;

	ck_assert_int_eq(bell_queue_new(&q, capacity, 0), 0);
	for (uint32_t i = 0; i < n; i++)
		ck_assert_int_eq(bell_queue_notify(q, i), 1);
	return q;
}

START_TEST(an_attach_that_fails_throws)
{
	io::io_context context;
	bell_asio bell(context);
	bell_queue *q = queue_of(8, 0);
	int value = 0;

	try {
		bell.attach(q, 0, [](std::uint32_t) {});
	} catch (const doorbell::system_error &e) {
		value = e.code().value();
	}
	ck_assert_int_eq(value, EINVAL);
	ck_assert(!bell.is_attached());
	ck_assert_uint_eq(q->refs, 1);
	bell_queue_unref(q);
}
END_TEST

START_TEST(what_a_handler_throws_comes_out_of_run_and_nothing_is_lost)
{
	io::io_context context;
	bell_asio bell(context);
	bell_queue *q = queue_of(64, 40);
	uint32_t seen = 0, thrown = 0;

	bell.attach(q, 16, [&](std::uint32_t token) {
		ck_assert_uint_lt(token, 40);
		if (++seen % 7 == 0)
			throw std::runtime_error("seven");
		if (seen == 40)
			bell.detach();
	});
	for (bool done = false; !done;) {
		try {
			context.run();
			done = true;
		} catch (const std::runtime_error &) {
			thrown++;
			ck_assert(bell.is_attached());
		}
	}
	ck_assert_uint_eq(seen, 40);
	ck_assert_uint_eq(thrown, 5);
	ck_assert_uint_eq(q->refs, 1);
	bell_queue_unref(q);
}
END_TEST

START_TEST(a_context_may_be_destroyed_while_a_cancelled_wait_is_in_it)
{
	auto context = std::make_unique<io::io_context>();
	bell_queue *q = queue_of(8, 3);
	std::optional<bell_asio> bell(std::in_place, *context);
	auto kept = std::make_shared<int>(0);

	bell->attach(q, 8, [kept](std::uint32_t) { ck_abort(); });
	bell.reset();
	ck_assert_uint_eq(q->refs, 1);
	context.reset();
	ck_assert_int_eq(kept.use_count(), 1);
	bell_queue_unref(q);
}
END_TEST

START_TEST(four_threads_run_one_context_and_a_strand_keeps_handlers_apart)
{
	constexpr uint32_t tokens = 256, notifies = 200000;
	io::io_context context;
	bell_asio bell(io::make_strand(context));
	bell_queue *q = queue_of(tokens, 0);
	std::array<std::thread, 4> threads;
	uint32_t inside = 0, errors = 0;
	uint64_t seen = 0; /* plain: one handler at a time, in order */
	struct bell_queue_stats stats;

	bell.attach(q, 16, [&](std::uint32_t) {
		if (bell_fetch_add_acq_rel(&inside, 1) != 0)
			bell_fetch_add_relaxed(&errors, 1);
		seen++;
		bell_fetch_sub_acq_rel(&inside, 1);
	});
	for (auto &t : threads)
		t = std::thread([&] { context.run(); });
	for (uint32_t i = 0; i < notifies; i++)
		if (bell_queue_notify(q, i % tokens) < 0)
			bell_fetch_add_relaxed(&errors, 1);
	bell_queue_close(q); /* drained, it detaches: then there is no work, and run returns */
	for (auto &t : threads)
		t.join();
	bell_queue_stats(q, &stats);
	ck_assert_uint_eq(errors, 0);
	ck_assert_uint_eq(seen, stats.notified);
	ck_assert(!bell.is_attached());
	ck_assert_uint_eq(q->refs, 1);
	bell_queue_unref(q);
}
END_TEST

int run_more(const char *mode)
{
	Suite *s = suite_create(mode);
	TCase *tc = runner_case(s, mode, 60);

	tcase_add_test(tc, an_attach_that_fails_throws);
	tcase_add_test(tc, what_a_handler_throws_comes_out_of_run_and_nothing_is_lost);
	tcase_add_test(tc, a_context_may_be_destroyed_while_a_cancelled_wait_is_in_it);
	tcase_add_test(tc, four_threads_run_one_context_and_a_strand_keeps_handlers_apart);
	return runner_run(s);
}

} // namespace

void reactor_of(const char *, reactor *ret)
{
	reactor &r = *ret;

	r.open = []() -> void * { return new loop; };
	r.close = [](void *l) {
		loop_of(l)->context.restart();
		loop_of(l)->context.poll(); /* what was cancelled */
		delete loop_of(l);
	};
	r.run = [](void *l) {
		loop_of(l)->context.restart();
		loop_of(l)->context.run();
	};
	r.stop = [](void *l) { loop_of(l)->context.stop(); };
	r.watch = [](void *l, int fd, reactor_fn ready, void *userdata) {
		for (auto &w : loop_of(l)->watches) {
			if (w)
				continue;
			w = std::make_shared<watch>(loop_of(l)->context, fd, ready, userdata);
			wait(w);
			return 0;
		}
		return -ENOSPC;
	};
	r.unwatch = [](void *l, int fd) {
		for (auto &w : loop_of(l)->watches) {
			if (w && w->fd == fd) {
				w->descriptor.close();
				w.reset();
			}
		}
	};
	r.timer = [](void *where, unsigned ms, reactor_fn tick, void *userdata) {
		auto l = loop_of(where);

		l->timer.cancel();
		l->every = std::chrono::milliseconds(ms);
		l->tick = tick;
		l->userdata = userdata;
		if (ms)
			start_timer(l);
		return 0;
	};
	r.size = sizeof(bell);
	r.attach = attach;
	r.detach = detach;
	r.on_end = offsetof(bell, on_end);
	r.busy = [](void *l, reactor_fn fn, void *userdata) {
		loop_of(l)->busy = fn;
		be_busy(loop_of(l), userdata);
		return 0;
	};
	r.more = run_more;
}
