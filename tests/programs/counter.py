#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A counter in Python: dictionaries, strings, a generator, a thread and garbage in cycles."""

import hashlib
import os
import queue
import sys
import threading


class Node:
    """Refers to itself by a detour: only the cycle collector can free it."""

    def __init__(self, value):
        self.value = value
        self.others = {"self": self, value: [self]}


def numbers(start, count):
    value = start
    for _ in range(count):
        value = (value * 6364136223846793005 + 1442695040888963407) % 2**64
        yield value


def count_words(step):
    words = {}
    for value in numbers(step, 12000):
        node = Node(value)
        word = f"{node.others['self'].value % 997:03x}"
        words[word] = words.get(word, 0) + 1
    return sorted(words.items())


def digest_lines(todo, done):
    """The thread: hashes what it is given, in order."""
    digest = hashlib.sha256()
    while (item := todo.get()) is not None:
        digest.update(repr(item).encode())
        done.put(digest.hexdigest()[:16])


def main():
    steps = int(sys.argv[1] if len(sys.argv) > 1 else 80) * int(os.environ.get("SCALE", 1))
    todo, done = queue.Queue(), queue.Queue()
    thread = threading.Thread(target=digest_lines, args=(todo, done))
    thread.start()
    for step in range(1, steps + 1):
        todo.put(count_words(step))
        digest = done.get()
        print("step", step, digest, flush=True)
    todo.put(None)
    thread.join()
    print("result", digest, flush=True)


main()
