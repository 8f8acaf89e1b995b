"""Shows that the installed wheel is whole: run by `make wheel-test` from an empty folder, outside the source tree."""

import importlib
import pkgutil
import sys
from pathlib import Path

import numpy as np

import eagerly
from eagerly.datasets import digits
from eagerly.layers import Dense
from eagerly.models import Sequential


def reraise(name):
    raise  # walk_packages calls this while it handles the error, and would swallow it


def main():
    home = Path(eagerly.__file__).parent
    assert home.parent.name == "site-packages" and sys.prefix in str(home), f"not the installed package: {home}"

    names = [found.name for found in pkgutil.walk_packages(eagerly.__path__, "eagerly.", reraise)]
    for name in names:
        importlib.import_module(name)
    assert (home / "py.typed").exists()

    (x, y), _ = digits.load_data()
    x = x.reshape(len(x), -1).astype(np.float32)
    model = Sequential([Dense(4, activation="relu"), Dense(10)])
    model.compile(optimizer="sgd", loss="mean_squared_error")
    history = model.fit(x, np.eye(10, dtype=np.float32)[y], epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    print(f"eagerly {eagerly.__version__}: {len(names)} modules import, the digits load, a model trains")


if __name__ == "__main__":
    main()
