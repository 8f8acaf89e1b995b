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


def _smooth(density, low, high, change):
    """The law with a density in y = change(x), which it is almost 0 beyond low and high; by trapezoids."""
    y = np.linspace(low, high, 20_001)
    height = density(y)
    cdf = np.concatenate([[0], np.cumsum((height[1:] + height[:-1]) / 2)])
    return lambda x: np.interp(change(x), y, cdf / cdf[-1])


def gamma(alpha):
    """The law of gamma values, in log(x), where its density has no pole."""
    spread = 12 / math.sqrt(alpha)
    low, high = math.log(alpha) - spread - 40 / alpha, math.log(alpha) + spread
    peak = alpha * math.log(alpha) - alpha
    return _smooth(lambda y: np.exp(alpha * y - np.exp(y) - peak), low, high, np.log)


def beta(alpha, beta):
    """The law of beta values, in log(x / (1 - x))."""
    reach = 40 / alpha + 40 / beta

    def density(y):
        logs = -alpha * np.log1p(np.exp(-y)) - beta * np.log1p(np.exp(y))
        return np.exp(logs - logs.max())

    return _smooth(density, -reach, reach, lambda x: np.log(x) - np.log1p(-x))


def binomial(n, p):
    """The probabilities of 0 … n successes."""
    k = np.arange(n + 1)
    log_factorial = np.array([math.lgamma(i + 1) for i in range(n + 1)])
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = log_factorial[n] - log_factorial - log_factorial[::-1]
        return np.exp(logs + np.where(k, k * np.log(p), 0) + np.where(n - k, (n - k) * np.log1p(-p), 0))


def excess(found, probabilities):
    """Pearson's chi square against its normal law: above 3.5 less than once in a thousand times.

    Args:
      found: a sample of indices.
      probabilities: of each index; those expected fewer than 5 times count as one.
    """
    expected = probabilities * found.size
    counts = np.bincount(found.ravel().astype(int), minlength=len(expected))
    rare = expected < 5
    expected = np.append(expected[~rare], expected[rare].sum())
    counts = np.append(counts[~rare], counts[rare].sum())
    used = expected > 0
    assert not counts[~used].any()
    freedom = used.sum() - 1
    square = ((counts - expected)[used] ** 2 / np.maximum(expected[used], 1)).sum()
    return (square - freedom) / math.sqrt(2 * max(freedom, 1))
