"""The behaviour of spec 1, stated once and run on every implementation of it."""
