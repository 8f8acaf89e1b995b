"""Files of other people's formats, which hold values and no checksums of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from . import format as layout
from .blocks import Job, run
from .format import ObjectEntry, Objects
from .reading import RawFile
from .source import Source


class PlainFile(RawFile, Source):
    """Such a file; `stored` are the dtypes in it, where `objects` have those that are wanted."""

    def __init__(self, path: str):
        super().__init__(path)
        self.objects, self.offsets = Objects(), []
        self.stored: dict[int, np.dtype[Any]] = {}

    def add(self, entry: ObjectEntry, offset: int = 0) -> int:
        """Adds an object and where its values begin; its number."""
        self.objects.append(entry)
        self.offsets.append(offset)
        return len(self.objects) - 1

    def read_all(self, numbers: Iterable[int]) -> dict[int, np.ndarray[Any, Any]]:
        """The values as arrays of one's own."""
        arrays, jobs = {}, []
        for number in numbers:
            tensor = self.objects[number].tensor
            assert tensor is not None
            arrays[number] = array = np.empty(tensor.shape, self.stored[number])
            jobs.append(Job(self.offsets[number], array.reshape(-1).view(np.uint8), []))

        def get(offset: int, block: memoryview) -> int:
            self.read_into(offset, block)
            return 0

        run(jobs, get)
        for (number, array), job in zip(arrays.items(), jobs, strict=True):
            if array.dtype.kind == "b" and job.values.max(initial=0) > 1:
                self.corrupt("values", job.offset, "expected truth values, got numbers other than 0 and 1")
            tensor = self.objects[number].tensor
            assert tensor is not None
            arrays[number] = layout.native(array).astype(tensor.dtype, copy=False)
        return arrays
