"""Events from decorated functions: a C core that costs nothing until someone listens."""

__version__ = "0.1.0"
