"""Build of the extension module ``onex_events._core`` from ``csrc/``."""

from glob import glob

from setuptools import Extension, setup

setup(
    packages=["onex_events"],
    ext_modules=[
        Extension(
            "onex_events._core",
            sources=sorted(glob("csrc/core/*.c") + glob("csrc/py/*.c")),
            include_dirs=["csrc"],
            depends=sorted(glob("csrc/core/*.h") + glob("csrc/py/*.h")),
            extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
        )
    ],
)
