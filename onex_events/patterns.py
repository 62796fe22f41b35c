"""The error of a pattern that is no regular expression."""

from __future__ import annotations

import re


class PatternError(re.error, ValueError):
    """A pattern does not compile; both a ValueError and a re.error."""
