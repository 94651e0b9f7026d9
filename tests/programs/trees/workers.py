#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""multiprocessing: a pool of forked workers, then one of spawned ones, queues and a lock."""

import hashlib
import multiprocessing
import os
import sys


def work(step):
    digest = hashlib.sha256(str(step).encode()).digest()
    for _ in range(8000):
        digest = hashlib.sha256(digest).digest()
    return step, digest.hex()[:16]


def count(todo, done, total):
    while (item := todo.get()) is not None:
        with total.get_lock():
            total.value += item
        done.put(item)


def pool(method, steps):
    context = multiprocessing.get_context(method)
    with context.Pool(3) as workers:
        for step, digest in workers.imap(work, range(steps), chunksize=2):
            print(method, step, digest, flush=True)


def queues(method, steps):
    context = multiprocessing.get_context(method)
    todo, done, total = context.Queue(), context.SimpleQueue(), context.Value("q", 0)
    workers = [context.Process(target=count, args=(todo, done, total)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for step in range(steps):
        todo.put(step)
    got = sorted(done.get() for _ in range(steps))
    for _ in workers:
        todo.put(None)
    for worker in workers:
        worker.join()
    print(method, "queues", len(got), sum(got), total.value, flush=True)


def main():
    method = sys.argv[1]
    steps = 60 * int(os.environ.get("SCALE", 1))
    pool(method, steps)
    queues(method, steps * 10)
    print("result", method)


if __name__ == "__main__":
    main()
