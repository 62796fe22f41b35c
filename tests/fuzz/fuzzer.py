"""``python -m tests.fuzz.fuzzer TARGET [LIBFUZZER OPTIONS AND DIRECTORIES]``: see tools/fuzz."""

import sys

import atheris

with atheris.instrument_imports(include=["onex_events"]):
    from .decoders import TARGETS

name = sys.argv.pop(1)
atheris.Setup(sys.argv, TARGETS[name])
atheris.Fuzz()
