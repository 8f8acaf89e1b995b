"""From Python to machine code, with llvmlite: the one module that imports it.

An `Emitter` writes one function of a module: blocks, loops over int64 counters, vectors of float32 and their fused
multiply-add. `machine_code` optimizes the module for this CPU and gives the object file; `load` makes it callable.
To see what came out: `print(module)` for the IR, `assembly(module)` for the instructions.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import __version__ as _version
from llvmlite import binding
from llvmlite import ir as ir


class Uses:
    """The threads that are using LLVM. A process forks when no other one is: its locks would stay shut in the child."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._depths: dict[int, int] = {}  # by thread
        self._stopped = False

    def __enter__(self) -> None:
        with self._changed:
            this = threading.get_ident()
            while self._stopped and this not in self._depths:
                self._changed.wait()
            self._depths[this] = self._depths.get(this, 0) + 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            this = threading.get_ident()
            self._depths[this] -= 1
            if not self._depths[this]:
                del self._depths[this]
                self._changed.notify_all()

    def others(self) -> bool:
        """Whether there are threads besides this one."""
        return bool(self._depths.keys() - {threading.get_ident()})

    def stop(self) -> None:
        """Waits for the others, and keeps all from beginning."""
        self._changed.acquire()
        self._stopped = True
        while self.others():
            self._changed.wait()

    def go_on(self) -> None:
        """Lets them begin again."""
        self._stopped = False
        self._changed.notify_all()
        self._changed.release()


using_llvm = Uses()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=using_llvm.stop, after_in_parent=using_llvm.go_on, after_in_child=using_llvm.go_on)

llvmlite_version: str = _version
F32, VOID = ir.FloatType(), ir.VoidType()
I1, I8, I32, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
POINTER = ir.PointerType()


@dataclass(frozen=True)
class Target:
    """What code is made for.

    lanes: floats in a vector; 0 where no kernel is made.
    tile: rows and columns of C that a matrix product keeps in registers.
    """

    cpu: str
    features: str
    lanes: int
    tile: tuple[int, int]

    @property
    def key(self) -> str:
        """All that the machine code depends on beside the IR."""
        return "\n".join((_triple(), self.cpu, self.features, ".".join(map(str, binding.llvm_version_info))))


def versions() -> tuple[str, str]:
    """LLVM's and llvmlite's."""
    return ".".join(map(str, binding.llvm_version_info)), llvmlite_version


def target_for(cpu: str, features: Any) -> Target:
    """The target for a CPU by the features that LLVM reports of it."""
    if all(features.get(name) for name in ("avx512f", "avx512vl", "avx512dq", "fma")):
        lanes, tile = 16, (14, 32)
    elif features.get("avx2") and features.get("fma"):
        lanes, tile = 8, (6, 16)
    else:
        lanes, tile = 0, (0, 0)
    return Target(cpu, features.flatten() if lanes else "", lanes, tile)


@functools.cache
def host() -> Target:
    """This machine's target."""
    with using_llvm:
        return target_for(binding.get_host_cpu_name(), binding.get_host_cpu_features())


@functools.cache
def _triple() -> str:
    with using_llvm:
        triple: str = binding.get_default_triple()
        return triple


@contextlib.contextmanager
def _machine(target: Target) -> Iterator[Any]:
    """One that no other thread has; it is kept, since its end is a use of LLVM, which only `using_llvm` may see."""
    try:
        machine = _machines[target].pop()
    except IndexError:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        native = binding.Target.from_default_triple()
        machine = native.create_target_machine(cpu=target.cpu, features=target.features, opt=3, jit=True)
    try:
        yield machine
    finally:
        _machines[target].append(machine)


_machines: defaultdict[Target, list[Any]] = defaultdict(list)


def _optimized(text: str, module: ir.Module, machine: Any) -> Any:
    """The module in a context of its own, after its passes."""
    parsed = binding.parse_assembly(text, binding.create_context())
    parsed.verify()
    tuning = binding.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_unrolling = False  # it spills the address registers of the micro-kernel
    tuning.loop_vectorization = tuning.slp_vectorization = False  # what is to be a vector is one already
    builder = binding.create_pass_builder(machine, tuning)
    if "all" in module.namedmetadata:
        passes = builder.getModulePassManager()
    else:
        passes = binding.create_new_module_pass_manager()
        passes.add_sroa_pass()
        if "sharing" in module.namedmetadata:
            passes.add_new_gvn_pass()
        passes.add_instruction_combine_pass()
        passes.add_simplify_cfg_pass()
        passes.add_loop_rotate_pass()
    _unlocked("LLVMPY_RunNewModulePassManager")(passes, parsed, builder)
    return parsed


def _unlocked(name: str) -> Any:
    """A function of llvmlite's library without its lock, by which a thread would wait for others' long calls."""
    function = getattr(binding.ffi.lib, name)
    return getattr(function, "_cfn", function)


def machine_code(module: ir.Module, target: Target | None = None) -> bytes:
    """The module as an object file."""
    return _emitted(module, target or host(), 1)


def assembly(module: ir.Module, target: Target | None = None) -> str:
    """The module as text in the CPU's own language."""
    return _emitted(module, target or host(), 0).decode()


def _emitted(module: ir.Module, target: Target, as_object: int) -> bytes:
    text = str(module)
    with using_llvm, _machine(target) as machine:
        return _emitted_by(machine, text, module, as_object)


def _emitted_by(machine: Any, text: str, module: ir.Module, as_object: int) -> bytes:
    optimized = _optimized(text, module, machine)
    lib, emit = binding.ffi.lib, _unlocked("LLVMPY_TargetMachineEmitToMemory")
    with binding.ffi.OutputString() as error:
        memory = emit(machine, optimized, as_object, error)
        if not memory:
            raise RuntimeError(str(error))
    try:
        return ctypes.string_at(lib.LLVMPY_GetBufferStart(memory), lib.LLVMPY_GetBufferSize(memory))
    finally:
        lib.LLVMPY_DisposeMemoryBuffer(memory)


def load(code: bytes, names: Sequence[str]) -> list[int]:
    """The addresses of an object file's functions, whose code stays loaded as long as the process lives."""
    with using_llvm:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        native = binding.Target.from_default_triple()
        engine = binding.create_mcjit_compiler(binding.parse_assembly(""), native.create_target_machine(jit=True))
        engine.add_object_file(binding.ObjectFileRef.from_data(code))
        engine.finalize_object()
        addresses = [engine.get_function_address(name) for name in names]
        if not all(addresses):
            raise RuntimeError(f"the object file lacks one of {', '.join(names)}")
        _engines.append(engine)
        return addresses


_engines: list[Any] = []  # an engine frees its code when it dies


def new_module(name: str, passes: str = "few") -> ir.Module:
    """An empty module for this machine.

    Args:
      name: its name.
      passes: which ones run over it. "few", a tenth of the time of all, are enough for loops that are as they should be
        already; "sharing" also computes equal values once, "all" moves out of a loop what is the same in each turn.
    """
    module = ir.Module(name=name)
    module.triple = _triple()
    module.add_named_metadata(passes)
    return module


class Emitter:
    """Writes one function, from its first instruction to its last; `args` are its arguments.

    Pointers among them lead to different memory, unless `aliases`. Locals made by `variable` become registers when LLVM
    optimizes, so loops need no phi instructions here.
    """

    def __init__(
        self,
        module: ir.Module,
        name: str,
        arguments: Sequence[Any],
        aliases: bool = False,
        internal: bool = False,
        result: Any = VOID,
    ):
        self.module = module
        self.function = ir.Function(module, ir.FunctionType(result, list(arguments)), name)
        self.args = self.function.args
        for argument in self.args:
            if argument.type == POINTER and not aliases:
                argument.add_attribute("noalias")
        if internal:
            self.function.linkage = "internal"
            self.function.attributes.add("noinline")
        self.entry = self.function.append_basic_block("entry")
        self.build = ir.IRBuilder(self.function.append_basic_block("body"))
        self.lanes = host().lanes or 1
        self.vector = ir.VectorType(F32, self.lanes)

    def finish(self, result: Any = None) -> None:
        """Ends the function."""
        if result is None:
            self.build.ret_void()
        else:
            self.build.ret(result)
        ir.IRBuilder(self.entry).branch(self.function.blocks[1])

    def variable(self, kind: Any, initial: Any = None) -> Any:
        """A local variable, to `load` and `store`."""
        slot = ir.IRBuilder(self.entry).alloca(kind)
        if initial is not None:
            self.build.store(initial, slot)
        return slot

    def array(self, kind: Any, count: int) -> Any:
        """Local memory for so many elements."""
        slot = self.variable(ir.ArrayType(kind, count))
        slot.type = POINTER
        return slot

    def integer(self, value: int) -> Any:
        """An int64."""
        return ir.Constant(I64, value)

    def floats(self, value: float) -> Any:
        """A vector of one float32 in all lanes."""
        return ir.Constant(self.vector, [ir.Constant(F32, value)] * self.lanes)

    @contextlib.contextmanager
    def loop(self, start: Any, stop: Any, step: Any = 1) -> Iterator[Any]:
        """`for (i = start; i < stop; i += step)`; gives i."""
        build = self.build
        step = self.integer(step) if isinstance(step, int) else step
        counter = self.variable(I64, start)
        head, body, end = (build.append_basic_block(name) for name in ("head", "loop", "end"))
        build.branch(head)
        build.position_at_end(head)
        i = build.load(counter, typ=I64)
        build.cbranch(build.icmp_signed("<", i, stop), body, end)
        build.position_at_end(body)
        yield i
        build.store(build.add(i, step), counter)
        build.branch(head)
        build.position_at_end(end)

    def minimum(self, a: Any, b: Any) -> Any:
        """The smaller of two int64."""
        return self.build.select(self.build.icmp_signed("<", a, b), a, b)

    def at(self, pointer: Any, index: Any, kind: Any = F32) -> Any:
        """The address of an element."""
        return self.build.gep(pointer, [index], source_etype=kind)

    def field(self, pointer: Any, index: int, kind: Any = I64) -> Any:
        """A value from a block of parameters, 8 bytes each."""
        return self.build.load(self.at(pointer, self.integer(index), I64), typ=kind)

    def prefetch(self, pointer: Any, write: bool = False) -> None:
        """Asks for a cache line that will be read, or written; it may lie outside of any array."""
        flags = (ir.Constant(I32, flag) for flag in (int(write), 3, 1))  # 3: kept near; 1: data, not instructions
        self.call("llvm.prefetch.p0", VOID, pointer, *flags)

    def call_address(self, address: Any, result: Any, *args: Any) -> Any:
        """Calls the function at an address, an int64."""
        kind = ir.FunctionType(result, [arg.type for arg in args])
        return self.build.call(self.build.inttoptr(address, kind.as_pointer()), args)

    def call(self, name: str, result: Any, *args: Any) -> Any:
        """Calls an intrinsic or a C function, declared by hand: llvmlite's own `fma` refuses vectors."""
        function = self.module.globals.get(name)
        if function is None:
            function = ir.Function(self.module, ir.FunctionType(result, [arg.type for arg in args]), name)
        return self.build.call(function, args)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a · b + c of vectors, rounded once."""
        return self.call(f"llvm.fma.v{self.lanes}f32", self.vector, a, b, c)

    def broadcast(self, scalar: Any) -> Any:
        """A vector with a scalar in all lanes."""
        undefined = ir.Constant(ir.VectorType(scalar.type, self.lanes), ir.Undefined)
        first = self.build.insert_element(undefined, scalar, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, self.lanes), [ir.Constant(I32, 0)] * self.lanes)
        return self.build.shuffle_vector(first, undefined, zeros)

    def shuffle(self, a: Any, b: Any, lanes: Sequence[int]) -> Any:
        """A vector of lanes of a, numbered from 0, and of b, numbered from there on."""
        kind = ir.VectorType(I32, self.lanes)
        return self.build.shuffle_vector(a, b, ir.Constant(kind, [ir.Constant(I32, lane) for lane in lanes]))

    def tail(self, count: Any) -> Any:
        """The mask of the first `count` lanes."""
        order = ir.Constant(ir.VectorType(I64, self.lanes), [self.integer(lane) for lane in range(self.lanes)])
        return self.build.icmp_signed("<", order, self.broadcast(count))

    def bits(self, count: Any) -> Any:
        """The same mask, made of an integer's bits: LLVM does not move it into a loop to make it there each time."""
        build, zero, lanes = self.build, self.integer(0), self.integer(self.lanes)
        count = build.select(build.icmp_signed(">", count, zero), self.minimum(count, lanes), zero)
        ones = build.sub(build.shl(self.integer(1), count), self.integer(1))
        return build.bitcast(build.trunc(ones, ir.IntType(self.lanes)), ir.VectorType(I1, self.lanes))

    def load(self, pointer: Any, mask: Any = None) -> Any:
        """A vector of float32; lanes out of the mask are 0 and their memory is not touched."""
        if mask is None:
            return self.build.load(pointer, typ=self.vector, align=4)
        return self.call(f"llvm.masked.load.v{self.lanes}f32.p0", self.vector, pointer, mask, self.floats(0.0))

    def store(self, value: Any, pointer: Any, mask: Any = None) -> None:
        """The contrary of `load`."""
        if mask is None:
            self.build.store(value, pointer, align=4)
        else:
            self.call(f"llvm.masked.store.v{self.lanes}f32.p0", VOID, value, pointer, mask)
