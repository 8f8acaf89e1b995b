"""The layers, under Keras 3's names and with its arguments, defaults and weights."""

from .attention import AdditiveAttention as AdditiveAttention
from .attention import Attention as Attention
from .attention import MultiHeadAttention as MultiHeadAttention
from .base import Layer as Layer
from .borders import Cropping1D as Cropping1D
from .borders import Cropping2D as Cropping2D
from .borders import Cropping3D as Cropping3D
from .borders import ZeroPadding1D as ZeroPadding1D
from .borders import ZeroPadding2D as ZeroPadding2D
from .borders import ZeroPadding3D as ZeroPadding3D
from .cells import GRUCell as GRUCell
from .cells import LSTMCell as LSTMCell
from .cells import SimpleRNNCell as SimpleRNNCell
from .cells import StackedRNNCells as StackedRNNCells
from .convolutional import Conv1D as Conv1D
from .convolutional import Conv2D as Conv2D
from .convolutional import Conv3D as Conv3D
from .core import Activation as Activation
from .core import Dense as Dense
from .core import Embedding as Embedding
from .core import LeakyReLU as LeakyReLU
from .global_pooling import GlobalAveragePooling1D as GlobalAveragePooling1D
from .global_pooling import GlobalAveragePooling2D as GlobalAveragePooling2D
from .global_pooling import GlobalAveragePooling3D as GlobalAveragePooling3D
from .global_pooling import GlobalMaxPooling1D as GlobalMaxPooling1D
from .global_pooling import GlobalMaxPooling2D as GlobalMaxPooling2D
from .global_pooling import GlobalMaxPooling3D as GlobalMaxPooling3D
from .input_layer import Input as Input
from .input_spec import InputSpec as InputSpec
from .merging import Add as Add
from .merging import Average as Average
from .merging import Concatenate as Concatenate
from .merging import Dot as Dot
from .merging import Maximum as Maximum
from .merging import Minimum as Minimum
from .merging import Multiply as Multiply
from .merging import Subtract as Subtract
from .merging import add as add
from .merging import average as average
from .merging import concatenate as concatenate
from .merging import dot as dot
from .merging import maximum as maximum
from .merging import minimum as minimum
from .merging import multiply as multiply
from .merging import subtract as subtract
from .noise import AlphaDropout as AlphaDropout
from .noise import GaussianDropout as GaussianDropout
from .noise import GaussianNoise as GaussianNoise
from .normalization import BatchNormalization as BatchNormalization
from .normalization import GroupNormalization as GroupNormalization
from .normalization import LayerNormalization as LayerNormalization
from .normalization import RMSNormalization as RMSNormalization
from .normalization import UnitNormalization as UnitNormalization
from .pooling import AveragePooling1D as AveragePooling1D
from .pooling import AveragePooling2D as AveragePooling2D
from .pooling import AveragePooling3D as AveragePooling3D
from .pooling import MaxPooling1D as MaxPooling1D
from .pooling import MaxPooling2D as MaxPooling2D
from .pooling import MaxPooling3D as MaxPooling3D
from .recurrent import GRU as GRU
from .recurrent import LSTM as LSTM
from .recurrent import RNN as RNN
from .recurrent import SimpleRNN as SimpleRNN
from .regularization import Dropout as Dropout
from .regularization import SpatialDropout1D as SpatialDropout1D
from .regularization import SpatialDropout2D as SpatialDropout2D
from .regularization import SpatialDropout3D as SpatialDropout3D
from .reshaping import Flatten as Flatten
from .reshaping import Permute as Permute
from .reshaping import RepeatVector as RepeatVector
from .reshaping import Reshape as Reshape
from .separable import DepthwiseConv1D as DepthwiseConv1D
from .separable import DepthwiseConv2D as DepthwiseConv2D
from .separable import SeparableConv1D as SeparableConv1D
from .separable import SeparableConv2D as SeparableConv2D
from .transposed import Conv1DTranspose as Conv1DTranspose
from .transposed import Conv2DTranspose as Conv2DTranspose
from .transposed import Conv3DTranspose as Conv3DTranspose
from .upsampling import UpSampling1D as UpSampling1D
from .upsampling import UpSampling2D as UpSampling2D
from .upsampling import UpSampling3D as UpSampling3D
from .wrappers import Bidirectional as Bidirectional
from .wrappers import TimeDistributed as TimeDistributed

# Keras's other names.
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
Convolution1D = Conv1D
Convolution1DTranspose = Conv1DTranspose
Convolution2D = Conv2D
Convolution2DTranspose = Conv2DTranspose
Convolution3D = Conv3D
Convolution3DTranspose = Conv3DTranspose
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
