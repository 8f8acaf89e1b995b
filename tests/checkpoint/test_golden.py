"""Files of every version of the format, written once and never again, are read for ever.

Each, `golden/v<version>.h5`, was saved by a CheckpointManager of the name "golden" from `objects(1)`, with metric=0.5.
"""

from pathlib import Path

import numpy as np
import pytest

from eagerly import dtypes
from eagerly.checkpoint import Checkpoint, CheckpointManager, load_into
from eagerly.checkpoint import format as layout
from eagerly.checkpoint.reading import CheckpointFile
from eagerly.checkpoint.tree import differences, survey
from eagerly.variable import Variable
from trackables import Box, Counter, Lazy, Momentum, filled

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = [1, 2]


def of_dtype(name, value):
    return Variable((np.arange(6).reshape(2, 3) % 2 * value).astype(dtypes.dtype(name)))


def objects(value):
    """Everything that a file of versions 1 and 2 can hold; the values times 0 or 1."""
    kernel, bias = filled(2, 3, value=value * 2), filled(3, value=value * 3)
    model = Box(layers={"dense_0": Box(kernel=kernel, bias=bias), "dense_1": Box(kernel=kernel)})
    model.parent = model
    model.keys = {
        key: Variable(np.float32(value * i)) for i, key in enumerate(["a/b", "0", 0, -3, ("t", 1), "", "é", "%"])
    }
    model.dtypes = {name: of_dtype(name, value) for name in dtypes.NAMES}
    model.empty = Variable(np.zeros((0, 3), np.float32))
    model.lazy = Lazy(fill=value * 7.0).build(2)
    model.counter = Counter(
        3 * value, text="ä\n", list=[None, True, 1.5, {"x": []}], inf=float("inf"), big=10**30 * value
    )
    return Checkpoint(
        model=model, optimizer=Momentum().build([kernel, bias], fill=value * 9.0), items=[filled(1, value=4)]
    )


def values(checkpoint):
    model = checkpoint.model
    variables = [
        model.layers["dense_0"].kernel,
        model.layers["dense_0"].bias,
        *model.keys.values(),
        *model.dtypes.values(),
        model.empty,
        model.lazy.kernel,
        model.lazy.bias,
        *(slots["momentum"] for _, slots in checkpoint.optimizer.slots),
        checkpoint.items[0],
    ]
    return [variable.numpy().tobytes() for variable in variables], model.counter.state


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_of_each_version_is_read(version):
    restored = objects(0)
    restored.restore(GOLDEN / f"v{version}.h5").assert_consumed()
    assert values(restored) == values(objects(1)) and int(restored.save_counter) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_of_each_version_is_whole_and_about_itself(version):
    with CheckpointFile(str(GOLDEN / f"v{version}.h5")) as file:
        file.verify_values()
        assert file.about == {"name": "golden", "number": 1, "metric": 0.5}
        assert differences(file, survey(file.path)) == [] and file.tree_is_as_written()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_part_of_a_file_of_each_version_is_read(version):
    layer = Lazy()
    status = load_into(layer, GOLDEN / f"v{version}.h5", at="model/lazy")
    layer.build(2)
    status.assert_consumed()
    assert layer.kernel.numpy().tolist() == [[7] * 3] * 2


def test_there_is_a_file_of_the_version_that_is_written():
    assert layout.VERSION == VERSIONS[-1] and {f"v{version}.h5" for version in VERSIONS} == {
        path.name for path in GOLDEN.glob("v*.h5")
    }


def test_what_is_written_now_is_the_file_of_the_newest_version(tmp_path):
    """Same objects, same version, same bytes: another byte is another version, or breaks a promise."""
    path = CheckpointManager(objects(1), tmp_path, checkpoint_name="golden").save(metric=0.5)
    assert Path(path).read_bytes() == (GOLDEN / f"v{VERSIONS[-1]}.h5").read_bytes()


def test_the_table_of_dtypes_is_that_of_the_file():
    """A new dtype is a new feature of the format: old readers must be told by `requires`."""
    for version in VERSIONS:
        with CheckpointFile(str(GOLDEN / f"v{version}.h5")) as file:
            number = file.find("model/dtypes", "dtypes")
            assert set(file.objects[number].children) == set(dtypes.NAMES)
