"""``python -m onex_events.cli``."""

from . import main

main()
