"""Makes answers.json: drift as scipy and numpy reckon it. Needs scipy and numpy; the test itself needs neither.

    python3 monitoring/tests/answers/answers.py > monitoring/tests/answers/answers.json

The stability index is written as evidently writes it (numpy's histograms, shares, sum of (p - q) log(p / q)), with this project's rule for empty bins,
half a row, in the place of evidently's constant.
"""

import json
import sys

import numpy as np
import scipy
from scipy import stats

EMPTY = 0.5


def psi(reference, current):
    p, q = np.array(reference, float), np.array(current, float)
    there = (p + q) > 0
    p, q = p[there], q[there]
    p, q = np.where(p == 0, EMPTY, p) / p.sum(), np.where(q == 0, EMPTY, q) / q.sum()
    return float(np.sum((p - q) * np.log(p / q)))


def chance(reference, current):
    p, q = np.array(reference, float), np.array(current, float)
    bins = int(((p + q) > 0).sum())
    return float(stats.chi2.ppf(0.99, bins - 1) * (1 / p.sum() + 1 / q.sum()))


def numbers(reference, current, bins):
    reference, current = np.array(reference), np.array(current)
    there, now = reference[~np.isnan(reference)], current[~np.isnan(current)]
    edges = np.unique(np.quantile(there, np.linspace(0, 1, bins + 1)[1:-1]))

    def count(values, missing):
        counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
        return [int(count) for count in counts] + [int(missing)]

    before = count(there, len(reference) - len(there))
    after = count(now, len(current) - len(now))
    found = stats.ks_2samp(there, now, method="asymp")
    root = np.sqrt(len(there) * len(now) / (len(there) + len(now)))
    return {
        "reference": told(reference),
        "current": told(current),
        "bins": bins,
        "edges": [float(edge) for edge in edges],
        "reference_counts": before,
        "current_counts": after,
        "psi": psi(before, after),
        "chance": chance(before, after),
        "distance": float(found.statistic),
        "p_of_ks_2samp": float(found.pvalue),
        "p": float(stats.kstwobign.sf((root + 0.12 + 0.11 / root) * found.statistic)),
    }


def told(values):
    return [None if np.isnan(value) else float(value) for value in values]


def counts(reference, current):
    return {
        "reference_counts": reference,
        "current_counts": current,
        "psi": psi(reference, current),
        "chance": chance(reference, current),
    }


def interval(part, of, confidence):
    found = stats.binomtest(part, of).proportion_ci(confidence_level=confidence, method="wilson")
    return {"part": part, "of": of, "z": float(stats.norm.ppf((1 + confidence) / 2)), "low": float(found.low), "high": float(found.high)}


def main():
    draw = np.random.default_rng(20260727)
    holes = draw.normal(0, 1, 240)
    holes[::12] = np.nan
    income = np.round(np.exp(draw.normal(10, 0.6, 300)), 2)
    answers = {
        "made_with": f"scipy {scipy.__version__}, numpy {np.__version__}",
        "numbers": [
            numbers(draw.normal(0, 1, 300), draw.normal(0, 1, 200), 10),
            numbers(draw.normal(0, 1, 300), draw.normal(0.5, 1.2, 150), 10),
            numbers(income, income[:120] * 1.25, 8),
            numbers(holes, draw.normal(0.1, 1, 180), 10),
            # Values that come more than once, with more different ones than bins.
            numbers(draw.poisson(9, 250).astype(float), draw.poisson(10, 130).astype(float), 5),
        ],
        "counts": [
            counts([120, 300, 80, 0], [60, 100, 35, 5]),
            counts([40, 0, 60], [38, 0, 70]),
            counts([1000, 2000, 3000, 4000], [400, 200, 300, 100]),
        ],
        "intervals": [interval(3, 40, 0.95), interval(0, 25, 0.95), interval(190, 200, 0.999)],
    }
    json.dump(answers, sys.stdout, indent=1)
    sys.stdout.write("\n")


main()
