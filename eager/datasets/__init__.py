"""The data sets that come with the package."""

from . import digits as digits
