"""One pool of native threads for all kernels, sized by the CPUs that this process may use.

A kernel hands `run` a task function `task(argument, number)` and how many there are. Workers are Python threads that
stay inside one native call: they take tasks off a shared count, spin for a while when there are none, then sleep.

- A task is taken by one compare-and-swap of `remaining`; who wins it belongs to the job that is running, so the job's
  fields may be read after that and need no other protection.
- Tasks are cut by the sizes of the data, never by the number of threads, and their order means nothing: results have
  the same bits for any number of threads.
- Whoever finds the pool busy, a task of its own included, runs its tasks by itself. So does a forked child, which has
  no workers. Nothing waits for a lock.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import threading
from typing import Any

import numpy as np

from . import emitter
from .cache import emitted
from .emitter import I32, I64, POINTER, VOID, Emitter
from .processors import cpus

# The pool's shared memory, in words of 8 bytes. What different threads write lies on lines of its own.
RUN, WORKERS, LOCK, REMAINING, DONE, TASK, ARGUMENT, SLEEPERS, STOP, MUTEX, WAKE, WORDS = (
    0, 1, 8, 16, 24, 32, 33, 40, 41, 48, 72, 96,
)  # fmt: skip
# Who waits pauses so many times, some 50 µs, then offers its CPU to others at each look: what it waits for may need it.
SPINS = 3000
# A worker sleeps after so many offers, some milliseconds. Asleep, it would be woken on the caller's own CPU if the rest
# are busy, and stay there; while it can run, the system moves it to where there is room.
OFFERS = 10000


class Word:
    """One shared word as the emitted code reads and changes it."""

    def __init__(self, emit: Emitter, state: Any, index: int):
        self.emit, self.address = emit, emit.at(state, emit.integer(index), I64)

    def read(self) -> Any:
        """Its value now."""
        return self.emit.build.load_atomic(self.address, "seq_cst", 8, typ=I64)

    def write(self, value: Any) -> None:
        """Everything written before is seen by who reads this value."""
        self.emit.build.atomic_rmw("xchg", self.address, value, "seq_cst")

    def add(self, amount: int) -> None:
        """Adds to it, in one step."""
        self.emit.build.atomic_rmw("add", self.address, self.emit.integer(amount), "seq_cst")

    def swap(self, expected: Any, value: Any) -> Any:
        """Writes a value if the expected one is there; tells whether it was."""
        pair = self.emit.build.cmpxchg(self.address, expected, value, "seq_cst", "seq_cst")
        return self.emit.build.extract_value(pair, 1)


def _take_tasks(emit: Emitter, state: Any) -> None:
    """Runs tasks until none remains; leaves the builder in the block that follows."""
    build = emit.build
    look, take, work, end = (build.append_basic_block(name) for name in ("look", "take", "work", "none"))
    remaining = Word(emit, state, REMAINING)
    build.branch(look)
    build.position_at_end(look)
    left = remaining.read()
    build.cbranch(build.icmp_signed(">", left, emit.integer(0)), take, end)
    build.position_at_end(take)
    number = build.sub(left, emit.integer(1))
    build.cbranch(remaining.swap(left, number), work, look)
    build.position_at_end(work)
    _call_task(emit, emit.field(state, TASK), emit.field(state, ARGUMENT, POINTER), number)
    Word(emit, state, DONE).add(1)
    build.branch(look)
    build.position_at_end(end)


def _call_task(emit: Emitter, task: Any, argument: Any, number: Any) -> None:
    emit.call_address(task, VOID, argument, number)


def _spin(emit: Emitter, spins: Any) -> Any:
    """Lets some time pass between two looks; gives the number of times, kept in a local."""
    build = emit.build
    spun = build.add(build.load(spins, typ=I64), emit.integer(1))
    build.store(spun, spins)
    with build.if_else(build.icmp_signed("<", spun, emit.integer(SPINS))) as (early, late):
        with early:
            emit.call("llvm.x86.sse2.pause", VOID)
        with late:
            emit.call("sched_yield", I32)
    return spun


def _emit_run(module: Any) -> None:
    """run(state, task, argument, tasks): returns when all tasks are done."""
    emit = Emitter(module, "run", [POINTER, I64, POINTER, I64], aliases=True)
    build, (state, task, argument, tasks) = emit.build, emit.args
    zero, one = emit.integer(0), emit.integer(1)
    alone, ask, parallel, wake, share, wait, end = (
        build.append_basic_block(name) for name in ("alone", "ask", "parallel", "wake", "share", "wait", "end")
    )
    few = build.or_(
        build.icmp_signed("<", tasks, emit.integer(2)), build.icmp_signed("==", emit.field(state, WORKERS), zero)
    )
    build.cbranch(few, alone, ask)
    build.position_at_end(ask)
    build.cbranch(Word(emit, state, LOCK).swap(zero, one), parallel, alone)

    build.position_at_end(parallel)
    build.store(task, emit.at(state, emit.integer(TASK), I64))
    build.store(argument, emit.at(state, emit.integer(ARGUMENT), I64))
    Word(emit, state, DONE).write(zero)
    Word(emit, state, REMAINING).write(tasks)
    build.cbranch(build.icmp_signed("==", Word(emit, state, SLEEPERS).read(), zero), share, wake)
    build.position_at_end(wake)
    mutex, condition = (emit.at(state, emit.integer(index), I64) for index in (MUTEX, WAKE))
    emit.call("pthread_mutex_lock", I32, mutex)
    emit.call("pthread_cond_broadcast", I32, condition)
    emit.call("pthread_mutex_unlock", I32, mutex)
    build.branch(share)
    build.position_at_end(share)
    _take_tasks(emit, state)
    spins = emit.variable(I64, zero)
    build.branch(wait)
    build.position_at_end(wait)
    rest = build.append_basic_block("rest")
    finished = build.icmp_signed("==", Word(emit, state, DONE).read(), tasks)
    release = build.append_basic_block("release")
    build.cbranch(finished, release, rest)
    build.position_at_end(rest)
    _spin(emit, spins)
    build.branch(wait)
    build.position_at_end(release)
    Word(emit, state, LOCK).write(zero)
    build.branch(end)

    build.position_at_end(alone)
    with emit.loop(zero, tasks) as number:
        _call_task(emit, task, argument, number)
    build.branch(end)
    build.position_at_end(end)
    emit.finish()


def _emit_worker(module: Any) -> None:
    """worker(state): takes tasks until the pool stops."""
    emit = Emitter(module, "worker", [POINTER], aliases=True)
    build, (state,) = emit.build, emit.args
    zero = emit.integer(0)
    spins = emit.variable(I64, zero)
    loop, idle, tired, asleep, awake, again, end = (
        build.append_basic_block(name) for name in ("loop", "idle", "tired", "asleep", "awake", "again", "end")
    )
    mutex, condition = (emit.at(state, emit.integer(index), I64) for index in (MUTEX, WAKE))
    build.branch(loop)
    build.position_at_end(loop)
    busy = build.icmp_signed(">", Word(emit, state, REMAINING).read(), zero)
    with build.if_then(busy):
        _take_tasks(emit, state)
        build.store(zero, spins)
    build.cbranch(build.icmp_signed("!=", Word(emit, state, STOP).read(), zero), end, idle)
    build.position_at_end(idle)
    build.cbranch(build.icmp_signed("<", _spin(emit, spins), emit.integer(SPINS + OFFERS)), loop, tired)

    build.position_at_end(tired)
    emit.call("pthread_mutex_lock", I32, mutex)
    Word(emit, state, SLEEPERS).add(1)  # before the look at the work: who brings some looks at this after
    build.branch(asleep)
    build.position_at_end(asleep)
    called = build.or_(Word(emit, state, REMAINING).read(), Word(emit, state, STOP).read())
    build.cbranch(build.icmp_signed("!=", called, zero), awake, again)
    build.position_at_end(again)
    emit.call("pthread_cond_wait", I32, condition, mutex)
    build.branch(asleep)
    build.position_at_end(awake)
    Word(emit, state, SLEEPERS).add(-1)
    emit.call("pthread_mutex_unlock", I32, mutex)
    build.store(zero, spins)
    build.branch(loop)
    build.position_at_end(end)
    emit.finish()


def module() -> Any:
    """The pool's own code."""
    made = emitter.new_module("pool")
    _emit_run(made)
    _emit_worker(made)
    return made


@functools.cache
def _code() -> tuple[int, int]:
    run, worker = emitted(module, (), ("run", "worker"))
    return run, worker


class Pool:
    """`threads` threads, the caller's among them, that run a kernel's tasks."""

    def __init__(self, threads: int):
        run, worker = _code()
        self.threads = threads
        self._memory = np.zeros(WORDS + 8, np.int64)
        self.address = -(-self._memory.ctypes.data // 64) * 64  # the state, on lines of its own
        self._words = (ctypes.c_int64 * WORDS).from_address(self.address)
        self._words[RUN], self._words[WORKERS] = run, threads - 1
        enter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(worker)
        self._workers: list[threading.Thread] = []
        for n in range(1, threads):
            thread = threading.Thread(target=enter, args=(self.address,), name=f"eagerly kernel {n}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads; the caller does the work of those that lack
                break
            self._workers.append(thread)

    @property
    def helpers(self) -> int:
        """The number of threads besides the caller's."""
        return len(self._workers)

    def stop(self) -> None:
        """Ends and joins the workers; kernels that still hold the pool run alone from now on."""
        if not self._workers:
            return
        self._words[WORKERS], self._words[STOP] = 0, 1
        lock, wake, unlock = (
            getattr(ctypes.CDLL(None), f"pthread_{name}") for name in ("mutex_lock", "cond_broadcast", "mutex_unlock")
        )
        mutex = ctypes.c_void_p(self.address + 8 * MUTEX)
        lock(mutex)
        wake(ctypes.c_void_p(self.address + 8 * WAKE))
        unlock(mutex)
        for thread in self._workers:
            thread.join()
        self._workers = []


_pool: Pool | None = None
_starting = threading.Lock()
_replaced: list[Pool] = []  # a kernel of another thread may still hold one


def pool() -> Pool:
    """The process's pool, started on first use."""
    return _pool or use(cpus())


def held() -> int:
    """The bytes that the process's pool holds."""
    return 0 if _pool is None else int(_pool._memory.nbytes)


def use(threads: int) -> Pool:
    """Gives the process a pool of so many threads instead of the one that it has."""
    global _pool
    with _starting:
        if _pool is None or _pool.threads != threads:
            if _pool is not None:
                _pool.stop()
                _replaced.append(_pool)
            _pool = Pool(threads)
        return _pool


def _at_exit() -> None:
    """The workers end while LLVM still holds the code that they are in; who calls a kernel now works alone."""
    if _pool is not None:
        _pool.stop()


def _after_fork() -> None:
    global _pool, _starting
    _starting = threading.Lock()
    _pool = None if _pool is None else Pool(1)


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
