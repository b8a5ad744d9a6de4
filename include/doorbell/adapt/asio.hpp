/* SPDX-License-Identifier: MIT
 *
 * adapt/asio.hpp: watch a queue from Boost.Asio, or, where ASIO_STANDALONE is defined or there is no Boost,
 * from stand-alone Asio.
 *
 *	asio::io_context context;				// boost::asio or asio
 *	doorbell::bell_asio bell(context);
 *
 *	bell.attach(q, 64, [](std::uint32_t token) { handle(token); });
 *	bell.on_end([](int error) { ... });			// the queue was closed
 *	context.run();
 *
 * Level-triggered, as Asio's waits are: the queue is one without BELL_QUEUE_EDGE. C++17, Boost 1.74 or Asio
 * 1.18 and later. It waits on a dup of the bell, for Asio closes what it is given. The attachment holds a
 * reference to the queue, counts as work, so that run() does not return, and ends with the object.
 * As with any I/O object of Asio one thread at a time may use it; where several threads run a context,
 * give it a strand. Handlers run on its executor, one at a time. They may detach and destroy the object,
 * and they may throw: the exception comes out of run(), what was not handed out stays queued, and the
 * bell stays attached. The context outlives the object; a forked child calls notify_fork() first.
 */
#ifndef DOORBELL_ADAPT_ASIO_HPP
#define DOORBELL_ADAPT_ASIO_HPP

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <doorbell/queue.h>

/* One program may use both, in different files: the two classes have different names to the linker. */
#if !defined(ASIO_STANDALONE) && __has_include(<boost/asio/posix/stream_descriptor.hpp>)
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
namespace doorbell { inline namespace boost_asio {
namespace io = ::boost::asio;
using ::boost::system::error_code, ::boost::system::system_error;
#else
#include <asio/any_io_executor.hpp>
#include <asio/posix/stream_descriptor.hpp>
namespace doorbell { inline namespace standalone_asio {
namespace io = ::asio;
using ::asio::error_code, ::asio::system_error;
#endif

/** One queue on one executor. */
class bell_asio {
public:
	using executor_type = io::any_io_executor;
	using token_handler = std::function<void(std::uint32_t token)>;
	using end_handler = std::function<void(int error)>;

	/** Not attached. A strand is an executor too; a context, io_context or thread_pool, has one. */
	explicit bell_asio(executor_type executor) : executor_(std::move(executor)) {}
	template <class Context, class = typename Context::executor_type>
	explicit bell_asio(Context &context) : executor_(context.get_executor()) {}
	~bell_asio() { detach(); }
	bell_asio(const bell_asio &) = delete;
	bell_asio &operator=(const bell_asio &) = delete;

	executor_type get_executor() const { return executor_; }
	bool is_attached() const { return state_ && state_->queue; }

	/**
	 * attach(): wait for the bell. Attached already, it detaches first.
	 * budget: the most tokens handed to fn before the context gets its turn again, > 0.
	 * Sets error: EINVAL (budget 0, or the queue has BELL_QUEUE_EDGE), EMFILE, ENOMEM, ENOSPC; it is
	 * then not attached. Tokens already queued make the context wake at once. The one without error
	 * throws system_error instead.
	 */
	void attach(bell_queue *queue, std::size_t budget, token_handler fn, error_code &error)
	{
		detach();
		auto s = std::make_shared<state>(executor_);
		const bool fits = budget > 0 && !(bell_queue_flags(queue) & BELL_QUEUE_EDGE);
		const int fd = fits ? ::fcntl(bell_queue_fd(queue), F_DUPFD_CLOEXEC, 0) : -1;
		error = error_code(fits ? errno : EINVAL, io::error::get_system_category());
		if (fd < 0)
			return;
		s->descriptor.assign(fd, error);
		if (error) {
			::close(fd);
			return;
		}
		s->queue = bell_queue_ref(queue);
		s->budget = budget;
		s->fn = std::move(fn);
		state_ = s;
		wait(std::move(s));
	}

	void attach(bell_queue *queue, std::size_t budget, token_handler fn)
	{
		error_code error;

		attach(queue, budget, std::move(fn), error);
		if (error)
			throw system_error(error, "bell_asio::attach");
	}

	/**
	 * on_end(): after attach: what to call when the queue is closed and drained, with -ESHUTDOWN, or
	 * when Asio gave up on the wait, with the negative of its error: the bell has then been detached.
	 */
	void on_end(end_handler end)
	{
		if (state_)
			state_->end = std::move(end);
	}

	/**
	 * detach(): end the wait and drop the reference; tokens that are queued stay queued, and the
	 * handler is not called again. Of no effect when not attached.
	 */
	void detach() noexcept
	{
		if (state_)
			state_->detach();
		state_.reset();
	}

private:
	/* Shared with the wait under way, so that a handler may destroy the object. */
	struct state {
		explicit state(const executor_type &executor) : descriptor(executor) {}
		~state() { detach(); } /* of a context that goes away with a wait in it */

		void detach() noexcept
		{
			error_code ignored;

			if (!queue)
				return;
			bell_queue_stop(queue);
			descriptor.close(ignored);
			queue = bell_queue_unref(queue);
		}

		io::posix::stream_descriptor descriptor;
		bell_queue *queue = nullptr; /* NULL: not attached */
		std::size_t budget = 0;
		token_handler fn;
		end_handler end;
		std::exception_ptr thrown; /* by fn: dispatch is C and must not see it */
	};

	static void wait(std::shared_ptr<state> s)
	{
		auto &descriptor = s->descriptor;

		descriptor.async_wait(descriptor.wait_read,
			[s = std::move(s)](const error_code &error) { ready(s, error); });
	}

	static void hand_out(void *userdata, std::uint32_t token) noexcept
	{
		auto s = static_cast<state *>(userdata);

		try {
			s->fn(token);
		} catch (...) {
			s->thrown = std::current_exception();
			if (s->queue)
				bell_queue_stop(s->queue);
		}
	}

	static void ready(const std::shared_ptr<state> &s, const error_code &error)
	{
		ssize_t n = -error.value();

		if (!s->queue) /* detached, whatever the error */
			return;
		if (!error)
			n = bell_queue_dispatch(s->queue, s->budget, hand_out, s.get());
		if (n < 0) {
			s->detach();
			if (s->end)
				s->end(static_cast<int>(n));
		} else if (s->queue) {
			wait(s);
		}
		if (s->thrown)
			std::rethrow_exception(std::exchange(s->thrown, nullptr));
	}

	executor_type executor_;
	std::shared_ptr<state> state_;
};

}} // namespace

#endif
