"""All steps of a recurrent sequence as one primitive, whose inputs come projected, and the gradient as another.

z [batch, steps, gates · units] is the inputs' share of all gates, without the bias. A mask [batch, steps] may come
last: where it is false, states stay, and the output is the one before, zeros before the first step that was taken.
float32 runs in kernels, from `WORTHWHILE` outputs on, everything else in NumPy. `unrolled` has the compositions that
mean the same, `fused_gradients` makes the gradients' gradients of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, kernels
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, abstract, dims
from . import arrays, linear
from .elementwise import sigmoid

WORTHWHILE = 1024  # fewer outputs take less time than a process's first call of a kernel
Array = np.ndarray[Any, Any]
_sigmoid: Callable[[Array], Array] = sigmoid.implementation


def _launch(name: str, gradient: bool, z: Any, h0: Any, mask: tuple[Any, ...], backwards: bool) -> Any:
    """The kernel for such operands, or None."""
    (batch, steps, _), units = dims(z), dims(h0)[1]
    if z.dtype != dtypes.FLOATX or not batch * steps * units:
        return None
    return kernels.launch(name, gradient, batch, steps, units, bool(mask), backwards)


def _by_kernel(rule: Callable[..., Any], operands: tuple[Any, ...], launch: Any, options: dict[str, Any]) -> Any:
    """What the launch makes of the operands."""
    specs = rule(*map(abstract, operands), **options)
    outputs = tuple(np.empty(spec.dims, spec.dtype) for spec in specs)
    launch(*outputs, *map(np.ascontiguousarray, operands))
    return outputs


def _contiguous(*operands: Any) -> list[Array]:
    """The operands as arrays that a kernel, and NumPy whatever their strides were, makes the same of."""
    found = [np.ascontiguousarray(x) for x in operands]
    if found[0].dtype.kind == "c":
        raise TypeError("absolute values")  # the shape rule says it better
    return found


def _specs(dtype: np.dtype[Any], *shapes: Any) -> tuple[AbstractTensor, ...]:
    if dtype.kind == "c":
        raise TypeError("expected real numbers. Gates are sigmoid's work, which is none for complex ones")
    return tuple(AbstractTensor(shape, dtype) for shape in shapes)


def _order(steps: int, backwards: bool) -> range:
    """Where the inputs of each step stand."""
    return range(steps - 1, -1, -1) if backwards else range(steps)


def _taken(z: Array, mask: tuple[Any, ...], backwards: bool) -> tuple[Array, Array]:
    """For each step which rows take it, and which have taken one before or now: both [steps, batch, 1]."""
    taken = np.asarray(mask[0], bool) if mask else np.ones(z.shape[:2], bool)
    taken = (taken[:, ::-1] if backwards else taken).T[..., None]
    return taken, np.logical_or.accumulate(taken, axis=0)


def _product(left: Any, right: Any) -> Any:
    """Leftᵀ @ right, over all rows and steps."""
    left, right = (arrays.reshape(x, newshape=(dims(x)[0] * dims(x)[1], dims(x)[2])) for x in (left, right))
    return linear.matmul(linear.swapped(left), right)


def _lstm_shapes(
    z: Any, h0: Any, c0: Any, recurrent_kernel: Any, bias: Any, *mask: Any, backwards: bool = False
) -> Any:
    batch, steps, _ = z.dims
    sequence = (batch, steps, h0.dims[1])
    return _specs(z.dtype, sequence, h0.dims, h0.dims, z.dims, sequence)


@primitive(shape=_lstm_shapes, outputs=3, residuals=2)
def lstm_steps(
    z: TensorLike,
    h0: TensorLike,
    c0: TensorLike,
    recurrent_kernel: TensorLike,
    bias: TensorLike,
    *mask: TensorLike,
    backwards: bool = False,
) -> Any:
    """A long short-term memory, `lstm_sequence`: all outputs, the last h and c; and the gates and c of all steps."""
    z, h0, c0, recurrent_kernel, bias = _contiguous(z, h0, c0, recurrent_kernel, bias)
    operands = (z, h0, c0, recurrent_kernel, bias, *mask)
    batch, steps, width = z.shape
    units = width // 4
    if batch * steps * units >= WORTHWHILE:
        launch = _launch("lstm", False, z, h0, mask, backwards)
        if launch is not None:
            return _by_kernel(_lstm_shapes, operands, launch, {})
    y, cells = (np.zeros((batch, steps, units), z.dtype) for _ in range(2))
    gates = np.zeros_like(z)
    h, c = h0.copy(), c0.copy()
    taken, begun = _taken(z, mask, backwards)
    for step, t in enumerate(_order(steps, backwards)):
        i, f, g, o = np.split(z[:, t] + bias + h @ recurrent_kernel, 4, axis=1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        after = f * c + i * g
        h = np.where(taken[step], o * np.tanh(after), h)
        c = np.where(taken[step], after, c)
        y[:, step], cells[:, step] = np.where(begun[step], h, 0), c
        gates[:, step] = np.where(taken[step], np.concatenate((i, f, g, o), axis=1), 0)
    return y, h, c, gates, cells


def _lstm_back(
    wanted: Any,
    g: Any,
    y: Any,
    z: Any,
    h0: Any,
    c0: Any,
    recurrent_kernel: Any,
    bias: Any,
    *mask: Any,
    backwards: bool = False,
) -> Any:
    kept, inputs = (y[0], *y[3:]), (z, h0, c0, recurrent_kernel, bias, *mask)
    dz, dh0, dc0, dbias, before = lstm_steps_gradient(*g, *kept, *inputs, backwards=backwards)
    return [dz, dh0, dc0, _product(before, dz) if wanted[3] else None, dbias, *(None for _ in mask)]


lstm_steps.defvjp_all(_lstm_back)
lstm_steps.defkernel(
    lambda z, h0, c0, recurrent_kernel, bias, *mask, backwards=False: _launch("lstm", False, z, h0, mask, backwards)
)


def _lstm_gradient_shapes(
    gy: Any, gh: Any, gc: Any, y: Any, gates: Any, cells: Any, z: Any, *rest: Any, **params: Any
) -> Any:
    bias = rest[3]
    return _specs(gy.dtype, z.dims, gh.dims, gc.dims, bias.dims, y.dims)


@primitive(shape=_lstm_gradient_shapes, outputs=5)
def lstm_steps_gradient(
    gy: TensorLike,
    gh: TensorLike,
    gc: TensorLike,
    y: TensorLike,
    gates: TensorLike,
    cells: TensorLike,
    z: TensorLike,
    h0: TensorLike,
    c0: TensorLike,
    recurrent_kernel: TensorLike,
    bias: TensorLike,
    *mask: TensorLike,
    backwards: bool = False,
) -> Any:
    """The gradients of `lstm_steps` for z, h0, c0 and bias, and the h that each step began with, in the order of z.

    y, gates and cells are what `lstm_steps` gave: its own gradient takes them for functions of the other operands.
    """
    gy, gh, gc, y, gates, cells, z, h0, c0, recurrent_kernel, bias = _contiguous(
        gy, gh, gc, y, gates, cells, z, h0, c0, recurrent_kernel, bias
    )
    operands = (gy, gh, gc, y, gates, cells, z, h0, c0, recurrent_kernel, bias, *mask)
    if y.size >= WORTHWHILE:
        launch = _launch("lstm", True, z, h0, mask, backwards)
        if launch is not None:
            return _by_kernel(_lstm_gradient_shapes, operands, launch, {})
    dz, before = np.zeros_like(z), np.zeros_like(y)
    dh, dc = gh.copy(), gc.copy()
    taken, begun = _taken(z, mask, backwards)
    for step, t in reversed(list(enumerate(_order(z.shape[1], backwards)))):
        d = dh + np.where(begun[step], gy[:, step], 0)
        i, f, g, o = np.split(gates[:, step], 4, axis=1)
        h_before = np.where(begun[step - 1], y[:, step - 1], h0) if step else h0
        c_before = cells[:, step - 1] if step else c0
        active = np.tanh(cells[:, step])
        e = dc + d * o * (1 - active * active)
        parts = (e * g * i * (1 - i), e * c_before * f * (1 - f), e * i * (1 - g * g), d * active * o * (1 - o))
        dz[:, t] = np.where(taken[step], np.concatenate(parts, axis=1), 0)
        before[:, t] = h_before
        dc = np.where(taken[step], e * f, dc)
        dh = np.where(taken[step], dz[:, t] @ recurrent_kernel.T, d)
    return dz, dh, dc, np.sum(dz, axis=(0, 1)), before


lstm_steps_gradient.defkernel(
    lambda gy, gh, gc, y, gates, cells, z, h0, c0, recurrent_kernel, bias, *mask, backwards=False: _launch(
        "lstm", True, z, h0, mask, backwards
    )
)


def _gru_name(reset_after: bool) -> str:
    return "gru" if reset_after else "gru_reset_before"


def _gru_shapes(
    z: Any,
    h0: Any,
    recurrent_kernel: Any,
    bias: Any,
    *mask: Any,
    backwards: bool = False,
    reset_after: bool = True,
) -> Any:
    (batch, steps, _), units = z.dims, h0.dims[1]
    gates = (batch, steps, (4 if reset_after else 3) * units)
    return _specs(z.dtype, (batch, steps, units), h0.dims, gates)


@primitive(shape=_gru_shapes, outputs=2, residuals=1)
def gru_steps(
    z: TensorLike,
    h0: TensorLike,
    recurrent_kernel: TensorLike,
    bias: TensorLike,
    *mask: TensorLike,
    backwards: bool = False,
    reset_after: bool = True,
) -> Any:
    """Gated recurrent units, `gru_sequence`: all outputs and the last h; and the gates z, r, n of all steps.

    With reset_after, what r multiplies comes after the gates.
    """
    z, h0, recurrent_kernel, bias = _contiguous(z, h0, recurrent_kernel, bias)
    options = {"backwards": backwards, "reset_after": reset_after}
    (batch, steps, _), units = z.shape, h0.shape[1]
    if batch * steps * units >= WORTHWHILE:
        launch = _launch(_gru_name(reset_after), False, z, h0, mask, backwards)
        if launch is not None:
            return _by_kernel(_gru_shapes, (z, h0, recurrent_kernel, bias, *mask), launch, options)
    y = np.zeros((batch, steps, units), z.dtype)
    gates = np.zeros((batch, steps, (4 if reset_after else 3) * units), z.dtype)
    h = h0.copy()
    taken, begun = _taken(z, mask, backwards)
    first, second = bias if reset_after else (bias, 0)
    count = 3 if reset_after else 2  # of gates that are a product with h itself
    gates_kernel = recurrent_kernel[:, : count * units]
    for step, t in enumerate(_order(steps, backwards)):
        update, reset, new = np.split(z[:, t] + first, 3, axis=1)
        a, b, *m = np.split(h @ gates_kernel + second, count, axis=1)
        update, reset = _sigmoid(update + a), _sigmoid(reset + b)
        new = np.tanh(new + (reset * m[0] if reset_after else (reset * h) @ recurrent_kernel[:, 2 * units :]))
        h = np.where(taken[step], update * h + (1 - update) * new, h)
        y[:, step] = np.where(begun[step], h, 0)
        gates[:, step] = np.where(taken[step], np.concatenate((update, reset, new, *m), axis=1), 0)
    return y, h, gates


def _gru_back(
    wanted: Any,
    g: Any,
    y: Any,
    z: Any,
    h0: Any,
    recurrent_kernel: Any,
    bias: Any,
    *mask: Any,
    backwards: bool = False,
    reset_after: bool = True,
) -> Any:
    operands = (*g, y[0], y[2], z, h0, recurrent_kernel, bias, *mask)
    dz, dh0, dbias, before, other = gru_steps_gradient(*operands, backwards=backwards, reset_after=reset_after)
    weights = None
    if wanted[2] and reset_after:
        weights = _product(before, other)
    elif wanted[2]:
        place = 2 * dims(h0)[1]
        weights = arrays.concatenate(_product(before, dz[..., :place]), _product(other, dz[..., place:]), axis=1)
    return [dz, dh0, weights, dbias, *(None for _ in mask)]


gru_steps.defvjp_all(_gru_back)
gru_steps.defkernel(
    lambda z, h0, recurrent_kernel, bias, *mask, backwards=False, reset_after=True: _launch(
        _gru_name(reset_after), False, z, h0, mask, backwards
    )
)


def _gru_gradient_shapes(
    gy: Any,
    gh: Any,
    y: Any,
    gates: Any,
    z: Any,
    h0: Any,
    recurrent_kernel: Any,
    bias: Any,
    *mask: Any,
    backwards: bool = False,
    reset_after: bool = True,
) -> Any:
    return _specs(gy.dtype, z.dims, gh.dims, bias.dims, y.dims, (z if reset_after else y).dims)


@primitive(shape=_gru_gradient_shapes, outputs=5)
def gru_steps_gradient(
    gy: TensorLike,
    gh: TensorLike,
    y: TensorLike,
    gates: TensorLike,
    z: TensorLike,
    h0: TensorLike,
    recurrent_kernel: TensorLike,
    bias: TensorLike,
    *mask: TensorLike,
    backwards: bool = False,
    reset_after: bool = True,
) -> Any:
    """The gradients of `gru_steps` for z, h0 and bias; the h that each step began with; and one more, by reset_after.

    This is the gradient for the product of that h and the recurrent kernel, or, before the product, r · h. Both stand
    in the order of z. y and gates are what `gru_steps` gave: its own gradient takes them for functions of the other
    operands.
    """
    gy, gh, y, gates, z, h0, recurrent_kernel, bias = _contiguous(gy, gh, y, gates, z, h0, recurrent_kernel, bias)
    options = {"backwards": backwards, "reset_after": reset_after}
    if y.size >= WORTHWHILE:
        launch = _launch(_gru_name(reset_after), True, z, h0, mask, backwards)
        if launch is not None:
            operands = (gy, gh, y, gates, z, h0, recurrent_kernel, bias, *mask)
            return _by_kernel(_gru_gradient_shapes, operands, launch, options)
    dz, before, place = np.zeros_like(z), np.zeros_like(y), 2 * h0.shape[1]
    other = np.zeros_like(z if reset_after else y)
    dh = gh.copy()
    taken, begun = _taken(z, mask, backwards)
    for step, t in reversed(list(enumerate(_order(z.shape[1], backwards)))):
        d = dh + np.where(begun[step], gy[:, step], 0)
        update, reset, new, *m = np.split(gates[:, step], 4 if reset_after else 3, axis=1)
        before[:, t] = h = np.where(begun[step - 1], y[:, step - 1], h0) if step else h0
        dn = d * (1 - update) * (1 - new * new)
        of_gated = dn * m[0] if reset_after else (dn @ recurrent_kernel[:, place:].T) * h
        parts = [d * (h - new) * update * (1 - update), of_gated * reset * (1 - reset), dn]
        dz[:, t] = np.where(taken[step], np.concatenate(parts, axis=1), 0)
        if reset_after:
            other[:, t] = np.where(taken[step], np.concatenate((*parts[:2], dn * reset), axis=1), 0)
            through = other[:, t] @ recurrent_kernel.T
        else:
            other[:, t] = reset * h
            through = dz[:, t, :place] @ recurrent_kernel[:, :place].T + (dn @ recurrent_kernel[:, place:].T) * reset
        dh = np.where(taken[step], d * update + through, d)
    sums = [np.sum(x, axis=(0, 1)) for x in ((dz, other) if reset_after else (dz,))]
    return dz, dh, np.stack(sums) if reset_after else sums[0], before, other


gru_steps_gradient.defkernel(
    lambda gy, gh, y, gates, z, h0, recurrent_kernel, bias, *mask, backwards=False, reset_after=True: _launch(
        _gru_name(reset_after), True, z, h0, mask, backwards
    )
)
