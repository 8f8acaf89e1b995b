"""Operations that take functions: `ops/test_control.py`, `test_scans.py` and `test_vectorized.py` call them."""

OTHERS = {
    "associative_scan",
    "cond",
    "fori_loop",
    "map",
    "scan",
    "switch",
    "vectorize",
    "vectorized_map",
    "while_loop",
}
