"""Who takes part, and what the process of each does: imports, first steps, rounds."""

import importlib
import importlib.util
import resource
import time
from dataclasses import dataclass, field

# A round lasts about so long.
SECONDS = 0.2
FIRST_STEPS = 3


@dataclass(frozen=True)
class Contestant:
    """`make` is a function of a module in this folder; `libraries` are imported first, and timed.

    `cache` is the variable that names the folder of what it has compiled.
    """

    libraries: tuple
    make: str
    environment: dict = field(default_factory=dict)
    cache: str = ""

    def missing(self):
        """What is not installed."""
        return [name for name in self.libraries if not importlib.util.find_spec(name.partition(".")[0])]


def _ours(make):
    parts = ("layers", "losses", "models", "optim")
    return Contestant(
        ("eagerly", *(f"eagerly.{part}" for part in parts)), f"with_eagerly.{make}", cache="EAGERLY_CACHE_DIR"
    )


def _keras(backend):
    return Contestant((backend, "keras"), "with_keras.make", {"KERAS_BACKEND": backend})


CONTESTANTS = {
    "eagerly fit": _ours("fit"),
    "eagerly loop": _ours("loop"),
    "torch": Contestant(("torch",), "with_torch.make"),
    "torch.compile": Contestant(("torch",), "with_torch.make_compiled", cache="TORCHINDUCTOR_CACHE_DIR"),
    "jax": Contestant(("jax",), "with_jax.make"),
    "keras/tensorflow": _keras("tensorflow"),
    "keras/jax": _keras("jax"),
    "keras/torch": _keras("torch"),
}


def answering(name, key):
    """What a contestant's process says to "start" and to "round"; an exception is its answer too."""
    one = many = None
    steps = 1

    def start():
        nonlocal one, many, steps
        began = time.perf_counter()
        for library in CONTESTANTS[name].libraries:
            importlib.import_module(library)
        imported = time.perf_counter() - began
        from .workloads import WORKLOADS

        module, function = CONTESTANTS[name].make.split(".")
        made = getattr(importlib.import_module(f".{module}", __package__), function)
        one, many = made(WORKLOADS[key])
        began = time.perf_counter()
        losses = [one(0)]
        first = time.perf_counter() - began
        losses += [one(i) for i in range(1, FIRST_STEPS)]
        return {"import": imported, "first": first, "losses": losses}

    def warm():
        nonlocal steps
        for _ in range(3):
            steps = max(1, round(SECONDS / seconds(steps)))
        return {}

    def seconds(steps):
        """Of one step."""
        began = time.perf_counter()
        done = many(steps)
        return (time.perf_counter() - began) / done

    def round_():
        many(1)  # which wakes one's own threads
        ms = seconds(steps) * 1e3
        return {"ms": ms, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}

    def answer(request):
        try:
            return {"start": start, "warm": warm, "round": round_}[request]()
        except Exception as error:  # noqa: BLE001 - whatever a contestant cannot do is part of the report
            return {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:200]}

    return answer
