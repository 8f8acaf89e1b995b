"""Rows of layers that do not know space: normalization, merging, rearranging, noise."""

from parity.layers import LayerRow, Made


def affine(d):
    """Whether there are a scale and an offset, and what the variance has more."""
    return d.maybe(center=False, scale=False, epsilon=0.1)


def layer_norm(d):
    """The last axis or several, counted from either end; for other axes Keras on PyTorch is wrong or fails."""
    shape = d.shape(2, 4, least=2)
    rank = len(shape)
    axis = d.pick(-1, rank - 1, [-1], list(range(1, rank)), list(range(1 - rank, 0)))
    return Made({"axis": axis, **affine(d)}, d.array(shape))


def rms_norm(d):
    """As layer_norm; there is a scale always."""
    made = layer_norm(d)
    return Made({"axis": made.make["axis"], **d.maybe(epsilon=0.1)}, made.inputs)


def group_norm(d):
    """Channels along any axis but the batch's, in groups of any size."""
    shape = [3, *d.shape(1, 3, least=2)]
    axis = d.size(1, len(shape) - 1)
    groups, each = d.size(1, 3), d.size(1, 3)
    shape[axis] = groups * each
    axis = d.pick(axis, axis - len(shape))
    return Made({"groups": groups if d.flip() or each > 1 else -1, "axis": axis, **affine(d)}, d.array(tuple(shape)))


def unit_norm(d):
    """Vectors along one axis or several."""
    shape = d.shape(2, 4, least=2)
    return Made({"axis": d.pick(-1, 1, list(range(1, len(shape))))}, d.array(shape, away=0.1))


def merged(least=1, most=3):
    """Inputs of fewer axes than the first, and sizes of 1; the batch is the same."""

    def draw(d):
        shape = d.shape(1, 3)
        shapes = [shape, *(d.broadcastable(shape) for _ in range(d.size(least, most) - 1))]
        return Made({}, [d.distinct((3, *each)) for each in shapes])

    return draw


def dotted(d):
    """Two inputs of any rank, summed over an axis of equal size."""
    size = d.size(2, 4)
    shapes = [[3, *d.shape(1, 3)] for _ in range(2)]
    axes = [d.size(1, len(shape) - 1) for shape in shapes]
    for shape, axis in zip(shapes, axes, strict=True):
        shape[axis] = size
    if axes[0] == axes[1] and d.flip():
        axes = axes[:1]
    elif d.flip():
        axes = [axes[0] - len(shapes[0]), axes[1] - len(shapes[1])]
    make = {"axes": axes[0] if len(axes) == 1 else tuple(axes), **d.maybe(normalize=True)}
    return Made(make, [d.array(tuple(shape), away=0.1) for shape in shapes])


def permuted(d):
    """The axes behind the batch's in any order."""
    shape = d.shape(2, 4)
    return Made({"dims": tuple(int(i) + 1 for i in d.rng.permutation(len(shape) - 1))}, d.array(shape))


def noisy(name):
    """Called outside of training alone: the rest is random."""
    return lambda d: Made({name: d.pick(0.0, 0.5), "seed": 1}, d.array(d.shape(1, 3)))


LAYERS: dict[str, list[LayerRow]] = {
    "LayerNormalization": [LayerRow(layer_norm, draws=16, tolerance=3)],
    "RMSNormalization": [LayerRow(rms_norm, draws=12, tolerance=3)],
    "GroupNormalization": [LayerRow(group_norm, draws=16, tolerance=3)],
    "UnitNormalization": [LayerRow(unit_norm, draws=8)],
    **{name: [LayerRow(merged(), draws=10)] for name in ("Add", "Average", "Maximum", "Minimum", "Multiply")},
    "Subtract": [LayerRow(merged(2, 2), draws=10)],
    "Dot": [LayerRow(dotted, draws=16)],
    "Permute": [LayerRow(permuted)],
    "RepeatVector": [LayerRow(lambda d: Made({"n": d.size()}, d.array(d.shape(2, 2))))],
    "AlphaDropout": [LayerRow(noisy("rate"))],
    "GaussianDropout": [LayerRow(noisy("rate"))],
    "GaussianNoise": [LayerRow(noisy("stddev"))],
}
