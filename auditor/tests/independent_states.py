#!/usr/bin/env python3
"""Works out from the published sums what a task's states know of its columns, as docs/log-format.md and docs/protocol.md say, without any
code of the crates: Python 3.11 and its standard library.

    independent_states.py FOLDER ARCHIVE

Follows a log that independent.py reads. Of each result it takes the packed sum and the state that follows from the archive, by their hashes,
reads the state's form to its end, and compares what the state holds with what the sums give: the cells with support, the values that come
out of the table, means and deviations, and the counts by column, value and label. Prints what it compared; ends with code 1 and a line at
the first thing that is wrong.
"""

import math
import pathlib
import struct
import sys
import tomllib

from independent import KINDS, Reader, domain, must, read_entries, read_entry, sha256, u

# Forms of `independent.Reader`. What stands behind the fields of every state has a number.
STATE = ("digest", "u32", [(["f32"], ["f32"])], ["f32"], ["f32"], ["f32"])
PARTS = {
    1: (["f64"], "u32", "u32", ["f32"], [("u32", "u32")]),
    2: ["f32"],
    3: (["u64"], [([["u64"]], ["u64"])]),
    4: "vocabularies",
}
VOCABULARIES = {1: ["bytes"], 2: [["text"]]}

ONE = 2.0**32
TABLES, CELLS = 8, 512
PARTS_OF_TABLE, LEAST_CELLS, LONGEST = 4, 64, 64


def read_state(data):
    """Task, step, moments, and the parts by number."""
    head = domain("task-state")
    must(data.startswith(head), "a state of another kind")
    reader = Reader(data[len(head) :])
    task, step, moments, *_ = reader.form(STATE)
    must(len(moments) <= 1, "a state with several moments")
    parts, last = {}, 0
    while reader.data:
        number = reader.number(1)
        must(last < number and number in PARTS, f"a state with part {number} behind part {last}")
        form = PARTS[number]
        if form == "vocabularies":
            stage = reader.number(1)
            must(stage in VOCABULARIES, f"vocabularies of stage {stage}")
            parts[number] = (stage, reader.form(VOCABULARIES[stage]))
        else:
            parts[number] = reader.form(form)
        last = number
    return task, step, moments, parts


def blob(archive, hash, what):
    path = archive / "blobs" / hash.hex()[:2] / hash.hex()
    must(path.is_file(), f"no {what} in the archive: {path}")
    data = path.read_bytes()
    must(sha256(data) == hash, f"{path} has other contents")
    return data


def unpack(packed, bits):
    """Lanes of `bits` bits, the least significant first: eight of them are `bits` bytes."""
    lanes = []
    for at in range(0, len(packed), bits):
        group = packed[at : at + bits]
        whole = int.from_bytes(group, "little")
        lanes += [whole >> bits * i & (1 << bits) - 1 for i in range(len(group) * 8 // bits)]
    return lanes


class Sum:
    """The lanes of a sum, from which integers are taken in the order of the segments."""

    def __init__(self, packed, digit_bits, ring_bits):
        self.lanes, self.bits = unpack(packed, ring_bits), digit_bits

    def limbs(self, width):
        return -(-width // self.bits)

    def integers(self, count, width):
        limbs = self.limbs(width)
        own, self.lanes = self.lanes[: count * limbs], self.lanes[count * limbs :]
        must(len(own) == count * limbs, "a sum that ends too soon")
        return [sum(lane << self.bits * i for i, lane in enumerate(own[at : at + limbs])) for at in range(0, len(own), limbs)]

    def finish(self):
        must(not self.lanes, "a sum with lanes behind its last segment")


class Task:
    """What a task's text says of columns and labels."""

    def __init__(self, text):
        table = tomllib.loads(text.decode())
        schema = table["schema"]
        self.hash = sha256(text)
        self.columns = schema["column"]
        self.labels = 1 if "label_classes" in schema or "label_number" in schema else 2
        preparation = table.get("preparation")
        self.bins = preparation["histogram_bins"] if preparation else None
        self.open = [(at, column["vocabulary"]) for at, column in enumerate(self.columns) if self.is_open(column)]

    @staticmethod
    def is_open(column):
        return column["type"] == "category" and "vocabulary" in column

    @staticmethod
    def places(column):
        if Task.is_open(column):
            return column["vocabulary"]["most"] + 1
        return len(column["values"]) + (column["other"] == "bucket")

    def hashed(self, column, round, value):
        """The eight words of a value's digest in one of the two rounds."""
        text = u(4, len(value)) + value
        return struct.unpack(">8I", sha256(domain("vocabulary-value"), self.hash, u(4, column), u(1, round), text))


def place(word, cells):
    return word * cells >> 32


def support(task, total):
    """One bit for each cell that enough banks have a value in, the least significant first."""
    columns = []
    for _, spec in task.open:
        cells = total.integers(TABLES * CELLS * spec["most"], 1)
        bits = [cell >= spec["support"] for cell in cells]
        columns.append(bytes(sum(bit << i for i, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8)))
    total.finish()
    return columns


def vocabulary(task, total):
    """What comes out of the tables of all open columns, of which each segment has all."""
    parts = [max(spec["most"], LEAST_CELLS) for _, spec in task.open]
    cells = sum(PARTS_OF_TABLE * part for part in parts)
    counts, texts, checks = total.integers(cells, 24), total.integers(LONGEST * cells, 24), total.integers(cells, 56)
    total.finish()
    found, first = [], 0
    for (column, spec), part in zip(task.open, parts):
        here = range(first, first + PARTS_OF_TABLE * part)
        table = [[counts[i], texts[LONGEST * i : LONGEST * (i + 1)], checks[i]] for i in here]
        found.append(values_of(task, column, spec, part, table))
        first += PARTS_OF_TABLE * part
    return found


def alone(task, column, part, cell):
    """The one value of a cell with its places and check, or None."""
    count, text, check = cell
    if not count or check % count or any(byte % count or byte // count > 255 for byte in text):
        return None
    value = bytes(byte // count for byte in text).rstrip(b"\0")
    words = task.hashed(column, 2, value)
    places = [i * part + place(words[i], part) for i in range(PARTS_OF_TABLE)]
    return (value, places, words[PARTS_OF_TABLE]) if value and words[PARTS_OF_TABLE] == check // count else None


def values_of(task, column, spec, part, table):
    banks = {}
    while True:
        singles = ((at, alone(task, column, part, cell)) for at, cell in enumerate(table))
        single = next(((at, known) for at, known in singles if known and at in known[1]), None)
        if single is None:
            break
        at, (value, places, check) = single
        count = table[at][0]
        banks[value] = count
        for cell in (table[i] for i in places):
            cell[0] -= count
            cell[1] = [byte - count * own for byte, own in zip(cell[1], value.ljust(LONGEST, b"\0"))]
            cell[2] -= count * check
    enough = [value for value, count in banks.items() if count >= spec["support"]]
    enough.sort(key=lambda value: (-banks[value], value))
    return [value.decode() for value in enough[: spec["most"]]]


def single_precision(value):
    return struct.pack(">f", value)


def statistics(task, total):
    """Moments as they are written, and the counts of a task that prepares."""
    numbers = [column for column in task.columns if column["type"] in ("number", "integer")]
    known = {"number", "integer", "category"}
    must(known.issuperset(column["type"] for column in task.columns), f"this reader knows columns of {known} alone")
    count, first, second = (total.integers(len(numbers), width) for width in (24, 56, 56))
    means, deviations = [], []
    for rows, values, squares in zip(count, first, second):
        mean = values / ONE / rows if rows else 0.0
        variance = squares / ONE / rows - mean * mean if rows else 1.0
        means.append(single_precision(mean))
        deviations.append(single_precision(1.0 if variance < 2.0**-30 else math.sqrt(variance)))
    counts = None
    if task.bins is not None:
        rows = total.integers(task.labels, 24)
        bins = [[total.integers(task.bins, 24) for _ in range(task.labels)] for _ in numbers]
        missing = [total.integers(task.labels, 24) for _ in numbers]
        categories = [column for column in task.columns if column["type"] == "category"]
        values = [[total.integers(task.places(column), 24) for _ in range(task.labels)] for column in categories]
        of_numbers, of_categories = zip(bins, missing), ((counts, [0] * task.labels) for counts in values)
        columns = [next(of_categories if column in categories else of_numbers) for column in task.columns]
        counts = (rows, columns)
    total.finish()
    return [(means, deviations)], counts


class Follower:
    """What every task's columns are known by, result after result."""

    def __init__(self, archive):
        self.archive, self.tasks, self.known, self.compared = archive, {}, {}, {}

    def take(self, name, fields):
        if name == "Task":
            self.tasks[fields[1]] = Task(blob(self.archive, fields[1], "task"))
        elif name == "RoundOpen":
            self.opening = fields
        elif name == "Result":
            self.result(*fields[2:6], fields[7])

    def result(self, kind, step, hash, survivors, next_state):
        digit_bits, ring_bits = self.opening[15:17]
        task = self.tasks[self.opening[2]]
        moments, counts, found = self.known.get(task.hash, ([], None, None))
        name = KINDS[kind]
        if name in ("support", "vocabulary", "statistics"):
            total = Sum(blob(self.archive, hash, "sum"), digit_bits, ring_bits)
            if name == "support":
                found = (1, support(task, total))
            elif name == "vocabulary":
                found = (2, vocabulary(task, total))
            else:
                moments, counts = statistics(task, total)
        of, steps, *parts_of_state = read_state(blob(self.archive, next_state, "state"))
        must(of == task.hash and steps > step, f"the state behind step {step} is of another task or step")
        moments_there, parts = parts_of_state
        for what, there, expected in (
            ("means and deviations", moments_there, moments),
            ("counts", parts.get(3), counts),
            ("vocabularies", parts.get(4), found),
        ):
            must(there == expected, f"the state behind step {step} has other {what} than its sum gives")
        self.known[task.hash] = (moments, counts, found)
        self.compared[name] = self.compared.get(name, 0) + 1


def main(folder, archive):
    folder, archive = pathlib.Path(folder), pathlib.Path(archive)
    size = int((folder / "checkpoint").read_text().split("\n")[1])
    follower = Follower(archive)
    for entry in read_entries(folder, size):
        follower.take(*read_entry(entry))
    print("states behind " + ", ".join(f"{count} {name}" for name, count in sorted(follower.compared.items())))
    for _, counts, found in follower.known.values():
        if found and found[0] == 2:
            print("values found: " + "; ".join(", ".join(values) or "none" for values in found[1]))
        if counts:
            print(f"{sum(counts[0])} rows counted in {len(counts[1])} columns")


if __name__ == "__main__":
    must(len(sys.argv) == 3, __doc__)
    main(*sys.argv[1:])
