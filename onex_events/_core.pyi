"""Types of the C core; checked against the module by mypy's stubtest."""
