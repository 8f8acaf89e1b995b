"""The layers, under Keras 3's names and with its arguments, defaults and weights."""

from .base import Layer as Layer
from .convolutional import Conv2D as Conv2D
from .convolutional import Conv2DTranspose as Conv2DTranspose
from .core import Activation as Activation
from .core import Dense as Dense
from .core import Embedding as Embedding
from .core import LeakyReLU as LeakyReLU
from .input_layer import Input as Input
from .input_spec import InputSpec as InputSpec
from .normalization import BatchNormalization as BatchNormalization
from .pooling import MaxPooling2D as MaxPooling2D
from .regularization import Dropout as Dropout
from .reshaping import Concatenate as Concatenate
from .reshaping import Flatten as Flatten
from .reshaping import Reshape as Reshape
