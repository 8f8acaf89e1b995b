"""Milliseconds of a training step, of the same models in eagerly and in its peers.

make bench-training [BENCH_ARGS="--workloads mlp-64 lstm --contestants 'eagerly fit' jax --rounds 9"]

Each contestant trains each workload in a process of its own; the rounds go around between them, and medians count. All
start from the same weights and see the same data, so their first losses have to agree. A contestant that is not
installed, or that cannot do a workload, is reported as missing. The first step is timed from the call that trains on
the first batch to its end, the building of the model not included.
"""

import argparse
import statistics
import sys
import tempfile
import time

import children
from training.contestants import CONTESTANTS, answering
from training.workloads import WORKLOADS

# Before each round: idle threads of the contestant before, which look for work for up to 0.2 s, have gone to sleep.
PAUSE = 0.3
OURS = ("eagerly fit", "eagerly loop")
# Of the first loss, before any update, and of the next: PyTorch's Adam adds its epsilon elsewhere than Keras's.
TOLERANCES = (1e-4, 1e-2, 1e-2)


def trained(key, names, rounds):
    """What each contestant has answered on one workload: its medians, or why it has none."""
    results, running = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            contestant = CONTESTANTS[name]
            if lacks := contestant.missing():
                results[name] = {"failed": f"{', '.join(lacks)} is not installed"}
                continue
            environment = {**contestant.environment}
            if contestant.cache:
                environment[contestant.cache] = f"{folder}/{name.replace(' ', '-')}"
            cold = None
            if name in OURS:  # its cache of kernels is empty for a first process, and full for the one that stays
                cold, child = started(name, key, environment)
                child.close()
            results[name], child = started(name, key, environment)
            results[name]["cold"] = (cold or results[name]).get("first")
            if "failed" not in results[name]:
                results[name] |= child.ask("warm")
            if "failed" in results[name]:
                child.close()
            else:
                running[name] = child
        samples = {name: [] for name in running}
        for _ in range(rounds):
            for name, child in running.items():
                time.sleep(PAUSE)
                samples[name].append(child.ask("round"))
        for name, child in running.items():
            child.close()
            failed = [sample for sample in samples[name] if "failed" in sample]
            results[name] |= failed[0] if failed else summary(samples[name])
    return results


def started(name, key, environment):
    child = children.Child(__file__, "--serve", name, key, environment=environment)
    return child.ask("start"), child


def summary(samples):
    return {"ms": statistics.median(s["ms"] for s in samples), "peak": samples[-1]["peak"]}


def table(head, rows):
    print(f"\n| {' | '.join(head)} |")
    print("|---" * len(head) + "|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def shown(value, form=".3g"):
    return "" if value is None else f"{value:{form}}"


def ratio(results, ours, theirs):
    """Our time to the best of theirs; None where either is missing."""
    peers = [results[name]["ms"] for name in theirs if "ms" in results.get(name, {})]
    mine = results.get(ours, {}).get("ms")
    return mine / min(peers) if mine and peers else None


def report(everything, names, rounds):
    titles = {key: WORKLOADS[key].title for key in everything}
    peers = [name for name in names if name not in OURS]
    comparisons = {
        "fit / best peer": ("eagerly fit", peers),
        "loop / best peer": ("eagerly loop", peers),
        "loop / torch": ("eagerly loop", ["torch"]),
    }
    ratios = {key: [ratio(results, *c) for c in comparisons.values()] for key, results in everything.items()}
    rows = [
        [
            titles[key],
            *(shown(results[name].get("ms"), ".3f") for name in names),
            *(shown(r, ".2f") for r in ratios[key]),
        ]
        for key, results in everything.items()
    ]
    table([f"ms a step, medians of {rounds} rounds", *names, *comparisons], rows)
    for title, column in zip(comparisons, zip(*ratios.values(), strict=True), strict=True):
        if found := [value for value in column if value is not None]:
            print(f"\n{title}: geometric mean {statistics.geometric_mean(found):.2f}, highest {max(found):.2f}", end="")
            print(f", of {len(found)} of {len(column)} rows.")
    first = [[titles[key], *(first_step(name, results[name]) for name in names)] for key, results in everything.items()]
    table(["s to the first step (eagerly: cold / warm cache)", *names], first)
    peak = [
        [titles[key], *(shown(results[name].get("peak"), ".0f") for name in names)]
        for key, results in everything.items()
    ]
    table(["peak MB", *names], peak)
    imports = {name: [r[name]["import"] for r in everything.values() if "import" in r[name]] for name in names}
    cells = [shown(statistics.median(found), ".2f") if found else "" for found in imports.values()]
    table(["", *names], [["s of import", *cells]])
    print("\n" + "\n".join(missing(everything, names) + disagreements(everything)))


def first_step(name, result):
    if name in OURS and "first" in result:
        return f"{shown(result['cold'], '.2f')} / {shown(result['first'], '.2f')}"
    return shown(result.get("first"), ".2f")


def missing(everything, names):
    """A line for each thing that did not run."""
    why = {}
    for key, results in everything.items():
        for name in names:
            if "ms" not in results[name]:
                why.setdefault((name, results[name]["failed"]), []).append(key)
    return [f"- Missing: {name} on {', '.join(keys)}: {reason}." for (name, reason), keys in why.items()]


def disagreements(everything):
    """A line for each workload: whether all had the same losses."""
    lines = []
    for key, results in everything.items():
        losses = {name: result["losses"] for name, result in results.items() if "losses" in result}
        if not losses:
            continue
        middle = [statistics.median(column) for column in zip(*losses.values(), strict=True)]
        off = {
            name: found
            for name, found in losses.items()
            if not all(abs(a - b) <= t * abs(b) for a, b, t in zip(found, middle, TOLERANCES, strict=True))
        }
        stated = ", ".join(f"{value:.4f}" for value in middle)
        others = "".join(f"; NOT {name}: {', '.join(f'{v:.4f}' for v in found)}" for name, found in off.items())
        lines.append(f"- First losses on {key}, of {len(losses) - len(off)} alike: {stated}{others}.")
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    everything = {}
    for key in chosen.workloads:
        print(f"{key} …", file=sys.stderr)
        everything[key] = trained(key, chosen.contestants, chosen.rounds)
    print(children.machine())
    report(everything, chosen.contestants, chosen.rounds)


if __name__ == "__main__":
    if "--serve" in sys.argv:
        children.serve(lambda: answering(*sys.argv[2:]))
    else:
        children.in_clean_child(main)
