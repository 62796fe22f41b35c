"""The context functions."""

from typing import reveal_type

from onex_events._core import get_context_depth

reveal_type(get_context_depth())  # revealed: int
get_context_depth(1)  # error: call-arg
