"""Build of the extension module ``onex_events._core`` from ``csrc/``.

Switches, read from the environment (unset, empty and ``0`` mean off):

``ONEX_EVENTS_DEBUG``     no optimisation, assertions and invariant checks on
``ONEX_EVENTS_SANITIZE``  AddressSanitizer and UndefinedBehaviorSanitizer
``ONEX_EVENTS_FUZZ``      tells a fuzzer which branches an input takes (needs ``CC=clang``)
``ONEX_EVENTS_COVERAGE``  gcov instrumentation
``ONEX_EVENTS_WERROR``    warnings are errors (CI)
``ONEX_EVENTS_JOBS``      compilers at once (default: the number of cores)

Objects are recompiled when their source, a header that they include, or their
command line changed; each combination of switches has its own objects.
"""

import os
import shlex
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext


def switched_on(name):
    return os.environ.get(f"ONEX_EVENTS_{name}", "0") not in ("", "0")


def compiler_flags():
    """Flags for compiler and linker, and a name for this combination of switches."""
    compile_args = ["-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden"]
    link_args = []
    variant = []
    if switched_on("DEBUG"):
        variant.append("debug")
        compile_args += ["-O0", "-g", "-UNDEBUG", "-DONEX_DEBUG=1"]
    elif switched_on("COVERAGE"):
        compile_args += ["-O0", "-g"]
    elif switched_on("SANITIZE"):
        compile_args += ["-O1", "-g"]
    else:
        compile_args += ["-O3"]
    if switched_on("SANITIZE"):
        variant.append("sanitize")
        sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
        compile_args += [*sanitizers, "-fno-omit-frame-pointer"]
        link_args += sanitizers
    if switched_on("FUZZ"):
        variant.append("fuzz")
        compile_args += ["-fsanitize=fuzzer-no-link"]
    if switched_on("COVERAGE"):
        variant.append("coverage")
        compile_args += ["--coverage"]
        link_args += ["--coverage"]
    if any(map(switched_on, ("DEBUG", "SANITIZE", "COVERAGE"))):
        # Debian's Python asks for it, and it needs optimisation.
        compile_args += ["-U_FORTIFY_SOURCE"]
    if switched_on("WERROR"):
        compile_args += ["-Werror"]
    return compile_args, link_args, "-".join(variant)


COMPILE_ARGS, LINK_ARGS, VARIANT = compiler_flags()


def prerequisites(rule):
    """Paths that a dependency file written by the compiler (-MMD) names."""
    _, _, names = rule.replace("\\\n", " ").partition(": ")
    return names.split()


def up_to_date(obj, command):
    """True if ``obj`` was made by ``command`` from the files as they are now."""
    try:
        made = obj.stat().st_mtime
        # What passed with -Werror need not be compiled again without.
        if obj.with_suffix(".cmd").read_text() not in (command, f"{command} -Werror"):
            return False
        return all(
            Path(name).stat().st_mtime <= made
            for name in prerequisites(obj.with_suffix(".d").read_text())
        )
    except OSError:
        return False


class IncrementalBuild(build_ext):
    """Compiles only what changed, several files at once."""

    def finalize_options(self):
        super().finalize_options()
        if self.editable_mode:
            # Else objects go to a temporary directory, and gcov's counters with them.
            ordinary = build(self.distribution)
            ordinary.ensure_finalized()
            self.build_temp = ordinary.build_temp
        if VARIANT:
            self.build_temp = f"{self.build_temp}-{VARIANT}"

    def build_extension(self, ext):
        compiler = self.compiler
        compile_one = compiler._compile

        def compile_if_changed(obj, src, suffix, cc_args, extra_postargs, pp_opts):
            path = Path(obj)
            command = shlex.join([*compiler.compiler_so, *cc_args, src, *extra_postargs])
            if self.force or not up_to_date(path, command):
                compile_one(obj, src, suffix, cc_args, [*extra_postargs, "-MMD"], pp_opts)
                path.with_suffix(".cmd").write_text(command)

        def compile_all(
            sources,
            output_dir=None,
            macros=None,
            include_dirs=None,
            debug=0,
            extra_preargs=None,
            extra_postargs=None,
            depends=None,
        ):
            macros, objects, extra_postargs, pp_opts, build = compiler._setup_compile(
                output_dir, macros, include_dirs, sources, depends, extra_postargs
            )
            cc_args = compiler._get_cc_args(pp_opts, debug, extra_preargs)
            jobs = int(os.environ.get("ONEX_EVENTS_JOBS") or os.cpu_count() or 1)
            with ThreadPoolExecutor(jobs) as pool:
                running = [
                    pool.submit(
                        compile_if_changed, obj, *build[obj], cc_args, extra_postargs, pp_opts
                    )
                    for obj in objects
                ]
                for compilation in running:
                    compilation.result()
            return objects

        compiler.compile = compile_all
        # The module is where another combination of switches may have put it.
        made_by = Path(self.build_temp, "..", f"{Path(self.get_ext_fullpath(ext.name)).name}.flags")
        flags = shlex.join([VARIANT, *COMPILE_ARGS, *LINK_ARGS])
        if not made_by.exists() or made_by.read_text() != flags:
            Path(self.get_ext_fullpath(ext.name)).unlink(missing_ok=True)
        super().build_extension(ext)
        made_by.parent.mkdir(parents=True, exist_ok=True)
        made_by.write_text(flags)


setup(
    ext_modules=[
        Extension(
            "onex_events._core",
            sources=sorted(glob("csrc/core/*.c") + glob("csrc/py/*.c")),
            include_dirs=["csrc"],
            depends=["setup.py", *sorted(glob("csrc/*/*.h"))],
            extra_compile_args=COMPILE_ARGS,
            extra_link_args=LINK_ARGS,
        )
    ],
    cmdclass={"build_ext": IncrementalBuild},
)
