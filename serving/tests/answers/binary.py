"""Writes binary.json: the same tensors in JSON, in the binary form and in messages of gRPC, laid out by hand with struct alone.

Sources: the binary tensor data extension of the Open Inference Protocol (little-endian, a byte for a truth value, four bytes of length before a
text), and the encoding of Protocol Buffers (varints, tags of field number * 8 + wire type, packed repeated numbers) with the field numbers of
open_inference_grpc.proto.
"""

import json
import pathlib
import struct

CASES = [
    ("BOOL", [3], [True, False, True], "?"),
    ("UINT8", [4], [0, 1, 200, 255], "B"),
    ("UINT16", [2], [0, 65535], "H"),
    ("UINT32", [2], [0, 2**32 - 1], "I"),
    ("UINT64", [2], [7, 2**64 - 1], "Q"),
    ("INT8", [3], [-128, 0, 127], "b"),
    ("INT16", [2], [-32768, 32767], "h"),
    ("INT32", [2], [-(2**31), 2**31 - 1], "i"),
    ("INT64", [2], [-(2**63), 2**63 - 1], "q"),
    ("FP32", [2, 3], [0.0, -1.5, 0.1, 3.4028234663852886e38, 1e-45, 16777217.0], "f"),
    ("FP64", [3], [0.1, -1.7976931348623157e308, 5e-324], "d"),
    ("BYTES", [2, 2], ["", "a", "Zürich", "信用"], None),
]

FIELD = {
    "BOOL": 1, "INT8": 2, "INT16": 2, "INT32": 2, "INT64": 3, "UINT8": 4, "UINT16": 4, "UINT32": 4, "UINT64": 5,
    "FP32": 6, "FP64": 7, "BYTES": 8,
}


def binary(kind, data):
    if kind:
        return b"".join(struct.pack("<" + kind, element) for element in data)
    texts = [text.encode() for text in data]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def varint(number):
    number %= 2**64
    out = b""
    while number >= 128:
        out += bytes([number % 128 + 128])
        number //= 128
    return out + bytes([number])


def field(number, wire, content):
    return varint(number * 8 + wire) + (varint(len(content)) + content if wire == 2 else content)


def contents(datatype, kind, data):
    number = FIELD[datatype]
    if datatype == "BYTES":
        return b"".join(field(number, 2, text.encode()) for text in data)
    if datatype in ("FP32", "FP64"):
        return field(number, 2, binary(kind, data))
    return field(number, 2, b"".join(varint(int(element)) for element in data))


def text(number, value):
    return field(number, 2, value.encode())


def request(datatype, shape, kind, data):
    tensor = text(1, "x") + text(2, datatype)
    tensor += field(3, 2, b"".join(varint(length) for length in shape))
    tensor += field(5, 2, contents(datatype, kind, data))
    key = text(1, "routing_key") + field(2, 2, text(3, "k"))
    return (
        text(1, "credit") + text(2, "7") + text(3, "r-1") + field(4, 2, key) + field(5, 2, tensor)
        + field(6, 2, text(1, "score"))
    )


def nested(shape, data):
    if len(shape) == 1:
        return data
    step = len(data) // shape[0]
    return [nested(shape[1:], data[at : at + step]) for at in range(0, len(data), step)]


def main():
    cases = []
    for datatype, shape, data, kind in CASES:
        cases.append(
            {
                "datatype": datatype,
                "shape": shape,
                "flat": data,
                "nested": nested(shape, data),
                "binary": binary(kind, data).hex(),
                "request": request(datatype, shape, kind, data).hex(),
            }
        )
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
