"""The UCI optical handwritten digits: 1,797 real images of 8×8 pixels."""

from ..data.digits import load_data as load_data
