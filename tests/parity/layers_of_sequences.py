"""How to make and call recurrent layers, their cells, and the layers that wrap them."""

from parity.layers import LayerRow, Made

STATES = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}


def cell_options(d, kind):
    """The options of a cell; half of the time those with which LSTM and GRU run as a whole."""
    options = d.maybe(use_bias=False, dropout=0.3)
    if d.flip():
        options |= d.maybe(activation=d.pick("relu", "softsign", None), recurrent_dropout=0.3)
        if kind != "SimpleRNN":
            options |= d.maybe(recurrent_activation=d.pick("softsign", "tanh"))
    if kind == "GRU":
        options |= d.maybe(reset_after=False)
    if kind == "LSTM":
        options |= d.maybe(unit_forget_bias=False)
    return options


def masked(d, batch, steps):
    """A mask, half of the time."""
    return {"mask": d.truth((batch, steps))} if d.flip() else {}


def sequence(kind):
    """A layer with a cell of its own."""

    def draw(d):
        units, steps = d.size(), d.size(1, 4)
        options = d.maybe(return_sequences=True, return_state=True, go_backwards=True, zero_output_for_mask=True)
        call = masked(d, 2, steps)
        if d.flip():
            call["initial_state"] = [d.array((2, units)) for _ in range(STATES[kind])]
        if not call and d.flip():
            options["unroll"] = True
        make = {"units": units, **cell_options(d, kind), **options, "seed": 1}
        return Made(make, d.array((2, steps, d.size())), call)

    return draw


def cell(kind):
    """A cell for one step."""

    def draw(d):
        units = d.size()
        states = [d.array((2, units)) for _ in range(STATES[kind])]
        return Made({"units": units, **cell_options(d, kind), "seed": 1}, d.array((2, d.size())), {"states": states})

    return draw


def cells(side, kinds, units, dtype):
    """Cells of several kinds."""
    made = zip(kinds, units, strict=True)
    return [getattr(side, f"{kind}Cell")(count, dtype=dtype, seed=1) for kind, count in made]


def stacked(d):
    """Two cells or three."""
    kinds = [d.pick(*STATES) for _ in range(d.size(2, 3))]
    units = [d.size() for _ in kinds]
    states = [[d.array((2, n)) for _ in range(STATES[kind])] for kind, n in zip(kinds, units, strict=True)]

    def nested(side, dtype):
        return {"cells": cells(side, kinds, units, dtype)}

    return Made({}, d.array((2, 3)), {"states": states}, nested)


def ran(d):
    """A cell, or several, over a sequence."""
    kinds = [d.pick(*STATES) for _ in range(d.size(1, 2))]
    units, steps = [d.size() for _ in kinds], d.size(1, 4)
    options = d.maybe(return_sequences=True, return_state=True, go_backwards=True, zero_output_for_mask=True)

    def nested(side, dtype):
        made = cells(side, kinds, units, dtype)
        return {"cell": side.StackedRNNCells(made, dtype=dtype) if len(made) > 1 else made[0]}

    return Made(options, d.array((2, steps, 3)), masked(d, 2, steps), nested)


def both_ways(d):
    """A layer and its twin for the other direction, or another one."""
    kind, units, steps = d.pick(*STATES), d.size(), d.size(1, 4)
    options = d.maybe(return_sequences=True, return_state=True)
    other = d.flip()
    call = masked(d, 2, steps)
    if d.flip():
        call["initial_state"] = [d.array((2, units)) for _ in range(2 * STATES[kind])]

    def nested(side, dtype):
        layer = getattr(side, kind)
        found = {"layer": layer(units, **options, dtype=dtype, seed=1)}
        if other:
            found["backward_layer"] = layer(units, activation="relu", go_backwards=True, **options, dtype=dtype, seed=1)
        return found

    make = d.maybe(merge_mode=d.pick("sum", "mul", "ave", "concat", None))
    return Made(make, d.array((2, steps, 3)), call, nested)


def each_step(d):
    """Layers on the steps of a sequence."""
    image = d.flip()
    shape = (2, 3, 4, 4, 2) if image else (2, d.size(), 3)

    def nested(side, dtype):
        layer = side.Conv2D(2, 3, dtype=dtype) if image else side.Dense(2, activation="tanh", dtype=dtype)
        return {"layer": layer}

    return Made({}, d.array(shape), masked(d, *shape[:2]), nested)


def standardized(d):
    """Statistics of each step by itself."""
    return Made({}, d.array((4, 3, 2)), {}, lambda side, dtype: {"layer": side.BatchNormalization(dtype=dtype)})


LAYERS: dict[str, list[LayerRow]] = {
    "Bidirectional": [LayerRow(both_ways, draws=16)],
    "RNN": [LayerRow(ran, draws=16)],
    "StackedRNNCells": [LayerRow(stacked)],
    "TimeDistributed": [LayerRow(each_step), LayerRow(standardized, draws=2, training=True, tolerance=3)],
    **{kind: [LayerRow(sequence(kind), draws=32)] for kind in STATES},
    **{f"{kind}Cell": [LayerRow(cell(kind), draws=12)] for kind in STATES},
}
