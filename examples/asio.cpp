// SPDX-License-Identifier: MIT
//
// asio.cpp: a TCP server that turns lines round. Two threads do the work, and the loop, which owns the
// connections, writes each answer when it is told by the bell. Boost.Asio, or, with ASIO_STANDALONE, Asio.
#ifdef ASIO_STANDALONE
#include <asio.hpp>
#else
#include <boost/asio.hpp>
#endif

#include <algorithm>
#include <array>
#include <iostream>
#include <optional>
#include <string>
#include <thread>

#include <doorbell.h>
#include <doorbell/adapt/asio.hpp>

namespace io = doorbell::io;
using io::ip::tcp;

constexpr std::size_t clients = 6;
struct connection { // the token is its index
	std::optional<tcp::socket> socket;
	std::string text;
};

int main()
{
	io::io_context context;
	io::thread_pool pool(2);
	std::array<connection, clients> connections;
	bell_queue *q;
	std::size_t open = 0, answered = 0;
	if (bell_queue_new(&q, clients, 0) < 0)
		return 1;
	doorbell::bell_asio bell(context);
	bell.attach(q, 64, [&](std::uint32_t token) {
		io::write(*connections[token].socket, io::buffer(connections[token].text));
		if (++answered == clients)
			bell.detach(); // nothing is left to wait for: run() returns
	});

	tcp::acceptor acceptor(context, tcp::endpoint(io::ip::address_v4::loopback(), 0));
	auto accept = [&](auto &again) -> void {
		acceptor.async_accept([&](doorbell::error_code, tcp::socket socket) {
			const auto token = static_cast<std::uint32_t>(open++);
			auto &c = connections[token];
			c.socket = std::move(socket);
			io::async_read_until(*c.socket, io::dynamic_buffer(c.text), '\n', [&, token](auto, auto n) {
				io::post(pool, [&, token, n] {
					std::reverse(c.text.begin(), c.text.begin() + static_cast<long>(n) - 1);
					bell_queue_notify(q, token); // whoever is told also sees the text
				});
			});
			if (open < clients)
				again(again);
		});
	};
	accept(accept);

	std::string answer; // to the last client
	std::thread asking([&answer, to = acceptor.local_endpoint()] {
		std::array<tcp::iostream, clients> streams;
		for (auto &stream : streams) {
			stream.connect(to);
			stream << "hello" << std::endl;
		}
		for (auto &stream : streams)
			std::cout << (std::getline(stream, answer), answer) << '\n';
	});
	context.run();
	asking.join();
	pool.join();
	bell_queue_unref(q);
	return answer == "olleh" ? 0 : 1;
}
