"""What onnxruntime makes of exported models. Reads cases from standard input as JSON and writes their scores as JSON.

    echo '[{"name": "a", "model": "model.onnx", "rows": [[0.5, 1.0]]}]' | $(scripts/setup-python test) client/src/export/scores.py

Each file must pass ONNX's own checker, shapes and types of every node included.
"""
import json
import sys

import numpy
import onnx
import onnxruntime

answers = {}
for case in json.load(sys.stdin):
    onnx.checker.check_model(case["model"], full_check=True)
    session = onnxruntime.InferenceSession(case["model"], providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    (output,) = session.get_outputs()
    rows = numpy.array(case["rows"], dtype=numpy.float32)

    def run(rows):
        (scores,) = session.run(None, {given.name: rows})
        return scores

    scores = run(rows)
    # Each row by itself: no row looks at another, and the number of rows is free.
    alone = [run(rows[at : at + 1]) for at in range(len(rows))]
    answers[case["name"]] = {
        "input": [given.name, given.type, given.shape],
        "output": [output.name, output.type, output.shape],
        "shape": list(scores.shape),
        "scores": scores.astype(numpy.float64).ravel().tolist(),
        "alone": numpy.concatenate(alone).astype(numpy.float64).ravel().tolist(),
    }
json.dump(answers, sys.stdout)
