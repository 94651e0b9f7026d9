#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""numpy with a threaded BLAS: products of matrices of small integers in floating point, which are
exact in whatever order the threads add, and vector operations on the result."""

import hashlib
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "4")
import numpy as np  # noqa: E402  (reads the environment when it is loaded)

SIDE = 384


def main():
    steps = int(sys.argv[1] if len(sys.argv) > 1 else 30) * int(os.environ.get("SCALE", 1))
    random = np.random.default_rng(seed=1)
    a = random.integers(0, 1000, (SIDE, SIDE)).astype(np.float64)
    b = random.integers(0, 1000, (SIDE, SIDE)).astype(np.float64)
    digest = hashlib.sha256()
    for step in range(1, steps + 1):
        a = (a @ b) % 997
        b = np.sort((b + a.T) % 1009, axis=1)
        digest.update(a.astype(np.int64).tobytes())
        print("step", step, digest.hexdigest()[:16], flush=True)
    print("result", digest.hexdigest()[:16], flush=True)


main()
