#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""asyncio with subprocesses, a few at a time, talked to through pipes."""

import asyncio
import os
import sys


async def ask(process, number):
    process.stdin.write(f"{number}\n".encode())
    await process.stdin.drain()
    return int(await process.stdout.readline())


async def calculator(number, steps):
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", "while read n; do echo $((n * n % 9973)); done",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    value = number
    for _ in range(steps):
        value = await ask(process, value + number)
    process.stdin.close()
    return value, await process.wait()


async def shell(number):
    process = await asyncio.create_subprocess_shell(
        f"sleep 0.0{number % 5}; seq {number} | sha256sum | cut -c 1-16; exit {number % 7}",
        stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode().strip(), process.returncode


async def main():
    for step in range(12 * int(os.environ.get("SCALE", 1))):
        jobs = [calculator(step + n, 150) for n in range(2)] + [shell(step * 3 + n) for n in range(3)]
        print("step", step, await asyncio.gather(*jobs), flush=True)
    print("result", step)


asyncio.run(main())
