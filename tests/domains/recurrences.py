"""The rows of whole recurrent sequences and their gradients."""

from domains.values import Domain, real, truth

WIDE = ("float32", "float64")


def lstm(n, m, steps, units, masked):
    """What `lstm_steps` takes."""
    state = (n, units)
    return [(n, steps, 4 * units), state, state, (units, 4 * units), (4 * units,), *[(n, steps)] * masked]


def gru(n, m, steps, units, masked):
    """What `gru_steps` takes."""
    return [(n, steps, 3 * units), (n, units), (units, 3 * units), (2, 3 * units), *[(n, steps)] * masked]


def gru_reset_before(n, m, steps, units, masked):
    """What it takes with reset_after=False."""
    return [(n, steps, 3 * units), (n, units), (units, 3 * units), (3 * units,), *[(n, steps)] * masked]


def cases(forward, kept=None, **options):
    """Rows with many steps or units, with a mask and without; those of a gradient begin with what is kept."""

    def case(steps, units, masked, backwards):
        def build(n, m):
            sizes = (steps or m, units or m)
            first = kept(n, *sizes) if kept else []
            return [*first, *forward(n, m, *sizes, masked)], {"backwards": backwards, **options}

        return build

    return tuple(
        case(*sizes, masked, backwards)
        for sizes in ((None, 2), (3, None))
        for masked, backwards in ((False, False), (True, True))
    )


def kept_of_lstm(n, steps, units):
    """Gradients of the outputs, and what was computed forward."""
    return [(n, steps, units), (n, units), (n, units), (n, steps, units), (n, steps, 4 * units), (n, steps, units)]


def kept_of_gru(n, steps, units):
    """The same for `gru_steps`."""
    return [(n, steps, units), (n, units), (n, steps, units), (n, steps, 4 * units)]


def kept_of_gru_reset_before(n, steps, units):
    """The same with reset_after=False."""
    return [(n, steps, units), (n, units), (n, steps, units), (n, steps, 3 * units)]


GRU = (cases(gru), cases(gru_reset_before, reset_after=False))
GRU_GRADIENT = (cases(gru, kept_of_gru), cases(gru_reset_before, kept_of_gru_reset_before, reset_after=False))
# What a gradient keeps of a forward run belongs to its other operands: values drawn freely tell of no second order,
# which the forward rows check. So there is no float64 for the gradients.
DOMAINS: dict[str, Domain] = {
    "lstm_steps": Domain(cases(lstm), (*(real,) * 5, truth), WIDE),
    "lstm_steps_gradient": Domain(cases(lstm, kept_of_lstm), (*(real,) * 11, truth), ("float32",)),
    "gru_steps": Domain(sum(GRU, ()), (*(real,) * 4, truth), WIDE),
    "gru_steps_gradient": Domain(sum(GRU_GRADIENT, ()), (*(real,) * 8, truth), ("float32",)),
}
