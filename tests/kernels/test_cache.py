"""The object cache believes only whole entries in a folder of the user's own, and no disk makes a kernel fail."""

import dataclasses
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from eagerly.kernels import cache, emitter, pool
from eagerly.kernels.expressions import Kernel

X = np.arange(40, dtype=np.float32)


def doubled():
    return Kernel(lambda x: x + x)


@pytest.fixture
def place(tmp_path, monkeypatch):
    pool.pool()  # whose code is not this folder's
    monkeypatch.setenv("EAGERLY_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


@pytest.fixture
def compilations(monkeypatch):
    """The modules that were compiled, not read."""
    made = []
    compile_module = emitter.machine_code
    monkeypatch.setattr(emitter, "machine_code", lambda module: made.append(module) or compile_module(module))
    return made


def works():
    kernel = Kernel(doubled().function)
    return (kernel(X) == 2 * X).all()


def entry(place):
    (only,) = place.iterdir()
    return only


def test_second_process_reads(place, compilations):
    assert works() and works()
    assert len(compilations) == 1
    assert place.stat().st_mode & 0o777 == 0o700
    assert entry(place).stat().st_mode & 0o077 == 0


def test_damaged_entries_are_made_again(place, compilations):
    assert works()
    whole = entry(place).read_bytes()
    for wrong in [b"", whole[:-1], whole + b"x", whole[:10], b"x" * len(whole)]:
        entry(place).write_bytes(wrong)
        assert works() and entry(place).read_bytes() == whole
    for at in [0, 20, 60, len(whole) // 2, len(whole) - 1]:
        entry(place).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert works() and entry(place).read_bytes() == whole
    assert len(compilations) == 11


def test_entry_of_another_key_is_none(tmp_path):
    cache.write(tmp_path, b"key", b"code")
    assert cache.read(tmp_path, b"key") == b"code"
    os.rename(cache._entry(tmp_path, b"key"), cache._entry(tmp_path, b"other"))
    assert cache.read(tmp_path, b"other") is None


def test_key_tells_targets_apart(place, compilations, monkeypatch):
    assert works()
    other = emitter.Target("haswell", "+avx2,+fma", emitter.host().lanes, (6, 16))
    monkeypatch.setattr(emitter, "host", lambda: other)
    doubled()(X)
    assert len(compilations) == 2 and len(list(place.iterdir())) == 2


def test_folder_of_others_is_not_used(place, compilations):
    place.mkdir(parents=True)
    place.chmod(0o770)
    assert works() and works()
    assert len(compilations) == 2 and not list(place.iterdir())


def test_link_in_place_of_the_folder_is_not_used(place, compilations, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.parent.mkdir()
    place.symlink_to(tmp_path / "elsewhere")
    assert works() and works()
    assert len(compilations) == 2 and not list((tmp_path / "elsewhere").iterdir())


def test_folder_that_cannot_be_is_done_without(place, compilations):
    place.parent.write_text("a file")
    assert works() and len(compilations) == 1


@pytest.mark.parametrize("step", ["write", "replace"])
def test_full_disk_is_done_without(place, compilations, monkeypatch, step):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    if step == "write":
        monkeypatch.setattr(cache.tempfile, "mkstemp", full)
    else:
        monkeypatch.setattr(cache.os, "replace", full)
    assert works() and not list(place.iterdir())


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A package's source, older than the process."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "one.py").write_text("x = 1")
    monkeypatch.setattr(cache, "SOURCES", folder)
    monkeypatch.setattr(cache, "STARTED", time.time() + 1000)
    cache._digest_of.cache_clear()
    yield folder
    cache._digest_of.cache_clear()


CALLS = []


@pytest.fixture
def written():
    """What `scaled` is called with."""
    CALLS.clear()
    return CALLS


def scaled(factor, name="x"):
    CALLS.append((factor, name))
    return Kernel(lambda x: x * factor).module("f")


def another_process():
    cache._digest_of.cache_clear()


def test_what_the_same_sources_wrote_is_not_written_again(place, sources, compilations, written):
    for _ in range(2):
        cache.emitted(scaled, (2.0,), ("kernel",))
        cache.emitted(scaled, (2.0, "y"), ("kernel",))
        another_process()
    assert written == [(2.0, "x"), (2.0, "y")] and len(compilations) == 2


def test_any_change_of_a_source_writes_again(place, sources, written):
    def calls():
        another_process()
        cache.emitted(scaled, (2.0,), ("kernel",))
        return len(written)

    one = sources / "one.py"
    before = one.stat()
    assert calls() == calls() == 1
    one.write_text("x = 2")
    assert calls() == 2
    os.utime(one, ns=(before.st_atime_ns, before.st_mtime_ns))  # the same time and size, other content
    assert calls() == calls() == 3
    one.write_text("x = 1")
    assert calls() == 4  # what Python's own cache takes for unchanged may be another source's code: the time counts
    (sources / "two.py").write_text("")
    assert calls() == calls() == 5
    (sources / "two.py").rename(sources / "three.py")
    assert calls() == 6


def test_target_and_function_tell_entries_apart(place, sources, written, monkeypatch):
    def other(factor):
        return scaled(factor)

    cache.emitted(scaled, (2.0,), ("kernel",))
    cache.emitted(other, (2.0,), ("kernel",))
    target = dataclasses.replace(emitter.host(), tile=(6, 16))
    monkeypatch.setattr(emitter, "host", lambda: target)
    cache.emitted(scaled, (2.0,), ("kernel",))
    assert len(written) == 3


@pytest.mark.parametrize("change", ["touched", "gone"])
def test_sources_that_this_process_may_not_run_are_no_key(place, sources, compilations, written, change, monkeypatch):
    if change == "gone":
        (sources / "one.py").unlink()
    else:
        monkeypatch.setattr(cache, "STARTED", time.time() - 1000)
    for _ in range(2):
        cache.emitted(scaled, (2.0,), ("kernel",))
    assert len(written) == 2 and len(compilations) == 1  # the IR is the key
    assert cache.compiled(scaled(2.0), ("kernel",)) and len(compilations) == 1


PROCESS = """
import numpy as np
from eagerly.kernels import activations
x = np.linspace(-3, 3, 1000, dtype=np.float32)
print(hash(activations.sigmoid(x).tobytes()) != 0, float(activations.sigmoid(x)[500]))
"""


def test_processes_share_the_folder(place):
    processes = [subprocess.Popen([sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = {process.communicate(timeout=120)[0] for process in processes}
    assert len(outputs) == 1 and all(process.returncode == 0 for process in processes)
    assert not [path for path in place.iterdir() if path.name.startswith("new-")]


@pytest.mark.parametrize(
    "platform, variables, expected",
    [
        ("linux", {"EAGERLY_CACHE_DIR": "/a"}, "/a/kernels"),
        ("linux", {"XDG_CACHE_HOME": "/b"}, "/b/eagerly/kernels"),
        ("linux", {"HOME": "/home/c"}, "/home/c/.cache/eagerly/kernels"),
        ("darwin", {"HOME": "/Users/d"}, "/Users/d/Library/Caches/eagerly/kernels"),
    ],
)
def test_folder(monkeypatch, platform, variables, expected):
    for name in ("EAGERLY_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cache.sys, "platform", platform)
    assert str(cache.folder()) == expected


def test_full_folder_loses_what_was_not_used_for_longest(place, monkeypatch):
    monkeypatch.setattr(cache, "MOST_BYTES", 1000)
    place.mkdir(parents=True, mode=0o700)
    now = time.time()
    for age in range(8):
        (place / f"of{age}").write_bytes(bytes(300))
        os.utime(place / f"of{age}", (now - 10 * age - 100, now - 10_000))
    for age in (10, 10_000):  # one is being written
        (place / f"new-{age}").write_bytes(b"")
        os.utime(place / f"new-{age}", (now - age, now - age))
    cache.write(place, b"key", b"code" * 20)
    names = {path.name for path in place.iterdir()} - {cache._entry(place, b"key").name}
    assert names == {"of0", "new-10"}
    assert cache.read(place, b"key") == b"code" * 20
    for age in range(4):
        (place / f"again{age}").write_bytes(bytes(300))
    cache.write(place, b"other", b"code")
    assert len(list(place.iterdir())) == 8  # a process looks once


def test_folder_within_bounds_keeps_everything(place):
    place.mkdir(parents=True, mode=0o700)
    (place / "old").write_bytes(bytes(300))
    os.utime(place / "old", (0, 0))
    cache.write(place, b"key", b"code")
    assert (place / "old").exists() and cache.read(place, b"key") == b"code"
