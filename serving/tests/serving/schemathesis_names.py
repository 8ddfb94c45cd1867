"""Leads schemathesis to the models: few random names are of one, and no request would get beyond 404 or an unknown column.

Only what the document calls right is replaced by other right values, so that what is to be refused stays wrong.
"""

import schemathesis

MODELS = ["adds", "adds", "credit"]
COLUMNS = [("amount", "FP64", 0.5), ("count", "INT64", 3)]
DATATYPES = "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP32 FP64 BYTES".split()


def chosen(names, text):
    """The same for the same text; some texts stay as they are."""
    at = sum(text.encode("utf-8", "surrogatepass")) % (len(names) + 1)
    return names[at] if at < len(names) else text


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    for name, names in (("model", MODELS), ("version", ["1", "1", "1"])):
        if path_parameters and isinstance(path_parameters.get(name), str):
            path_parameters[name] = chosen(names, path_parameters[name])
    return path_parameters


def is_tensor(value):
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and value.get("datatype") in DATATYPES
        and isinstance(value.get("shape"), list)
        and 1 <= len(value["shape"]) <= 8
        and all(type(length) is int and length >= 1 for length in value["shape"])
        and isinstance(value.get("data"), list)
    )


@schemathesis.hook
def map_body(context, body):
    """Every second request with tensors has those of the model, and what else it had."""
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not inputs or not all(map(is_tensor, inputs)) or len(inputs) > 4096:
        return body
    if sum(len(tensor["name"]) for tensor in inputs) % 2:
        return body
    rows = min(len(inputs[0]["data"]), 4) or 1
    tensors = [
        {"name": name, "datatype": datatype, "shape": [rows], "data": [element] * rows}
        for name, datatype, element in COLUMNS
    ]
    for tensor, before in zip(tensors, inputs):
        # It may be wrong.
        if "parameters" in before:
            tensor["parameters"] = before["parameters"]
    return {**body, "inputs": tensors}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """A header that nobody knows is passed over (RFC 9110, section 5.1), and schemathesis says so itself of all but numbers."""
    unknown = any(name.startswith("x-schemathesis-unknown") for name in case.headers or {})
    return not (unknown and type(failure).__name__ == "AcceptedNegativeData" and response.status_code == 200)
