"""Distribution functions, and how far a sample is from one."""

import math

import numpy as np


def normal_cdf(x):
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x])


def distance(sample, cdf):
    """Kolmogorov's statistic times sqrt(n): above 1.95 once in a thousand times."""
    x = np.sort(np.asarray(sample, np.float64).ravel())
    exact = cdf(x)
    steps = np.arange(len(x) + 1) / len(x)
    return max(np.abs(exact - steps[1:]).max(), np.abs(exact - steps[:-1]).max()) * math.sqrt(len(x))


def uniform(low, high):
    return lambda x: np.clip((x - low) / (high - low), 0, 1)


def normal(mean, stddev):
    return lambda x: normal_cdf((x - mean) / stddev)


def truncated(mean, stddev):
    """The law of a normal value within two of its standard deviations of the mean."""
    low, high = normal_cdf([-2.0, 2.0])
    return lambda x: np.clip((normal_cdf(np.clip((x - mean) / stddev, -2, 2)) - low) / (high - low), 0, 1)
