"""Layer: the base of every layer and model.

A layer is a Trackable that is called. The first call builds it: `build` makes the weights for the shapes that came.
Subclasses define `__init__`, `build` and `call`; the base adds names, conversion and checks of the input, the training
mode, masks and losses. A first call that fails leaves everything unbuilt.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from .. import constraints, dtypes, initializers, nest, regularizers, symbolic
from ..configurable import Configurable, snake_case
from ..context import context, scoped
from ..dimensions import BATCH, unknown
from ..errors import describe, suggest
from ..frames import user_level
from ..ops import creation, elementwise
from ..primitive import cast
from ..random import SeedGenerator
from ..tensor import AbstractTensor, Operand, Tensor
from ..trackable import Trackable, direct_children
from ..variable import Variable, rollback
from .calls import as_tensors, build_parameters, build_shapes, call_signature, map_shapes, mask_of, shape_of
from .input_spec import InputSpec
from .journal import all_or_nothing, trial

_display_names: dict[str, itertools.count[int]] = {}
_run_numbers = itertools.count(1)


def _display_name(cls: type) -> str:
    """`dense`, `dense_1`, …: unique in the process, for display only."""
    base = snake_case(cls.__name__)
    number = next(_display_names.setdefault(base, itertools.count()))
    return f"{base}_{number}" if number else base


def _building(build: Callable[..., None]) -> Callable[..., None]:
    """A `build` that runs in its layer's scope, unseen by recorders, and marks the layer built; all or nothing."""

    @functools.wraps(build)
    def wrapped(self: Layer, *args: Any, **kwargs: Any) -> None:
        if type(self).build is not wrapped:  # called by a subclass's build, which is the one that builds
            build(self, *args, **kwargs)
            return
        with all_or_nothing(self):
            try:
                with scoped(scope=_with(self), recorders=(), symbolic_call=False, tracing=None):
                    build(self, *args, **kwargs)
            except Exception as error:
                error.add_note(f"In the build of {self._title()} ({self.path}).")
                raise
            names = build_parameters(type(self).build)
            self.built_shapes = {**dict(zip(names, args, strict=False)), **kwargs}
            self.built = True
            self.resolve_pending()

    return wrapped


def _with(layer: Layer) -> tuple[Any, ...]:
    """The scope with a layer innermost."""
    scope = context.scope
    return scope if scope and scope[-1] is layer else (*scope, layer)


class Layer(Trackable, Configurable):
    """A callable with weights; subclass it and define `call`, and `build` if it has weights.

    Args:
      activity_regularizer: regularizer of the output, added to `losses`.
      trainable: whether the weights are updated in training.
      dtype: the dtype of weights and computation, float32 if None.
      autocast: whether floating-point inputs are cast to that dtype.
      name: shown in messages, and the layer's name in files; made up for display if None.

    Raises:
      ValueError: for an unknown keyword argument.

    Example:
      >>> class Scale(Layer):
      ...     def build(self, input_shape):
      ...         self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
      ...     def call(self, inputs):
      ...         return inputs * self.scale
      >>> Scale()(np.array([[1.0, 2.0]]))
      Tensor([[1., 2.]], shape=(1, 2), dtype=float32)
    """

    _untracked: ClassVar[frozenset[str]] = frozenset({"_pending", "_connection", "_losses", "_arguments"})
    _initialized = False
    _run_number = 0  # of the last run that called the layer; a run is a call that comes from outside of any layer
    _losses_run = 0  # of the run that its losses belong to
    built = False

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ):
        cls = type(self)
        for unknown_name, value in kwargs.items():
            parameters = inspect.signature(cls.__init__).parameters.values()
            known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD][1:] + ["name", "trainable", "dtype"]
            raise ValueError(
                f"{cls.__name__}: unknown argument {unknown_name}={value!r}.{suggest(unknown_name, known)}"
            )
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"{cls.__name__}: expected a name without '/', got {name!r}.")
        self.name = name or _display_name(cls)
        self.given_name = name
        self._dtype = dtypes.dtype(dtype)
        self.autocast = autocast
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.input_spec: InputSpec | Sequence[InputSpec] | None = None
        self.supports_masking = False
        self.built_shapes: dict[str, Any] | None = None
        self._losses: list[Any] = []
        self._trainable = bool(trainable)
        self._initialized = True

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls) or inspect.unwrap(cls.build) is cls.build:  # its own, or that of a class beside Layer
            cls.build = _building(cls.build)  # type: ignore[method-assign]

    # --- what subclasses define

    @_building
    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs of a shape (None where a size is unknown); called once."""

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs for the inputs."""
        raise NotImplementedError(f"{type(self).__name__} {self.name!r}: expected a call() method, which it lacks.")

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the outputs: that of the inputs if the layer supports masking, else none."""
        return previous_mask if self.supports_masking else None

    # --- weights

    def add_weight(
        self,
        shape: Sequence[int] | int | None = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A new Variable for this layer; assign it to an attribute, whose name it has in checkpoints.

        Args:
          shape: its shape, () if None.
          initializer: name or function; glorot_uniform for floats, zeros for others if None.
          dtype: the layer's if None.
          trainable: whether it is updated in training.
          regularizer: adds a term to `losses`.
          constraint: applied after each update.
          name: shown in messages.

        Raises:
          ValueError: if a size is no integer >= 0.
        """
        self._check_initialized()
        sizes = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        if not all(isinstance(size, (int, np.integer)) and size >= 0 for size in sizes):
            raise ValueError(
                f"{self._title()}: expected integers >= 0 as shape of the weight {name!r}, got {sizes}. "
                "An unknown size cannot hold a weight."
            )
        target = self._dtype if dtype is None else dtypes.dtype(dtype)
        if initializer is None:
            initializer = "glorot_uniform" if dtypes.is_float(target) else "zeros"
        with scoped(scope=_with(self)):
            weight = Variable(initializers.get(initializer), sizes, target, trainable, name)
        weight.trainable = weight.trainable and self._trainable
        weight.regularizer = regularizers.get(regularizer)
        weight.constraint = constraints.get(constraint)
        return weight

    def _weight(self, name: str, shape: Any, initializer: Any, regularizer: Any, constraint: Any) -> Variable:
        """A weight of a library layer, from the three options its constructor takes for it."""
        return self.add_weight(shape, initializer, regularizer=regularizer, constraint=constraint, name=name)

    def _held(self) -> tuple[list[Variable], list[Variable], list[Layer]]:
        """What the layer holds itself: weights, trainable ones first; states of random generators; layers."""
        trainable: list[Variable] = []
        others: list[Variable] = []
        seeds: list[Variable] = []
        layers: list[Layer] = []
        for child in direct_children(self):
            if isinstance(child, Variable):
                (trainable if child.created_trainable else others).append(child)
            elif isinstance(child, Layer):
                layers.append(child)
            elif isinstance(child, SeedGenerator):
                seeds.append(child.state)
        return trainable + others, seeds, layers

    def _walk(self) -> Iterator[tuple[Layer, list[Variable], list[Variable]]]:
        """The layer itself and all inside, each once, a layer before those inside it, with what each holds itself."""
        seen: set[int] = set()
        waiting: list[Layer] = [self]
        while waiting:
            layer = waiting.pop()
            if id(layer) not in seen:
                seen.add(id(layer))
                weights, seeds, layers = layer._held()
                yield layer, weights, seeds
                waiting.extend(reversed(layers))

    def sublayers(self) -> list[Layer]:
        """The layers held directly, in the order of their attributes."""
        return self._held()[2]

    @property
    def weights(self) -> list[Variable]:
        """All weights, in Keras's order: one's own, trainable ones first, then those of the layers inside."""
        return _unique([weight for _, weights, _ in self._walk() for weight in weights])

    @property
    def variables(self) -> list[Variable]:
        """The weights and the states of random generators."""
        return _unique([variable for _, weights, seeds in self._walk() for variable in (*weights, *seeds)])

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that training updates."""
        return [v for v in self.variables if v.trainable] if self._trainable else []

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that training leaves alone."""
        return [v for v in self.variables if not v.trainable] if self._trainable else self.variables

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training updates."""
        return [v for v in self.weights if v.trainable] if self._trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training leaves alone."""
        return [v for v in self.weights if not v.trainable] if self._trainable else self.weights

    @property
    def trainable(self) -> bool:
        """Whether training updates the weights; setting it sets it for every layer inside."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer, weights, _ in self._walk():
            layer._trainable = bool(value)
            for variable in weights:
                variable.trainable = layer._trainable and variable.created_trainable

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """The values of `weights` as arrays."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Assigns all weights, in the order of `weights`.

        Raises:
          ValueError: if their number or one of their shapes differs; nothing is assigned then.
        """
        mine = self.weights
        if len(mine) != len(weights):
            raise ValueError(f"{self._title()}: expected {len(mine)} weights, got {len(weights)}.")
        for variable, value in zip(mine, weights, strict=True):
            if tuple(np.shape(value)) != variable.shape:
                came = describe(np.asarray(value))
                raise ValueError(f"{self._title()}: expected shape {variable.shape} for {variable.path!r}, got {came}.")
        with rollback(mine):
            for variable, value in zip(mine, weights, strict=True):
                variable.assign(value)

    def count_params(self) -> int:
        """The number of elements of all weights.

        Raises:
          ValueError: if the layer is not built.
        """
        if not self.built:
            raise ValueError(f"{self._title()}: expected a built layer to count weights of. Call it on data first.")
        return sum(weight.size for weight in self.weights)

    # --- losses

    def add_loss(self, loss: Any) -> None:
        """Adds scalar terms to the loss; they stay until the next call that comes from outside of any layer."""
        terms = [creation.convert_to_tensor(term) for term in nest.flatten(loss)]
        for term in terms:
            if term.shape != ():
                raise ValueError(f"{self._title()}: expected a scalar loss, got {describe(term)}. Reduce it first.")
        if context.symbolic_call:  # the terms of symbols are none of a run
            return
        run = context.scope[0]._run_number if context.scope else self._run_number
        if run != self._losses_run:
            self._losses, self._losses_run = [], run
        self._losses.extend(terms)

    @property
    def losses(self) -> list[Any]:
        """The terms that were added in the last call or since, here and inside, and those of weights' regularizers."""
        terms: list[Any] = []
        regularized: list[Variable] = []
        for layer, weights, _ in self._walk():
            if layer._losses_run >= self._run_number:
                terms += layer._losses
            if self._trainable:
                regularized += [w for w in weights if w.regularizer is not None and w.trainable]
        return [*terms, *(w.regularizer(w) for w in _unique(regularized) if w.regularizer is not None)]

    # --- calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer on tensors, arrays or lists, or connects it to abstract tensors; builds it the first time."""
        if self.built:
            if len(args) == 1 and not kwargs and type(args[0]) is Tensor and args[0]._array.dtype is self._dtype:
                spec = self.input_spec  # a tensor alone, and none that has to be cast
                if spec is None or (type(spec) is InputSpec and spec.fits(args[0])):
                    return self._run(args[0])
            return self._invoke(args, kwargs)
        self._check_initialized()
        with all_or_nothing(self):
            return self._invoke(args, kwargs)

    def _check_initialized(self) -> None:
        if not self._initialized:
            raise RuntimeError(
                f"{type(self).__name__}: expected super().__init__() to be called in __init__, which it is not."
            )

    def _invoke(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not args and (names := call_signature(type(self).call).names) and names[0] in kwargs:
            kwargs = dict(kwargs)
            args = (kwargs.pop(names[0]),)
        first = args[0] if args else None
        if type(first) is not Tensor and args:
            if first is None or isinstance(first, (str, Layer)):
                raise ValueError(
                    f"{self._title()}: expected tensors, arrays or numbers, got {describe(first)}."
                    + (" Does the call() before it return something?" if first is None else "")
                )
            first = as_tensors(first)
            args = (first, *args[1:])
        if (
            context.symbolic_call
            or context.tracing is not None
            or not (
                type(first) is AbstractTensor
                or (type(first) is not Tensor or len(args) > 1 or kwargs)
                and symbolic.symbols((args, kwargs))
            )
        ):
            spec = self.input_spec
            if not (
                type(first) is Tensor
                and first._array.dtype is self._dtype
                and (spec is None or (type(spec) is InputSpec and spec.fits(first)))
            ):
                args = self._take(args)
            return self._run(*args, **kwargs)
        outputs = symbolic.call(self, self._run_symbolic, args, kwargs)
        self.__dict__["_connection"] = (first, outputs)
        return outputs

    @property
    def input(self) -> Any:
        """The symbols that the layer was last called on.

        Raises:
          AttributeError: if it was not called on any yet.
        """
        return self._connected()[0]

    @property
    def output(self) -> Any:
        """The symbols that the layer last gave for symbols: where another functional model may end.

        Raises:
          AttributeError: if it was not called on any yet.
        """
        return self._connected()[1]

    def _connected(self) -> tuple[Any, Any]:
        if "_connection" not in self.__dict__:
            raise AttributeError(f"{self._title()}: expected a layer called on an Input, which it is not yet.")
        return self.__dict__["_connection"]

    def _take(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments with the first one checked, in the dtype of the computation."""
        if self.input_spec is not None:
            self._check(args[0] if args else None)
        return (nest.map_structure(self._cast, args[0]), *args[1:]) if args and self.autocast else args

    def _cast(self, x: Any) -> Any:
        if (
            isinstance(x, Operand)
            and x.dtype != self._dtype
            and dtypes.is_float(x.dtype)
            and dtypes.is_float(self._dtype)
        ):
            y = cast(x, dtype=self._dtype)
            y._mask = getattr(x, "_mask", None)
            return y
        return x

    def _check(self, data: Any) -> None:
        inputs = [leaf for leaf in nest.flatten(data) if isinstance(leaf, Operand)]
        single = isinstance(self.input_spec, InputSpec)
        specs: list[Any] = [self.input_spec] * len(inputs) if single else list(self.input_spec)  # type: ignore[arg-type]
        if len(specs) != len(inputs):
            raise ValueError(f"{self._title()}: expected {len(specs)} inputs, got {len(inputs)}: {describe(data)}.")
        for spec, x in zip(specs, inputs, strict=True):
            if not spec.fits(x):
                shape = next(iter((self.built_shapes or {}).values()), None)
                built = f" It was built for inputs of shape {shape}." if shape else ""
                raise ValueError(f"{self._title()}: expected {spec}, got {describe(x)}.{built}")

    def _run_symbolic(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs for symbols: by the layer's own shape computation if it has one, else by running `call`."""
        cls = type(self)
        args = self._take(args)
        if (
            cls.compute_output_spec is Layer.compute_output_spec
            and cls.compute_output_shape is Layer.compute_output_shape
        ):
            return self._run(*args, **kwargs)
        self._ensure_built(args, kwargs)
        return self.compute_output_spec(*args, **kwargs)

    def _ensure_built(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.built:
            self.build(**build_shapes(self, args, kwargs))

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        if not self.built:
            self._ensure_built(args, kwargs)
        cls = type(self)
        signature = call_signature(cls.call)
        mask = mask_of(args[0]) if args else None
        scope, before = context.scope, context.training
        if kwargs or signature.takes_training or (mask is not None and signature.takes_mask):
            training = signature.resolve_training(args, kwargs)
            args, kwargs = signature.prepare(args, kwargs, training, mask)
        else:
            training = bool(before)
        self.__dict__["_run_number"] = scope[0]._run_number if scope else next(_run_numbers)
        context.scope, context.training = (*scope, self), training
        try:
            outputs = self.call(*args, **kwargs)
            if self.activity_regularizer is not None:
                self.add_loss([self.activity_regularizer(y) for y in nest.flatten(outputs) if isinstance(y, Operand)])
        except Exception as error:
            came = describe(args[0] if len(args) == 1 else args)
            error.add_note(f"In {self._title()} ({self.path}), called on {came}.")
            raise
        finally:
            context.scope, context.training = scope, before
        if mask is not None or cls.compute_mask is not Layer.compute_mask:
            return self._with_mask(outputs, args[0] if args else None, mask)
        return outputs

    def _with_mask(self, outputs: Any, inputs: Any, mask: Any) -> Any:
        """The outputs with the mask that the layer computes for them; the caller's own tensors keep what they have."""
        if mask is not None and not self.supports_masking and type(self).compute_mask is Layer.compute_mask:
            if not call_signature(type(self).call).takes_mask:
                ends = f"{self._title()} does not support masks; the mask of its input ends here."
                warnings.warn(ends, stacklevel=user_level())
        new = self.compute_mask(inputs, mask)
        mine = {id(leaf) for leaf in nest.flatten(inputs)}
        masks = iter(nest.flatten(new)) if nest.is_nested(new) else itertools.repeat(new)
        leaves = []
        for y in nest.flatten(outputs):
            m = next(masks, None)
            if isinstance(y, (Tensor, AbstractTensor)):
                before = getattr(y, "_mask", None)
                if (m is not None and before is None) or (id(y) in mine and before is not m):
                    y = elementwise.identity(y)  # the tensor may be somebody else's too
                    y._mask = m
            leaves.append(y)
        return nest.pack(outputs, leaves)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs as abstract tensors, for abstract inputs; by `compute_output_shape` where that is defined."""
        cls = type(self)
        if cls.compute_output_shape is not Layer.compute_output_shape:
            shape = self.compute_output_shape(shape_of(args[0]))
            return map_shapes(lambda sizes: AbstractTensor(_symbolic(sizes), self._dtype), shape)
        with scoped(symbolic_call=True, recorders=()):
            return self._run(*args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output for an input shape; None stands for an unknown size. It builds nothing."""
        dtype = getattr(self.input_spec, "dtype", None) or self._dtype
        symbols = map_shapes(lambda sizes: AbstractTensor(_symbolic(sizes), dtype), input_shape)
        if self.input_spec is not None:
            self._check(symbols)
        with contextlib.nullcontext() if self.built else trial(self):
            return shape_of(self.compute_output_spec(symbols))

    # --- names and configuration

    @property
    def dtype(self) -> str:
        """The name of the weights' dtype."""
        return self._dtype.name

    compute_dtype = variable_dtype = dtype

    @property
    def path(self) -> str:
        """The names from the outermost layer being called down to this one."""
        return "/".join(owner.name for owner in _with(self))

    def _title(self) -> str:
        return f"{type(self).__name__} {self.name!r}"

    def may_grow(self, name: Any) -> bool:
        """Weights may still appear until the layer is built."""
        return not self.built

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        parameters = inspect.signature(type(self).__init__).parameters
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        for name, value in (("name", self.given_name), ("trainable", self._trainable), ("dtype", self.dtype)):
            if open_ended or name in parameters:
                config[name] = value
        return config


def _unique(variables: list[Variable]) -> list[Variable]:
    return list({id(variable): variable for variable in variables}.values())


def _symbolic(sizes: Sequence[Any]) -> tuple[Any, ...]:
    """A shape with symbols for the unknown sizes: the batch's for the first."""
    return tuple((unknown() if axis else BATCH) if size is None else size for axis, size in enumerate(sizes))
