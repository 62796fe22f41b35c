"""Events from decorated functions: a C core that costs nothing until someone listens."""
