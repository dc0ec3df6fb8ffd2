"""Products of matrices in PyTorch (oneDNN or MKL), in GFLOP/s: the lines of `runtime/benches/products.rs`, on one thread and on two."""
import sys
import time

import torch

ROWS = [1, 4, 8, 16, 32, 64, 128, 528, 2048]
# What is summed, columns, and whether the right matrix lies transposed.
RIGHT = [(384, 384, 0), (384, 1536, 0), (1536, 384, 0), (1024, 1024, 0), (784, 1024, 0), (256, 4096, 1), (1024, 1024, 1)]
GRADIENTS = [(384, 2048, 1536), (1024, 128, 1024), (256, 1024, 4096), (784, 128, 1024), (1536, 528, 384)]
HEADS = [(12, 64, 32, 64), (12, 16, 32, 16), (12, 16, 16, 32), (384, 64, 32, 64), (384, 64, 64, 32)]


def rate(flops, run):
    repeat = -(-1_000_000 // flops)
    least, end = float("inf"), time.perf_counter() + 0.06
    run()
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(repeat):
            run()
        least = min(least, (time.perf_counter() - start) / repeat)
    return flops / least * 1e-9


def matrix(rows, columns, transposed=False):
    return torch.randn(columns, rows).t() if transposed else torch.randn(rows, columns)


def cases():
    for k, n, transposed in RIGHT:
        for m in ROWS:
            yield f"{m} × {k} × {n}{'ᵀ' * transposed}", matrix(m, k), matrix(k, n, transposed), 2 * m * k * n
    for m, k, n in GRADIENTS:
        yield f"{m}ᵀ × {k} × {n}", matrix(m, k, True), matrix(k, n), 2 * m * k * n
    for b, m, k, n in HEADS:
        right = torch.randn(b, n, k).transpose(1, 2) if k == 32 else torch.randn(b, k, n)
        yield f"{b} heads of {m} × {k} × {n}", torch.randn(b, m, k), right, 2 * b * m * k * n


print("| product | 1 thread | 2 threads |\n|---|---:|---:|")
with torch.inference_mode():
    for name, left, right, flops in cases():
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        rates = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            out = torch.matmul(left, right)
            rates.append(rate(flops, lambda: torch.matmul(left, right, out=out)))
        print(f"| {name} | {rates[0]:.0f} | {rates[1]:.0f} |", flush=True)
