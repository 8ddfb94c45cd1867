"""What the Python packages shap and lime find for the models of tests/answers.rs: writes answers.json beside it.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install shap==0.51.0 lime==0.2.0.1
    /tmp/venv/bin/python explain/tests/answers/answers.py

Rows are numbers of 32 bits on both sides and models compute in 64, so that exact cases agree to rounding. Whatever is random has
a seed here; what is drawn over there is drawn otherwise, and is compared by its order.
"""
import json
import pathlib

import numpy as np
import shap
from lime.lime_tabular import LimeTabularExplainer
from lime.lime_text import LimeTextExplainer
from shap.utils._legacy import DenseData

generator = np.random.default_rng(20)


def draw(*shape):
    return np.round(generator.normal(size=shape), 3)


def rows(*shape):
    return draw(*shape).astype(np.float32).astype(np.float64)


def logistic(values):
    return 1 / (1 + np.exp(-values))


class Network:
    """Layers with tanh between them and a logistic output."""

    def __init__(self, *widths):
        self.layers = [
            {"weights": draw(inside, outside) * np.round(1 / np.sqrt(inside), 3), "biases": draw(outside) / 2}
            for inside, outside in zip(widths, widths[1:])
        ]

    def __call__(self, values):
        for layer in self.layers[:-1]:
            values = np.tanh(values @ layer["weights"] + layer["biases"])
        last = self.layers[-1]
        return logistic(values @ last["weights"] + last["biases"])[:, 0]

    def written(self):
        return [{name: array.tolist() for name, array in layer.items()} for layer in self.layers]


def kernel(network, background, explained, groups, samples):
    names = [f"f{at}" for at in range(len(groups))]
    data = DenseData(background, names, [np.array(group) for group in groups])
    explainer = shap.KernelExplainer(network, data)
    values = explainer.shap_values(explained, nsamples=samples, l1_reg=0, silent=True)
    return {
        "network": network.written(),
        "background": background.tolist(),
        "rows": explained.tolist(),
        "groups": [list(map(int, group)) for group in groups],
        "base": float(explainer.expected_value),
        "values": np.asarray(values).tolist(),
    }


def linear():
    coefficients, background, explained = draw(6), rows(20, 6), rows(4, 6)
    explainer = shap.LinearExplainer((coefficients, 0.25), shap.maskers.Independent(background, max_samples=20))
    return {
        "coefficients": coefficients.tolist(),
        "intercept": 0.25,
        "background": background.tolist(),
        "rows": explained.tolist(),
        "base": float(explainer.expected_value),
        "values": np.asarray(explainer.shap_values(explained)).tolist(),
    }


def one_hot(count):
    """Three numbers, a category of four values in columns of its own, a number with its flag, and a number."""
    table = np.zeros((count, 10))
    table[:, :3] = rows(count, 3)
    table[np.arange(count), 3 + generator.integers(0, 4, count)] = 1
    table[:, 8] = generator.integers(0, 2, count)
    table[:, 7] = rows(count) * (1 - table[:, 8])
    table[:, 9] = rows(count)
    return table


def tabular():
    network, training, explained = Network(6, 5, 1), rows(300, 6), rows(3, 6)
    explainer = LimeTabularExplainer(training, mode="regression", feature_selection="none", random_state=1)
    weights = []
    for row in explained:
        found = explainer.explain_instance(row, network, num_features=6, num_samples=20000)
        # Of a regression the second entry has the score's own sign.
        by_feature = dict(found.local_exp[1])
        weights.append([float(by_feature[at]) for at in range(6)])
    return {"network": network.written(), "background": training.tolist(), "rows": explained.tolist(), "weights": weights}


def text():
    words = "please refund the unknown charge that appeared on my card twice".split()
    effects = draw(len(words)) * 1.5
    effect = dict(zip(words, effects))

    def scores(texts):
        chance = logistic(np.array([sum(effect[word] for word in found.split()) for found in texts]))
        return np.column_stack([1 - chance, chance])

    explainer = LimeTextExplainer(feature_selection="none", random_state=1)
    found = explainer.explain_instance(" ".join(words), scores, num_features=len(words), num_samples=10000)
    weights = dict(found.as_list())
    return {"words": words, "effects": effects.tolist(), "weights": [weights[word] for word in words]}


network = Network(22, 8, 1)
one_each = [[at] for at in range(22)]
answers = {
    "versions": {"shap": shap.__version__, "lime": "0.2.0.1", "numpy": np.__version__},
    "linear": linear(),
    "exact": kernel(Network(8, 6, 4, 1), rows(10, 8), rows(5, 8), [[at] for at in range(8)], 4096),
    "grouped": kernel(Network(10, 6, 1), one_hot(12), one_hot(5), [[0], [1], [2], [3, 4, 5, 6], [7, 8], [9]], 4096),
    "sampled": kernel(network, rows(10, 22), rows(3, 22), one_each, 20000),
    "tabular": tabular(),
    "text": text(),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(answers, separators=(",", ":")) + "\n")
print(f"{path}: {path.stat().st_size} bytes")
