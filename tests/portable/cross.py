"""Compile every kernel here, and its LLVM for aarch64: run as a program by `test_arm`, with a numba cache of its own.

Prints a line a kernel and signature: its name, and the bytes of machine code for aarch64 or what is wrong.
"""

import importlib
import pkgutil
import re

import numpy as np

TRIPLE = "aarch64-unknown-linux-gnu"
LAYOUT = "e-m:e-i8:8:32-i16:16:32-i64:64-i128:128-n32:64-S128"
_FOREIGN = re.compile(r"@llvm\.x86\.[\w.]+|\basm\b[^\n]{,60}")


def keep_llvm():
    """Where the LLVM of every library is kept, by its id, as it is before the processor's own passes change it."""
    from numba.core.codegen import JITCodeLibrary

    kept, finalize = {}, JITCodeLibrary._finalize_specific

    def keep(library):
        kept[id(library)] = str(library._final_module)
        finalize(library)

    JITCodeLibrary._finalize_specific = keep
    return kept


def exercise():
    """Call what calls every kernel, on few and small pictures."""
    import matcher
    from matcher.demo import sample
    from matcher.kernels.products import lag_products
    from matcher.matching.job import prepare
    from matcher.search.pyramid.sweep import sweep_targets, template
    from matcher.settings import EVIDENCE

    images = [place.image[:128, :128] for place in sample.read_sample()[:2]]
    noise = np.random.default_rng(0).normal(900, 60, (64, 64, 4)).clip(1, 4000).astype(images[0].dtype)
    patches = [images[0][10:74, 20:84].copy(), images[1][:64, :64].copy(), noise]
    matcher.match(images, patches)
    matcher.match(images, patches, evidence=EVIDENCE, search="exhaustive")
    matcher.verify([patches[0]], [images[0][12:76, 20:84]], max_shift=4)
    job = prepare(images, patches)  # too few pixels for a sweep: it is asked for
    index, task = job.index((64, 64)), job.task(2)
    swept = [(0, template(patches[0].astype(np.float32), task, index.plan))]
    sweep_targets(index, swept, [np.arange(len(images))], close=True)
    own, other = np.zeros((2, 16, 16), np.float32), np.zeros((2, 18, 18), np.float32)
    lag_products(own, other, 8, np.zeros((2, 2, 3, 3)))


def kernels():
    """Name and dispatcher of every kernel that is compiled by itself."""
    from numba.core.dispatcher import Dispatcher

    import matcher.kernels

    for found in pkgutil.iter_modules(matcher.kernels.__path__):
        module = importlib.import_module(f"matcher.kernels.{found.name}")
        for name, value in vars(module).items():
            own = isinstance(value, Dispatcher) and value.py_func.__module__ == module.__name__
            if own and value.targetoptions.get("inline") != "always":
                yield f"{found.name}.{name}", value


def foreign(text):
    """Names of x86 alone, but for those of numba's counting of references, which it makes anew for each processor."""
    out, function = set(), ""
    for line in text.splitlines():
        head = re.match(r"define .*@\"?([\w$.]+)", line)
        function = head[1] if head else function
        if not function.startswith("NRT_") and not line.startswith("declare"):
            out.update(_FOREIGN.findall(line))
    return sorted(out)


def compiled(text, machine):
    """The bytes of machine code that an x86 module's text gives on another machine."""
    import llvmlite.binding as llvm

    text = re.sub(r'target datalayout = "[^"]*"', f'target datalayout = "{LAYOUT}"', text)
    text = re.sub(r'target triple = "[^"]*"', f'target triple = "{TRIPLE}"', text)
    text = re.sub(r'"(target-cpu|target-features|tune-cpu)"="[^"]*"', "", text)
    text = re.sub(r"@llvm\.(x86[\w.]+)", r"@\1", text).replace(" immarg", "")  # a function of some other file
    module = llvm.parse_assembly(text)
    module.verify()
    return len(machine.emit_object(module))


def main():
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(TRIPLE).create_target_machine(opt=2)
    kept = keep_llvm()
    exercise()
    for name, kernel in kernels():
        if not kernel.signatures:
            print(f"{name}: never called")
        for overload in kernel.overloads.values():
            text = kept[id(overload.library)]
            print(f"{name}: {foreign(text) or compiled(text, machine)}")


if __name__ == "__main__":
    main()
