"""Damaged and forged checkpoints at random; `make fuzz` runs this file for as long as one likes.

Whatever the bytes, a restore ends in a CorruptCheckpointError or in exactly the right values, and what is refused has
changed nothing. A file that was forged, with right digests, may also differ from the objects (RestoreError) or hold
other values; it never ends in another exception, nor takes much time or memory.
"""

import argparse
import copy
import json
import math
import random
import struct
import sys
import tempfile
import time
import tracemalloc
from collections import Counter as Tally
from pathlib import Path

from eagerly import dtypes
from eagerly.checkpoint import (
    Checkpoint,
    load_keras_weights,
    load_safetensors,
    save_keras_weights,
    save_safetensors,
)
from eagerly.checkpoint import format as layout
from eagerly.errors import CorruptCheckpointError, RestoreError
from eagerly.variable import Variable
from trackables import Box, Counter, Momentum, filled


def made(value=1.0, count=3):
    w = filled(8, 10, value=value)
    return Checkpoint(m=Box(w=w, flags=Variable([value > 0, False]), c=Counter(count)), o=Momentum().build([w], value))


def state(checkpoint):
    box = checkpoint.m
    variables = [box.w, box.flags, checkpoint.o.step, checkpoint.o.slots[0][1]["momentum"]]
    return [variable.numpy().tobytes() for variable in variables], box.c.state


def outcome(path, target, before, right):
    """'right' or the kind of damage; anything else fails."""
    try:
        target.restore(path)
    except CorruptCheckpointError as error:
        assert state(target) == before, "a refused file has changed something"
        assert str(error).startswith(f"{path}: ") and f" at byte {error.offset}" in str(error)
        return error.kind
    assert state(target) == right, "wrong values were believed"
    return "right"


def header(offset, index, version=layout.VERSION):
    """A user block with right digests, of any version."""
    block = bytearray(layout.encode_header(offset, index))
    block[8:12] = version.to_bytes(4, "little")
    return bytes(block[:-4]) + layout.CHECKSUM.pack(layout.checksum(block[:-4]))


def as_version_1(content):
    """A file as version 1 had it: each object tells of its values, the tree's checksum is of all between them too."""
    (offset,) = struct.unpack_from("<Q", content, 12)
    index = json.loads(content[offset:])
    checksums, place, values = iter(index.pop("crc32")), index.pop("start"), []
    types = index.pop("types")
    for number, item in enumerate(index["objects"]):
        if isinstance(item, int):
            length = math.prod(types[item]["shape"]) * dtypes.dtype(types[item]["dtype"]).itemsize
            blocks = [next(checksums) for _ in range(-(-length // layout.BLOCK))]
            index["objects"][number] = types[item] | {"offset": place, "length": length, "crc32": blocks}
            values.append((place, length))
            place += length + -length % 8
    end = offset + len(json.dumps(index, separators=(",", ":")))
    body = bytearray(content[layout.USER_BLOCK : offset])
    body[40:48] = struct.pack("<Q", end)
    outside = bytearray(body)
    for place, length in reversed(values):
        del outside[place - layout.USER_BLOCK : place - layout.USER_BLOCK + length]
    index["tree"] = f"{layout.checksum(outside):08x}"
    encoded = json.dumps(index, separators=(",", ":")).encode()
    return header(offset, encoded, 1) + bytes(body) + encoded


def overwrite(content, rng):
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(len(content))] = rng.randrange(256)


def overwrite_run(content, rng):
    start, count = rng.randrange(len(content)), rng.randint(1, 64)
    content[start : start + count] = rng.randbytes(min(count, len(content) - start))


def zero(content, rng):
    start = rng.randrange(len(content))
    count = min(rng.choice([1, 16, 512, 4096]), len(content) - start)
    content[start : start + count] = bytes(count)


def remove(content, rng):
    start = rng.randrange(len(content))
    del content[start : start + rng.choice([1, 4, 100, 4096])]


def insert(content, rng):
    start = rng.randrange(len(content))
    content[start:start] = rng.randbytes(rng.choice([1, 4, 100]))


def move(content, rng):
    start, other, count = rng.randrange(len(content)), rng.randrange(len(content)), rng.choice([4, 64, 512])
    piece = content[start : start + count]
    content[other : other + len(piece)] = piece


def cut(content, rng):
    del content[rng.randrange(len(content)) :]


def cut_and_fill(content, rng):
    """What some file systems leave after a power cut: the right length, and zeros."""
    start = rng.randrange(len(content))
    content[start:] = bytes(len(content) - start)


MUTATIONS = [overwrite, overwrite_run, zero, remove, insert, move, cut, cut_and_fill]


def mutated(content, rng):
    """Some random changes of a file."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if changed:
            rng.choice(MUTATIONS)(changed, rng)
    return bytes(changed)


ODD = [None, True, -1, 0, 1, 2**31, 2**62, 2**64, 1.5, 1e308, "", "x", "../x", "a/b", "\x1b[2J", [], {}, [[]], "0", "3"]


def forged(content, rng):
    """A file whose index has changed in some places, with right digests."""
    offset = int.from_bytes(content[12:20], "little")
    index = json.loads(content[offset:])
    for _ in range(rng.randint(1, 3)):
        _change(index, rng)
    encoded = json.dumps(index).encode()
    return header(offset, encoded, content[8]) + content[layout.USER_BLOCK : offset] + encoded


def _change(index, rng):
    """One change of a random place in some JSON."""
    places, waiting = [], [index]
    while waiting:
        item = waiting.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item))
        for key in keys:
            places.append((item, key))
            if isinstance(item[key], (dict, list)):
                waiting.append(item[key])
    item, key = rng.choice(places)
    other, other_key = rng.choice(places)
    way = rng.randrange(5)
    if way == 0:
        item[key] = copy.deepcopy(rng.choice(ODD))
    elif way == 1 and isinstance(item[key], int):
        item[key] += rng.choice([-1, 1, 8, -8, 512])
    elif way == 2:
        item[key] = copy.deepcopy(other[other_key])
    elif way == 3:
        del item[key]
    elif isinstance(item, dict):
        item[rng.choice(["children", "bound", "dtype", "state", "w", "0", "1"])] = copy.deepcopy(
            rng.choice([item[key], *ODD])
        )


def check_forged(path, rng, content):
    """How a restore of a forged file ends."""
    Path(path).write_bytes(content)
    target = made(0.0, 0)
    before = state(target)
    try:
        target.restore(path, strict=rng.random() < 0.5)
    except (CorruptCheckpointError, RestoreError) as error:
        assert state(target) == before, "a refused file has changed something"
        return type(error).__name__
    return "restored"


def check_foreign(folder, rng, kind):
    """How it ends to load a damaged safetensors or Keras file, which has no checksums: its values may be wrong."""
    save, load = FOREIGN[kind]
    path = folder / f"x.{kind}"
    weights = Box(a=Box(w=filled(3, 4), n=filled(2)), b=filled(5))
    save(weights, path, sync=False)
    path.write_bytes(mutated(path.read_bytes(), rng))
    before = [weights.a.w._value, weights.a.n._value, weights.b._value]
    try:
        load(weights, path)
    except (CorruptCheckpointError, RestoreError) as error:
        after = [weights.a.w._value, weights.a.n._value, weights.b._value]
        assert all(one is two for one, two in zip(before, after, strict=True)), "a refused file has changed something"
        return type(error).__name__
    finally:
        path.unlink()
    return "restored"


FOREIGN = {
    "safetensors": (save_safetensors, load_safetensors),
    "weights.h5": (save_keras_weights, load_keras_weights),
}


def main(arguments=None):
    parser = argparse.ArgumentParser(description="restores damaged checkpoints until something is wrong")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args(arguments)
    seed = random.randrange(2**32) if options.seed is None else options.seed
    rng = random.Random(seed)
    print(f"seed {seed}, {options.seconds:g} seconds", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="eagerly-fuzz-"))
    path = folder / "fuzzed.h5"
    made().write(path)
    content, right, target = path.read_bytes(), state(made()), made(0.0, 0)
    versions = [as_version_1(content), content]
    before, tally, slowest = state(target), Tally(), 0.0
    tracemalloc.start()
    end = time.monotonic() + options.seconds
    try:
        while time.monotonic() < end:
            start = time.monotonic()
            way, content = rng.random(), rng.choice(versions)
            if way < 0.02:  # of Keras's files the tree is read in a process of its own, which takes its time
                kind = "weights.h5" if way < 0.0005 else "safetensors"
                found = f"{kind}: {check_foreign(folder, rng, kind)}"
            elif way < 0.5:
                path.write_bytes(mutated(content, rng))
                found = outcome(path, target, before, right)
            else:
                found = "forged: " + check_forged(path, rng, forged(content, rng))
            tally[found] += 1
            slowest = max(slowest, time.monotonic() - start)
            if found == "right":
                target = made(0.0, 0)
        assert slowest < 5, f"a restore took {slowest:.1f} s"
        peak = tracemalloc.get_traced_memory()[1]
        assert peak < 200 * len(content) + 2**24, f"restores took {peak:,} bytes"
    except BaseException:
        print(f"the file is {path}, the seed {seed}", file=sys.stderr)
        raise
    print(f"{sum(tally.values()):,} files: " + ", ".join(f"{count:,} {name}" for name, count in tally.most_common()))
    path.unlink()
    folder.rmdir()


if __name__ == "__main__":
    main()
