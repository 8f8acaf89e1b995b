"""How to call the operations that move, join, cut, pad, update and contract."""

import itertools

import numpy as np

from domains.values import below, positive, real, truth
from eagerly import ops
from public_ops.rows import Row, one, two


def each(name, *options, shapes=one, reference=None, values=(real,)):
    """A row for each tuple of positional options."""
    function, by_numpy = getattr(ops, name), reference or getattr(np, name)
    return [
        Row(
            shapes,
            lambda *xs, given=given: function(*xs, *given),
            lambda *xs, given=given: by_numpy(*xs, *given),
            values,
        )
        for given in options
    ]


def cube(n, m):
    return [(n, 3, m)]


def nothing(n, m):
    return []


def pairs(n, m):
    return [(n, m), (n, 2)]


def joined(name, shapes, by_numpy):
    return [Row(shapes, lambda *xs: getattr(ops, name)(list(xs)), lambda *xs: by_numpy(xs))]


def parts(name, shapes, *cuts):
    function, by_numpy = getattr(ops, name), getattr(np, name)
    return [
        Row(shapes, lambda x, given=given: function(x, *given), lambda x, given=given: by_numpy(x, *given))
        for given in cuts
    ]


def padded(width, mode="constant", **options):
    return Row(
        lambda n, m: [(n, m)],
        lambda x: ops.pad(x, width, mode, **options),
        lambda x: np.pad(x, width, "wrap" if mode == "circular" else mode, **options),
    )


def einsum(subscripts, *shapes):
    return Row(
        lambda n, m: [shape(n, m) for shape in shapes],
        lambda *xs: ops.einsum(subscripts, *xs),
        lambda *xs: np.einsum(subscripts, *xs),
    )


def product(name, *shapes, **options):
    function, by_numpy = getattr(ops, name), getattr(np, name)
    return [
        Row(
            lambda n, m, pair=pair: list(pair(n, m)),
            lambda x, y: function(x, y, **options),
            lambda x, y: by_numpy(x, y, **options),
        )
        for pair in shapes
    ]


def updated(reduction, combine):
    """scatter_update against one update after another."""

    def reference(x, indices, values):
        y = x.copy()
        for place, value in zip(indices, values, strict=True):
            y[tuple(place)] = combine(y[tuple(place)], value)
        return y

    return Row(
        lambda n, m: [(4, 4, m), (n, 2), (n, m)],
        lambda x, i, v: ops.scatter_update(x, i, v, reduction),
        reference,
        (real, below(4), real),
    )


def scattered(shape):
    def reference(indices, values):
        y = np.zeros(shape)
        np.add.at(y, tuple(np.moveaxis(indices, -1, 0)), values)
        return y

    return reference


def sliced_update(x, values):
    y = x.copy()
    y[1:3, : values.shape[1]] = values
    return y


def spaced(name, *options):
    """From bounds that broadcast to values along each possible axis."""
    return [
        Row(
            lambda n, m: [(n, m), (m,)],
            lambda a, b, given=given: getattr(ops, name)(a, b, **given),
            lambda a, b, given=given: getattr(np, name)(a, b, **given),
            (positive,),
        )
        for given in options
    ]


SPACES = ({"num": 4}, {"num": 3, "endpoint": False, "axis": -1}, {"num": 1}, {"num": 0, "axis": 1})

ROWS: dict[str, list[Row]] = {
    "arange": [
        Row(nothing, lambda: ops.arange(4), lambda: np.arange(4)),
        Row(nothing, lambda: ops.arange(5, 1, -1.5), lambda: np.arange(5, 1, -1.5)),
    ],
    "linspace": [
        Row(nothing, lambda: ops.linspace(0, 1, 5), lambda: np.linspace(0, 1, 5)),
        Row(nothing, lambda: ops.linspace(0, 1, 4, endpoint=False), lambda: np.linspace(0, 1, 4, False)),
        Row(nothing, lambda: ops.linspace(0, 1, 5, retstep=True), lambda: np.linspace(0, 1, 5, retstep=True)),
        Row(
            nothing,
            lambda: ops.linspace([0.0, 1.0], np.float32(2), 3, axis=-1),
            lambda: np.linspace([0, 1], 2, 3, axis=-1),
        ),
        *spaced("linspace", *SPACES),
        Row(two, lambda a, b: ops.linspace(a, b, 4, retstep=True), lambda a, b: np.linspace(a, b, 4, retstep=True)),
    ],
    "logspace": [
        Row(nothing, lambda: ops.logspace(-1, 2, 4), lambda: np.logspace(-1, 2, 4)),
        Row(nothing, lambda: ops.logspace(0, 1, 4, False, 2), lambda: np.logspace(0, 1, 4, False, 2)),
        *spaced("logspace", *SPACES, {"num": 3, "base": 2.5}),
    ],
    "geomspace": [
        Row(nothing, lambda: ops.geomspace(1, 1000, 4), lambda: np.geomspace(1, 1000, 4)),
        Row(nothing, lambda: ops.geomspace(-2, -54, 3, False), lambda: np.geomspace(-2, -54, 3, False)),
        *spaced("geomspace", *SPACES),
    ],
    "vander": each("vander", (), (2,), (4, True), (0,), shapes=lambda n, m: [(n,)]),
    "ravel": each("ravel", (), shapes=cube),
    "moveaxis": each("moveaxis", (0, -1), ((0, 2), (1, 0)), ([-1], [0]), shapes=cube),
    "swapaxes": each("swapaxes", (0, 2), (-1, 1), (1, 1), shapes=cube),
    "flip": each("flip", (), (1,), ((0, -1),), shapes=cube),
    "fliplr": each("fliplr", (), shapes=cube),
    "flipud": each("flipud", (), shapes=cube),
    "rot90": each("rot90", *itertools.product(range(-1, 4), [(0, 1), (2, 0)]), shapes=cube),
    "roll": each("roll", (1,), (-2, 1), (5, (0, 2)), ((1, -1), (2, 0)), ((1, 2), 1), (0, 0), shapes=cube),
    "tile": each("tile", (2,), ((2, 1),), ((2, 1, 3, 1),), ((0, 2),), shapes=cube),
    "repeat": [
        *each("repeat", (2,), (3, 1), (0, -1), ([2, 0, 1], 1), ([2], 0), shapes=cube),
        *each("repeat", ([1, 0, 2, 3],), shapes=lambda n, m: [(2, 2)]),
    ],
    "diff": each("diff", (), (2,), (1, 0), (0,), (3, 1), shapes=cube),
    "append": [
        Row(pairs, ops.append, np.append),
        Row(pairs, lambda x, y: ops.append(x, y, axis=-1), lambda x, y: np.append(x, y, axis=-1)),
    ],
    "hstack": [*joined("hstack", pairs, np.hstack), *joined("hstack", lambda n, m: [(n,), (m,)], np.hstack)],
    "vstack": [
        *joined("vstack", lambda n, m: [(n, m), (2, m)], np.vstack),
        *joined("vstack", lambda n, m: [(m,), (n, m), (m,)], np.vstack),
    ],
    "dstack": [
        *joined("dstack", lambda n, m: [(n, m), (n, m, 2)], np.dstack),
        *joined("dstack", lambda n, m: [(n,), (n,)], np.dstack),
        *joined("dstack", lambda n, m: [(), (1, 1, n)], np.dstack),
    ],
    "split": [
        *parts("split", cube, (3, 1), ([1, 2], 1), ([1], -1), ([2, 1, 9, -1], 1)),
        *parts("split", lambda n, m: [(2 * n, m)], (2,)),
    ],
    "array_split": parts("array_split", cube, (2,), (2, 1), (4, -1), (5, 1)),
    "hsplit": [*parts("hsplit", cube, (3,), ([1],)), *parts("hsplit", lambda n, m: [(2 * n,)], (2,))],
    "vsplit": parts("vsplit", lambda n, m: [(4, m)], (2,), ([1, 3],)),
    "dsplit": parts("dsplit", lambda n, m: [(n, m, 4)], (2,), ([1, 3],)),
    "meshgrid": [
        Row(lambda n, m: [(n,), (m,)], ops.meshgrid, np.meshgrid),
        Row(
            lambda n, m: [(n,), (m,), (2,)],
            lambda *xs: ops.meshgrid(*xs, indexing="ij"),
            lambda *xs: np.meshgrid(*xs, indexing="ij"),
        ),
        Row(lambda n, m: [(n, 2), (), (m,)], ops.meshgrid, np.meshgrid),
        Row(lambda n, m: [(n,)], ops.meshgrid, np.meshgrid),
    ],
    "diag": [
        *each("diag", (), (1,), (-2,), shapes=lambda n, m: [(n,)]),
        *each("diag", (), (1,), (-3,), shapes=one),
    ],
    "diagflat": each("diagflat", (), (-1,), shapes=one),
    "diagonal": each("diagonal", (), (1,), (-1, 2, 1), (0, -1, 0), shapes=cube),
    "trace": each("trace", (), (1,), (-1, 2, 1), (7, -1, 0), shapes=cube),
    "tri": [
        Row(nothing, lambda: ops.tri(3), lambda: np.tri(3)),
        Row(nothing, lambda: ops.tri(2, 4, -1, "int32"), lambda: np.tri(2, 4, -1)),
    ],
    "tril": each("tril", (), (1,), (-1,), shapes=cube),
    "triu": each("triu", (), (1,), (-1,), shapes=cube),
    "pad": [
        *map(padded, (2, (1,), (0, 3), ((1, 2),), ((0, 2), (3, 0)), [[1, 2], [2, 0]])),
        padded(((1, 2), (0, 1)), constant_values=1.5),
        padded(((1, 2), (0, 1)), constant_values=((1, 2), (3, 4))),
        padded(1, constant_values=(1, 2)),
        *(
            padded(width, mode)
            for mode in ("edge", "reflect", "symmetric", "wrap", "circular")
            for width in (1, ((0, 5), (4, 1)))
        ),
        *(padded(((1, 2), (3, 0)), mode) for mode in ("linear_ramp", "maximum", "minimum", "mean", "median")),
        Row(
            lambda n, m: [(n, m), ()],
            lambda x, v: ops.pad(x, ((1, 0), (0, 2)), constant_values=v),
            lambda x, v: np.pad(x, ((1, 0), (0, 2)), constant_values=v),
        ),
        Row(one, lambda x: ops.pad(x, 1, "empty"), lambda x: np.pad(x, 1)),
    ],
    "get_item": [
        Row(cube, lambda x: ops.get_item(x, (0, slice(None, None, -2), None)), lambda x: x[0, ::-2, None]),
        Row(cube, lambda x: ops.get_item(x, (Ellipsis, slice(-1, 0, -1), 0)), lambda x: x[..., -1:0:-1, 0]),
        Row(
            lambda n, m: [(n, 4), (m,)],
            lambda x, i: ops.get_item(x, (slice(1, None), i)),
            lambda x, i: x[1:, i],
            (real, below(4)),
        ),
    ],
    "unravel_index": [
        Row(
            one,
            lambda i: ops.unravel_index(ops.mod(i, 12), (2, 3, 2)),
            lambda i: np.unravel_index(i % 12, (2, 3, 2)),
            (below(12),),
        ),
    ],
    "select": [
        Row(
            lambda n, m: [(n, m), (m,), (n, 1), (n, m)],
            lambda a, b, x, y: ops.select([a, b], [x, y]),
            lambda a, b, x, y: np.select([a, b], [x + 0 * a, y]),
            (truth, truth, real),
        ),
        Row(
            lambda n, m: [(n, m), (n, m), ()],
            lambda a, x, y: ops.select([a], [x], y),
            lambda a, x, y: np.select([a], [x], y),
            (truth, real),
        ),
    ],
    "view": [
        Row(one, lambda x: ops.view(ops.cast(x, "float32"), "int32"), lambda x: x.astype(np.float32).view(np.int32)),
        Row(
            lambda n, m: [(n, 2 * m)],
            lambda x: ops.view(ops.cast(x, "float32"), "int64"),
            lambda x: x.astype(np.float32).view(np.int64),
        ),
        Row(
            one,
            lambda x: ops.view(ops.cast(x, "float32"), "uint8"),
            lambda x: x.astype(np.float32).view(np.uint8),
        ),
        Row(one, ops.view, lambda x: x),
    ],
    "einsum": [
        einsum("ij,jk->ik", lambda n, m: (n, m), lambda n, m: (m, 4)),
        einsum("bqhd,bkhd->bhqk", lambda n, m: (n, m, 2, 3), lambda n, m: (n, 4, 2, 3)),
        einsum("ij,ij->i", lambda n, m: (n, m), lambda n, m: (n, m)),
        einsum("i,j", lambda n, m: (n,), lambda n, m: (m,)),
        einsum("ii", lambda n, m: (n, n)),
        einsum("iji->ji", lambda n, m: (n, m, n)),
        einsum("ba", lambda n, m: (n, m)),
        einsum("ij->", lambda n, m: (n, m)),
        einsum("...ij,...jk", lambda n, m: (n, 1, 2, m), lambda n, m: (3, m, 2)),
        einsum("...j,j->...", lambda n, m: (n, m), lambda n, m: (m,)),
        einsum("ab,bc,cd->ad", lambda n, m: (n, m), lambda n, m: (m, 5), lambda n, m: (5, n)),
        einsum("aab, bc ,c-> ba", lambda n, m: (n, n, m), lambda n, m: (m, 2), lambda n, m: (2,)),
        einsum(",i", lambda n, m: (), lambda n, m: (n,)),
        einsum("ij,ij", lambda n, m: (n, 1), lambda n, m: (n, m)),
    ],
    "tensordot": [
        *product("tensordot", lambda n, m: [(2, n, m), (n, m, 3)]),
        *product("tensordot", lambda n, m: [(n, m), (m, 2)], axes=1),
        *product("tensordot", lambda n, m: [(n, m), (2,)], axes=0),
        *product("tensordot", lambda n, m: [(n, 2, m), (3, m, n)], axes=([0, -1], [2, 1])),
        *product("tensordot", lambda n, m: [(n, m), (m, 2)], axes=(1, 0)),
    ],
    "dot": product(
        "dot",
        lambda n, m: [(n,), (n,)],
        lambda n, m: [(n, m), (m, 3)],
        lambda n, m: [(2, n, m), (m,)],
        lambda n, m: [(n, m), (2, m, 3)],
        lambda n, m: [(), (n, m)],
    ),
    "inner": product(
        "inner",
        lambda n, m: [(m,), (m,)],
        lambda n, m: [(n, 2, m), (3, m)],
        lambda n, m: [(n, m), ()],
    ),
    "outer": product("outer", lambda n, m: [(n,), (m,)], lambda n, m: [(n, 2), (2, m)], lambda n, m: [(), (m,)]),
    "vdot": product("vdot", lambda n, m: [(n,), (n,)], lambda n, m: [(n, m), (m, n)]),
    "kron": product("kron", lambda n, m: [(n, m), (m, 2)], lambda n, m: [(n,), (2, m)], lambda n, m: [(2, 1, n), (m,)]),
    "cross": [
        *product("cross", lambda n, m: [(n, 3), (3,)], lambda n, m: [(2, 3), (n, 1, 3)]),
        *product("cross", lambda n, m: [(3, n), (n, 3)], axisa=0, axisc=0),
        *product("cross", lambda n, m: [(n, 3, m), (3, m)], axis=-2),
    ],
    "unstack": [
        Row(cube, lambda x: ops.unstack(x, axis=1), lambda x: list(np.moveaxis(x, 1, 0))),
        Row(lambda n, m: [(n, m, 2)], lambda x: ops.unstack(x, 2, -1), lambda x: list(np.moveaxis(x, -1, 0))),
    ],
    "slice": [
        Row(lambda n, m: [(4, m)], lambda x: ops.slice(x, (1, 0), (2, ops.shape(x)[1])), lambda x: x[1:3]),
        Row(lambda n, m: [(n, m)], lambda x: ops.slice(x, [1, 0], [-1, 2]), lambda x: x[1:, :2]),
        Row(
            lambda n, m: [(5, n + 5), (2,)],
            lambda x, i: ops.slice(x, ops.absolute(i), (3, 2)),
            lambda x, i: x[abs(i[0]) : abs(i[0]) + 3, abs(i[1]) : abs(i[1]) + 2],
            (real, below(2)),
        ),
    ],
    "slice_update": [
        Row(
            lambda n, m: [(4, n), (2, n)],
            lambda x, v: ops.slice_update(x, (1, 0), v),
            sliced_update,
        ),
        Row(
            lambda n, m: [(4, n + 3), (2, 3), ()],
            lambda x, v, i: ops.slice_update(x, [ops.cast(ops.absolute(i) * 0 + 1, "int32"), 0], v),
            lambda x, v, i: sliced_update(x, v),
        ),
    ],
    "scatter": [
        Row(
            lambda n, m: [(n, 2), (n,)],
            lambda i, v: ops.scatter(i, v, (4, 4)),
            scattered((4, 4)),
            (below(4), real),
        ),
        Row(
            lambda n, m: [(n, m, 1), (n, m, 2)],
            lambda i, v: ops.scatter(i, v, (4, 2)),
            scattered((4, 2)),
            (below(4), real),
        ),
    ],
    "scatter_update": [
        updated(None, lambda old, new: new),
        updated("add", np.add),
        updated("max", np.maximum),
        updated("min", np.minimum),
        updated("mul", np.multiply),
    ],
    "rearrange": [
        Row(
            cube,
            lambda x: ops.rearrange(x, "a b c -> c (b a)"),
            lambda x: x.transpose(2, 1, 0).reshape(len(x[0, 0]), -1),
        ),
        Row(
            lambda n, m: [(n, 6, m)],
            lambda x: ops.rearrange(x, "n (a b) m -> (n b) (m a)", b=2),
            lambda x: x.reshape(len(x), 3, 2, -1).transpose(0, 2, 3, 1).reshape(2 * len(x), -1),
        ),
    ],
    "space_to_depth": [
        Row(
            lambda n, m: [(n, 2 * m, 4, 3)],
            lambda x: ops.space_to_depth(x, 2),
            lambda x: np.concatenate([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], -1),
        ),
        Row(
            lambda n, m: [(n, m, 3, 6)],
            lambda x: ops.space_to_depth(x, 3, "channels_first"),
            lambda x: np.stack([x[:, :, i::3, j::3] for i in range(3) for j in range(3)], 2).reshape(len(x), -1, 1, 2),
        ),
    ],
    "depth_to_space": [
        Row(
            lambda n, m: [(n, m, 2, 12)],
            lambda x: ops.depth_to_space(ops.space_to_depth(ops.depth_to_space(x, 2), 2), 2),
            lambda x: np.moveaxis(x.reshape(*x.shape[:3], 2, 2, 3), 3, 2).reshape(len(x), 2 * x.shape[1], 4, 3),
        ),
        Row(
            lambda n, m: [(n, 4 * m, 1, 2)],
            lambda x: ops.depth_to_space(x, 2, "channels_first"),
            lambda x: x.reshape(len(x), -1, 2, 2, 1, 2).transpose(0, 1, 4, 2, 5, 3).reshape(len(x), -1, 2, 4),
        ),
    ],
}
