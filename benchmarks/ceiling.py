"""What the processor's multipliers can do: GFLOP/s of fused multiply-adds that wait for nothing and touch no memory.

The loop is written in LLVM's language and compiled by llvmlite, with as wide vectors as the processor has.
"""

import ctypes
import os
import threading
import time

CHAINS = 16  # more than latency × units of any processor that we know, few enough for its registers


def source(width):
    """`run(count)`: count × CHAINS fused multiply-adds of `width` floats; what it returns keeps them alive."""
    kind, names = f"<{width} x float>", range(CHAINS)
    entry = [f"%seed = insertelement {kind} poison, float %factor, i32 0"]
    entry.append(f"%b = shufflevector {kind} %seed, {kind} poison, <{width} x i32> zeroinitializer")
    entry += [f"%z{n} = insertelement {kind} %b, float {n}.0, i32 0" for n in names]  # equal chains would become one
    body = ["%i = phi i64 [0, %entry], [%next, %loop]", "%next = add i64 %i, 1"]
    body[1:1] = [f"%a{n} = phi {kind} [%z{n}, %entry], [%c{n}, %loop]" for n in names]
    body += [f"%c{n} = call {kind} @llvm.fma.v{width}f32({kind} %a{n}, {kind} %b, {kind} %b)" for n in names]
    body += ["%again = icmp slt i64 %next, %count", "br i1 %again, label %loop, label %end"]
    end = [f"%s{n} = fadd {kind} {'%c0' if n == 1 else f'%s{n - 1}'}, %c{n}" for n in names if n]
    end += [f"%result = extractelement {kind} %s{CHAINS - 1}, i32 0", "ret float %result"]
    blocks = {"entry": [*entry, "br label %loop"], "loop": body, "end": end}
    text = "\n".join(f"{name}:\n" + "\n".join(f"  {line}" for line in lines) for name, lines in blocks.items())
    declared = f"declare {kind} @llvm.fma.v{width}f32({kind}, {kind}, {kind})"
    return f"{declared}\ndefine float @run(i64 %count, float %factor) {{\n{text}\n}}"


def gflops(seconds=0.2):
    """Of all the processors together that this process may use."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    width = next((n for name, n in (("avx512f", 16), ("avx2", 8)) if features.get(name)), 4)
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(source(width)), machine)
    engine.finalize_object()
    run = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64, ctypes.c_float)(engine.get_function_address("run"))
    count, processors = 100_000, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    while True:
        threads = [threading.Thread(target=run, args=(count, 0.5)) for _ in range(processors)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if (took := time.perf_counter() - began) >= seconds:
            return 2 * width * CHAINS * count * processors / took / 1e9
        count *= 2
