"""The command line: the doctor says what runs here, and its exit code whether something is wrong."""

import os
import subprocess
import sys

import numpy as np
import pytest

from eagerly import __version__, kernels
from eagerly.__main__ import main
from eagerly.kernels import diagnosis, emitter, processors

WITHOUT_LLVM = """
import sys
sys.modules["llvmlite"] = None
from eagerly.__main__ import main
sys.exit(main(["doctor"]))
"""


@pytest.fixture
def doctor(monkeypatch, tmp_path, capsys):
    """Runs it with a cache and failures of its own; gives the exit code, and the lines by name."""
    monkeypatch.setenv("EAGERLY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(kernels, "_launches", {})
    for module in (kernels, diagnosis):
        monkeypatch.setattr(module, "failures", {} if module is kernels else kernels.failures)

    def run():
        code = main(["doctor"])
        lines = capsys.readouterr().out.splitlines()
        return code, {line[2:10].strip(): line for line in lines}

    return run


def test_all_is_well_in_a_process_of_its_own(tmp_path):
    environment = {**os.environ, "EAGERLY_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "eagerly", "doctor"], capture_output=True, text=True, timeout=120, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert list(lines) == ["eagerly", "python", "numpy", "llvm", "cpu", "threads", "kernels", "cache", "memory"]
    assert __version__ in lines["eagerly"] and np.__version__ in lines["numpy"]
    assert f"{sys.version_info[0]}.{sys.version_info[1]}." in lines["python"]
    assert diagnosis.VECTORS[emitter.host().lanes] in lines["cpu"]
    entries = list((tmp_path / "kernels").iterdir())
    assert f"{tmp_path / 'kernels'}, the user's alone, {len(entries)} entries" in lines["cache"] and entries


def test_threads_are_explained(doctor, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(processors, "quota", lambda *place: 2.5)
    assert doctor()[1]["threads"] == "  threads  3: 6 of 8 CPUs by affinity, a quota of 2.5"
    monkeypatch.setattr(processors, "quota", lambda *place: None)
    assert doctor()[1]["threads"] == "  threads  6: 6 of 8 CPUs by affinity, no quota"


def test_llvm_that_is_missing():
    done = subprocess.run([sys.executable, "-c", WITHOUT_LLVM], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (1, "")
    assert "! llvm     missing, so NumPy does all the work: ModuleNotFoundError" in done.stdout.splitlines()[-1]


def test_cache_that_others_may_write_to(doctor, tmp_path):
    place = tmp_path / "cache" / "kernels"
    place.mkdir(parents=True)
    place.chmod(0o750)
    code, lines = doctor()
    assert code == 1
    assert lines["cache"].startswith(f"! cache    {place} is not used")
    assert lines["cache"].endswith("its mode is 0750, not 0700: others may come in")
    place.chmod(0o700)
    assert doctor()[0] == 0


def test_cache_that_cannot_be(doctor, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "kernels").write_text("")
    code, lines = doctor()
    assert code == 1 and "it cannot be made" in lines["cache"]


def test_kernel_that_fails(doctor, monkeypatch):
    monkeypatch.setattr(kernels, "_check_host", lambda: 1 / 0)
    code, lines = doctor()
    assert code == 1
    assert lines["kernels"] == "! kernels  philox: ZeroDivisionError: division by zero"


def test_kernel_that_is_wrong(doctor, monkeypatch):
    monkeypatch.setattr(diagnosis, "launch", lambda name, *key: lambda bits, state: bits.fill(3))
    code, lines = doctor()
    assert code == 1 and "gave [3, 3, 3, 3], not [1713891541," in lines["kernels"]


def test_cpu_without_kernels(doctor, monkeypatch):
    monkeypatch.setattr(emitter, "host", lambda: emitter.target_for("generic", {}))
    code, lines = doctor()
    assert code == 1 and lines["cpu"].startswith("! cpu") and "no vectors" in lines["cpu"]
    assert "no kernels are made for this CPU" in lines["kernels"]


def test_unknown_commands_are_refused(capsys):
    for arguments in ([], ["cure"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "doctor" in capsys.readouterr().err
