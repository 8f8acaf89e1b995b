"""Compiled graphs: a function's operations, traced once, run natively."""
