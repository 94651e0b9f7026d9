// SPDX-License-Identifier: Apache-2.0
// C++ threads that throw: each walks down a recursion, throws from the bottom through frames with
// destructors, catches half-way, rethrows, and hands the exception to another thread by a future.
#include <future>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "program.h"

namespace
{

constexpr int threads = 4;
constexpr int throws = 2000;
constexpr int depth = 12;

struct Odd : std::runtime_error {
	uint64_t value;

	explicit Odd(uint64_t v) : std::runtime_error("odd " + std::to_string(v)), value(v)
	{
	}
};

// Adds to the hash when its frame is left, be it by an exception.
class Trace
{
      public:
	Trace(uint64_t &hash, int level) : hash_(hash), level_(level)
	{
	}
	~Trace()
	{
		hash_ = mix(hash_, static_cast<uint64_t>(level_));
	}
	Trace(const Trace &) = delete;
	Trace &operator=(const Trace &) = delete;

      private:
	uint64_t &hash_;
	int level_;
};

uint64_t descend(uint64_t value, int level, uint64_t &hash)
{
	Trace trace(hash, level);

	if (level == 0) {
		if (value & 1)
			throw Odd(value);
		return value;
	}
	auto half = std::make_unique<uint64_t>(mix(value, static_cast<uint64_t>(level)));
	if (level != depth / 2)
		return descend(*half, level - 1, hash);
	try {
		return descend(*half, level - 1, hash);
	} catch (const Odd &odd) {
		hash = mix(hash, odd.value);
		throw;
	}
}

uint64_t work(uint64_t seed)
{
	std::map<std::string, uint64_t> seen;
	uint64_t hash = seed;

	for (uint64_t i = 0; i < throws; i++) {
		try {
			uint64_t value = descend(mix(seed, i), depth, hash);
			hash = mix(hash, value);
		} catch (const std::exception &e) {
			seen[e.what()] = hash;
		}
	}
	for (const auto &[what, value] : seen)
		hash = mix(hash, value + what.size());
	throw Odd(hash);
}

uint64_t step(long number)
{
	std::vector<std::future<uint64_t>> results;
	uint64_t hash = 0;

	for (uint64_t i = 0; i < threads; i++)
		results.push_back(std::async(
			std::launch::async, work, mix(static_cast<uint64_t>(number), i)));
	for (auto &each : results) {
		try {
			each.get();
			expect(false, "a thread did not throw");
		} catch (const Odd &odd) {
			hash = mix(hash, odd.value);
		}
	}
	return hash;
}

} // namespace

int main(int argc, char **argv)
{
	long n = steps(argc, argv, 20);
	uint64_t hash = 0;

	for (long s = 1; s <= n; s++) {
		hash = mix(hash, step(s));
		progress(s, hash);
	}
	return result(hash);
}
