#!/usr/bin/env python3
"""The machine's roofline, and the search's cost on paper beside what it takes.

    python benchmarks/rates.py [--images 16] [--patches 256] [--size 512] [--threads N] [--repeats 3] [--cache DIR]

Prints the rates of a single-precision matrix product, of 512 x 512 inverse transforms, of 64-bit comparisons (XOR and
population count) and of a copy in memory; then for every stage what it costs on paper for the whole challenge (38,400
patches, 600 images), the least time that these rates allow for it, and the time that it takes, measured on a few
simulated pictures and brought to the challenge's size by the paper cost; last, the budget when 5, 10 and 20 % of the
patches are in doubt.
"""

import argparse
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numba
import numpy as np
import scipy.fft
import sets
from stages import CHALLENGE, Cost, Scale, Stage, read_cost, stages

from matcher.formats.opening import open_images, open_patches
from matcher.imagery import Pictures
from matcher.kernels.bits import popcount
from matcher.kernels.jit import kernel
from matcher.threads import limited, usable_cores

SHARES = (0.05, 0.1, 0.2)
_LINE = "{:<15}{:>10}{:>9}{:>9}{:>9}{:>11}{:>12}{:>8}"


@dataclass(frozen=True)
class Rates:
    """Per second, by all threads: multiplications and additions, transforms' operations, comparisons, bytes."""

    flops: float
    fft: float
    words: float
    bytes: float

    def least(self, cost: Cost) -> float:
        """Seconds that a cost takes at the least: the slower of computing and moving."""
        computing = cost.words / self.words + cost.flops / self.flops + cost.fft / self.fft
        return max(computing, cost.bytes / self.bytes)


@kernel(nogil=True)
def compare(words, others, rounds):
    """Sum of differing bits of every word with eight others a round: words (n,) that fit the nearest cache."""
    own, sums = words.copy(), np.zeros(len(words), np.uint64)  # the function's own: known not to overlap
    for r in range(rounds):
        p = others[r % len(others)]
        p0, p1, p2, p3, p4, p5, p6, p7 = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]
        for k in range(len(own)):
            w = own[k]
            sums[k] += (
                (popcount(w ^ p0) + popcount(w ^ p1))
                + (popcount(w ^ p2) + popcount(w ^ p3))
                + (popcount(w ^ p4) + popcount(w ^ p5))
                + (popcount(w ^ p6) + popcount(w ^ p7))
            )
    return sums.sum()


def measure_rates(threads: int, repeats: int, small: bool = False) -> Rates:
    """The machine's rates, the best of some repeats."""
    rng = np.random.default_rng(0)
    n = 512 if small else 4096
    a, b = rng.random((2, n, n), np.float32)
    seconds = best_time(lambda: a @ b, repeats)
    flops = 2 * n**3 / seconds

    batch = (rng.random((8, 512, 257), np.float32) + 1j).astype(np.complex64)
    times = 2 if small else 32
    seconds = best_time(
        lambda: [scipy.fft.irfft2(batch, s=(512, 512), workers=threads) for _ in range(times)], repeats
    )
    fft = times * 8 * 2.5 * 512**2 * np.log2(512**2) / seconds

    words, others = (rng.integers(0, 2**64, shape, np.uint64) for shape in (1024, (64, 8)))
    rounds = 1000 if small else 400_000
    with ThreadPoolExecutor(threads) as pool:
        seconds = best_time(
            lambda: list(pool.map(lambda _: compare(words, others, rounds), range(threads))), repeats
        )
    comparisons = threads * rounds * len(words) * 8 / seconds

    source = np.ones((threads, (1 << 22) if small else (1 << 26)), np.float32)
    target = np.zeros_like(source)
    with ThreadPoolExecutor(threads) as pool:
        seconds = best_time(lambda: list(pool.map(np.copyto, target, source)), repeats)
    return Rates(flops, fft, comparisons, 2 * source.nbytes / seconds)


def best_time(run, repeats: int) -> float:
    """Seconds of the fastest of some runs, after one to warm up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_stages(made: list[Stage], threads: int, repeats: int) -> dict[str, float]:
    """Seconds of every stage on its small inputs."""
    with limited(threads):
        return {stage.name: best_time(stage.run, repeats) for stage in made}


def to_challenge(stage: Stage, seconds: float, small: Scale, doubt: float) -> float:
    """Seconds at the challenge's size, grown as the cost on paper grows."""
    return seconds * stage.cost(replace(CHALLENGE, doubt=doubt)).work / stage.cost(small).work


def print_rates(rates: Rates, threads: int) -> None:
    print(
        f"{platform.processor() or platform.machine()}, {threads} threads, numba for {numba.config.CPU_NAME or 'host'}"
    )
    print(f"single-precision matrix product  {rates.flops / 1e9:9.1f} GFLOP/s")
    transform = 2.5 * 512**2 * np.log2(512**2)
    print(f"512 x 512 inverse transforms     {rates.fft / transform:9.0f} /s ({rates.fft / 1e9:.1f} GFLOP/s)")
    print(
        f"64-bit comparisons               {rates.words / 1e9:9.1f} G/s (512 bits: {rates.words / 8e9:.2f} G/s)"
    )
    print(f"copy in memory, read and written {rates.bytes / 1e9:9.1f} GB/s")


def print_stages(
    made: list[Stage], seconds: dict[str, float], small: Scale, rates: Rates, doubt: float
) -> None:
    """Cost on paper, least time and measured time of every stage."""
    full = replace(CHALLENGE, doubt=doubt)
    print(
        f"\nthe challenge ({full.patches:,} patches, {full.images} images), {doubt:.0%} of the patches in doubt:"
    )
    print(_LINE.format("stage", "words", "flop", "fft flop", "bytes", "least, s", "measured, s", "x"))
    rows = [("read", read_cost(full), None)]
    rows += [(s.name, s.cost(full), to_challenge(s, seconds[s.name], small, doubt)) for s in made]
    for name, cost, taken in rows:
        least = rates.least(cost)
        numbers = [f"{n:.1e}" if n else "" for n in (cost.words, cost.flops, cost.fft, cost.bytes)]
        measured = ("", "") if taken is None else (f"{taken:.1f}", f"{taken / least:.1f}")
        print(_LINE.format(name, *numbers, f"{least:.1f}", *measured))
    total = sum(taken or 0.0 for _, _, taken in rows)
    print(
        _LINE.format(
            "sum", "", "", "", "", f"{sum(rates.least(c) for _, c, _ in rows):.1f}", f"{total:.1f}", ""
        )
    )


def print_budget(made: list[Stage], seconds: dict[str, float], small: Scale) -> None:
    """Measured seconds of every stage at several shares of doubt."""
    print("\nbudget, s    " + "".join(f"{share:>8.0%}" for share in SHARES) + "  in doubt")
    columns = [[to_challenge(s, seconds[s.name], small, share) for s in made] for share in SHARES]
    for stage, times in zip(made, zip(*columns, strict=True), strict=True):
        print(f"{stage.name:<13}" + "".join(f"{t:8.1f}" for t in times))
    print(f"{'sum':<13}" + "".join(f"{sum(c):8.1f}" for c in columns))


def pictures(chosen: sets.Set, patches: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Images and the first patches of a set as DN."""
    targets = Pictures(open_images(chosen.images), "auto")
    queries = Pictures(open_patches(chosen.patches), "auto")
    return list(targets), [queries[k] for k in range(min(patches, len(queries)))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--patches", type=int, default=256)
    parser.add_argument("--size", type=int, default=512, help="pixels a side of an image")
    parser.add_argument(
        "--doubt", type=float, default=0.1, help="share of patches in doubt, of the first table"
    )
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=sets.CACHE, help="where sets are kept")
    parser.add_argument(
        "--quick", action="store_true", help="little of everything: a trial, not a measurement"
    )
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.images, chosen.patches, chosen.size, chosen.repeats = 4, 32, 192, 1
    rates = measure_rates(chosen.threads, chosen.repeats, chosen.quick)
    print_rates(rates, chosen.threads)
    made = sets.simulated(chosen.cache, chosen.images, -(-chosen.patches // chosen.images), chosen.size)
    targets, patches = pictures(made, chosen.patches)
    small = Scale(len(targets), len(patches), chosen.size, len(patches[0]), doubt=1.0)
    with limited(chosen.threads):
        every = stages(targets, patches)
    seconds = measure_stages(every, chosen.threads, chosen.repeats)
    print_stages(every, seconds, small, rates, chosen.doubt)
    print_budget(every, seconds, small)


if __name__ == "__main__":
    main()
