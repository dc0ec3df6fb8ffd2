#!/usr/bin/env python3
"""Times several libraries on the same workloads in turns, and prints a table of times and ratios.

    cargo build --release -p bench
    examples/bench/driver.py flaxen=target/release/bench \\
        flax='python3 examples/bench/peer_flax.py' torch='python3 examples/bench/peer_torch.py compile'

A library is NAME=COMMAND. The command reads lines `case seconds` and answers each with
`case min_us median_us iterations` (times of one step) or `case na reason`. All are asked for one case before the next
one comes, and everything several rounds long, so that they share what else the machine does. Ratios are medians of the
first library divided by those of the others: below 1, the first one is faster.
"""
import argparse
import os
import selectors
import shlex
import statistics
import subprocess
import sys
import time

BATCHES = {"w1": (1, 32, 128), "w2": (1, 128), "w3": (8,), "w4": (4,)}
CASES = [f"{w}_{mode}_b{b}" for w, batches in BATCHES.items() for b in batches for mode in ("fwd", "train")]
CASES += ["w5_fwd_b8", "w5_grad_b8", "w6_chain", "w7_fwd_b32", "w7_train_b32"]
# Single functions, which only some peers have.
CASES += ["fft", "rfft", "irfft"]
CASES += [f"resize_{method}_{to}" for method in ("nearest", "linear", "cubic", "lanczos") for to in ("half", "double")]
CASES += [*(f"segment_sum_f{features}" for features in (1, 8, 16)), "index_add", "svd", "eigh", "qr", "inv"]
CASES += ["r4_fwd_b1_t16", "r4_fwd_b12_t44", "r4_fwd_b32_t64"]
# Networks as they are really used: R8 in F32 and in BF16.
CASES += ["r1_fwd_b1", "r1_fwd_b16", "r1_train_b16", "r2_train_b8", "r3_decode_b1", "r3_decode_b8", "r6_dpsgd_b64"]
CASES += [f"r8{dtype}_{mode}_b128" for mode in ("fwd", "train") for dtype in "fb"]
CASES += ["r9_fwd_b8", "r9_train_b8", "r10_train_b64"]
THREADS = ("FLAXEN_NUM_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Peer:
    """A running command, started again after it has failed."""

    def __init__(self, text, threads):
        self.name, _, command = text.partition("=")
        self.command, self.threads, self.process = shlex.split(command), threads, None
        self.least, self.medians, self.refusals = {}, {}, {}

    def ask(self, case, seconds, limit):
        if case in self.refusals:
            return
        if self.process is None:
            environment = dict(os.environ, JAX_PLATFORMS="cpu", **dict.fromkeys(THREADS, str(self.threads)))
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, env=environment)
        try:
            self.process.stdin.write(f"{case} {seconds}\n".encode())
            self.process.stdin.flush()
            words = self.answer(case, time.monotonic() + limit)
        except (OSError, TimeoutError) as error:
            self.refusals[case] = type(error).__name__
            self.stop()
            return
        if words[1] == "na":
            self.refusals[case] = "n/a"
            print(self.name, *words, file=sys.stderr)
            return
        least, median = map(float, words[1:3])
        self.least[case] = min(least, self.least.get(case, least))
        self.medians.setdefault(case, []).append(median)

    def answer(self, case, end):
        """The words of the answer to a case; other lines of output are passed over."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while (left := end - time.monotonic()) > 0:
                if not selector.select(left):
                    break
                line = self.process.stdout.readline().decode()
                if not line:
                    raise OSError("it ended")
                if (words := line.split()) and words[0] == case:
                    return words
        raise TimeoutError

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def cell(self, case, first):
        if case not in self.least:
            return self.refusals.get(case, "")
        median = statistics.median(self.medians[case])
        text = f"{self.least[case]:.1f} ({median:.1f})"
        if self is first or case not in first.medians:
            return text
        return f"{text} {statistics.median(first.medians[case]) / median:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="+", metavar="NAME=COMMAND")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each case, library and round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=float, default=120, help="seconds to wait for an answer")
    parser.add_argument("--cases", default="", help="beginnings of names, with commas: w1,w4_train")
    options = parser.parse_args()
    peers = [Peer(text, options.threads) for text in options.peers]
    cases = [case for case in CASES if case.startswith(tuple(options.cases.split(",")))]
    try:
        for count in range(options.rounds):
            for case in cases:
                for peer in peers:
                    peer.ask(case, options.seconds, options.limit)
            print(f"round {count + 1} of {options.rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    finally:
        for peer in peers:
            peer.stop()
    first = peers[0]
    heads = [first.name, *(f"{peer.name}, {first.name}÷" for peer in peers[1:])]
    print("µs: least (median)")
    print("| case |", " | ".join(heads), "|")
    print("|---|" + "---:|" * len(peers))
    for case in cases:
        print(f"| {case} |", " | ".join(peer.cell(case, first) for peer in peers), "|")


if __name__ == "__main__":
    main()
