#!/usr/bin/env python3
"""Reads a log as docs/log-format.md says, without any code of the crates: Python 3 and its standard library.

    independent.py FOLDER VERIFIER-KEY [RECEIPT...]

Checks the signature and the cosignatures under the checkpoint, every hash in every tile against the entries, every entry's form and every
signature of a bank in it, and the receipts. Prints what it read; ends with code 1 and a line at the first thing that is wrong.
"""

import base64
import hashlib
import pathlib
import struct
import sys

SUITE = b"veilsum-1/x25519+mlkem768/aes256/sha256/ed25519"


def must(good, what):
    if not good:
        sys.exit(f"independent: {what}")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# Ed25519 (RFC 8032, section 5.1), in extended coordinates.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, p):
    out = (0, 1, 1, 0)
    while scalar:
        out = add(out, p) if scalar & 1 else out
        p, scalar = add(p, p), scalar >> 1
    return out


def point(encoded):
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & 2**255 - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def verifies(key, message, signature):
    a, r = point(key), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER or len(signature) != 64:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left, right = times(s, BASE), add(r, times(k, a))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


# Keys and notes.


def key_hash(name, kind, public):
    return sha256(name.encode(), b"\n", bytes([kind]), public)[:4]


def verifier_key(text):
    name, named, encoded = text.split("+", 2)
    typed = base64.b64decode(encoded, validate=True)
    must(typed[0] == 1 and len(typed) == 33, "the verifier key is not one of Ed25519")
    must(key_hash(name, 1, typed[1:]).hex() == named, "the verifier key's hash is another")
    return name, typed[1:]


def note(data):
    must(len(data) <= 1_000_000 and all(b >= 32 or b == 10 for b in data), "a note with other bytes")
    text, lines = data.decode().rsplit("\n\n", 1)
    must(lines.endswith("\n"), "a note without its last newline")
    signatures = []
    for line in lines[:-1].split("\n"):
        must(line.startswith("\u2014 "), f"signature line {line!r}")
        name, encoded = line[2:].split(" ")
        raw = base64.b64decode(encoded, validate=True)
        must(base64.b64encode(raw).decode() == encoded and len(raw) > 4, f"signature line {line!r}")
        signatures.append((name, raw[:4], raw[4:]))
    return text + "\n", signatures


class Head:
    """A checkpoint under the log's key."""

    def __init__(self, data, key):
        self.text, self.signatures = note(data)
        name, public = key
        own = [s for n, h, s in self.signatures if (n, h) == (name, key_hash(name, 1, public))]
        must(own, "the log has not signed the checkpoint")
        must(all(verifies(public, self.text.encode(), s) for s in own), "the log's signature does not verify")
        origin, size, root = self.text.removesuffix("\n").split("\n")
        must(origin == name and str(int(size)) == size, f"checkpoint {self.text!r}")
        self.size, self.root = int(size), base64.b64decode(root, validate=True)
        must(base64.b64encode(self.root).decode() == root, f"checkpoint {self.text!r}")

    def cosigners(self, roster):
        """Banks that have cosigned it. There must be enough, and no line that only looks like a bank's."""
        consortium, banks = roster
        good = set()
        for _, bank, _, witness, _ in banks:
            name = f"{consortium}/{bank}"
            for n, h, s in self.signatures:
                if (n, h) != (name, key_hash(name, 4, witness)):
                    continue
                must(len(s) == 72, f"a cosignature of {bank} of {len(s)} bytes")
                (time,) = struct.unpack(">Q", s[:8])
                message = f"cosignature/v1\ntime {time}\n{self.text}"
                must(time < 2**63 and verifies(witness, message.encode(), s[8:]), f"{bank}'s cosignature")
                good.add(bank)
        n = len(banks)
        needed = (n + (n - 1) // 3) // 2 + 1
        must(len(good) >= needed, f"{len(good)} banks have cosigned, expected {needed}")
        return good


# The tree (RFC 6962, section 2.1).


def node(left, right):
    return sha256(b"\1", left, right)


def root_of(hashes):
    if len(hashes) <= 1:
        return hashes[0] if hashes else sha256()
    left = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root_of(hashes[:left]), root_of(hashes[left:]))


def root_from_path(leaf, index, size, path):
    """RFC 9162, section 2.1.3.2, which is the same proof."""
    must(index < size, "a receipt for an entry behind the head")
    at, last, found = index, size - 1, leaf
    for hash in path:
        must(last > 0, "a receipt with too long a proof")
        if at & 1 or at == last:
            found = node(hash, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, hash)
        at, last = at >> 1, last >> 1
    must(last == 0, "a receipt with too short a proof")
    return found


# Files.


def tile_path(kind, index, width):
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return f"tile/{kind}/" + "/".join(reversed(groups)) + ("" if width == 256 else f".p/{width}")


def tiles(folder, kind, items):
    """The contents of every tile of a level, with its width."""
    for first in range(0, items, 256):
        width = min(256, items - first)
        path = folder / tile_path(kind, first // 256, width)
        cut = not path.is_file()
        if cut:
            path = folder / tile_path(kind, first // 256, 256)
        must(path.is_file(), f"no {path}")
        yield path, path.read_bytes(), width, cut


def read_entries(folder, size):
    entries = []
    for path, data, width, cut in tiles(folder, "entries", size):
        for _ in range(width):
            (length,) = struct.unpack(">H", data[:2])
            must(len(data) >= 2 + length, f"{path} ends in the middle of an entry")
            entries.append(data[2 : 2 + length])
            data = data[2 + length :]
        must(cut or not data, f"{path} has bytes behind its entries")
    return entries


def check_hash_tiles(folder, leaves):
    level, hashes = 0, leaves
    while hashes:
        at = 0
        for path, data, width, cut in tiles(folder, level, len(hashes)):
            expected = b"".join(hashes[at : at + width])
            must(data[: len(expected)] == expected and (cut or len(data) == 32 * width), f"{path} has other hashes")
            at += width
        hashes = [root_of(hashes[i : i + 256]) for i in range(0, len(hashes) // 256 * 256, 256)]
        level += 1


# Canonical forms. A list of forms is a list, a tuple of them a tuple; a list of pairs ascends by bank.

WIDTHS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "bank": 2, "f32": 4, "f64": 8, "digest": 32, "key": 32, "signature": 64}
KINDS = {1: "statistics", 2: "train", 3: "evaluate", 4: "support", 5: "vocabulary"}
THRESHOLDS = ("u16",) * 4
OPEN = ("u64", "u64", "digest", "u8", "u32", "u32") + ("digest",) * 5 + THRESHOLDS + ("u8", "u8", "u64", "u64")
RESULT = ("u64", "digest", "u8", "u32", "digest", "u16", "u64", "digest", "metrics")
ENTRIES = {
    1: ("Roster", ("text", [("bank", "text", "key", "key", "digest")])),
    2: ("Task", ("text", "digest")),
    3: ("TaskApproval", ("digest", "bank", "signature")),
    4: ("KeyDirectory", ("u64", "digest", "digest", "u64")),
    5: ("PrepareManifest", ("u64", "u64", {"digest"})),
    6: ("RoundOpen", OPEN),
    7: ("Cohort", ("u64", ["bank"])),
    8: ("Masked", ("u64", "bank", "digest", "u64", "signature")),
    9: ("Survivors", ("u64", {"digest"})),
    10: ("Certificate", ("u64", {"signature"})),
    11: ("Release", ("u64", "bank", "digest")),
    12: ("Result", RESULT),
    13: ("Ack", ("u64", "bank", "digest", "signature")),
    14: ("Abort", ("u64", "u8", "u8")),
    15: ("RosterProposal", ("u64", "digest", [("bank", "text", "key", "key", "digest")])),
    16: ("RosterApproval", ("digest", "bank", "signature")),
    17: ("RosterWithdrawal", ("digest",)),
}


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, length):
        must(len(self.data) >= length, "a form that ends too soon")
        out, self.data = self.data[:length], self.data[length:]
        return out

    def number(self, length):
        return int.from_bytes(self.take(length), "big")

    def form(self, form):
        if isinstance(form, tuple):
            return tuple(self.form(part) for part in form)
        if isinstance(form, list):
            items = [self.form(form[0]) for _ in range(self.number(4))]
            banks = [item for item in items if form == ["bank"]]
        elif isinstance(form, set):
            items = [(self.form("bank"), self.form(*form)) for _ in range(self.number(4))]
            banks = [bank for bank, _ in items]
        elif form == "bytes":
            return self.take(self.number(4))
        elif form == "text":
            return self.take(self.number(4)).decode()
        elif form == "metrics":
            there = self.number(1)
            must(there <= 1, "metrics that are neither there nor not")
            return self.form(("u64", "figures")) if there else None
        elif form == "figures":
            figures = [self.form(("u8", "f64")) for _ in range(self.number(4))]
            numbers = [number for number, _ in figures]
            must(all(a < b for a, b in zip(numbers, numbers[1:])), "figures that do not ascend")
            return figures
        elif form in ("digest", "key", "signature", "f32", "f64"):
            return self.take(WIDTHS[form])
        else:
            return self.number(WIDTHS[form])
        must(all(a < b for a, b in zip(banks, banks[1:])), "banks that do not ascend")
        return items


def domain(kind):
    return b"veilsum/v1/" + kind.encode() + b"\0"


def u(width, number):
    return number.to_bytes(width, "big")


def read_entry(data):
    head = domain("log-entry")
    must(data.startswith(head), "an entry of another kind")
    reader = Reader(data[len(head) :])
    kind = reader.number(1)
    must(kind in ENTRIES, f"an entry of type {kind}")
    name, form = ENTRIES[kind]
    fields = reader.form(form)
    must(not reader.data, f"a {name} with bytes behind its last field")
    return name, fields


class Reading:
    """Every signature of a bank in the entries, and what it is over."""

    def __init__(self):
        self.roster = None
        self.witnesses = None
        self.signatures = 0
        self.counts = {}
        self.rounds = {}

    def signed(self, bank, statement, signature):
        key = next((key for index, _, key, _, _ in self.roster[1] if index == bank), None)
        must(key is not None and verifies(key, statement, signature), f"a signature of bank {bank}")
        self.signatures += 1

    def take(self, data):
        name, fields = read_entry(data)
        self.counts[name] = self.counts.get(name, 0) + 1
        if name == "Roster":
            # A head that ends with another roster is cosigned by the banks of the one before.
            self.witnesses = self.roster or fields
            self.roster = fields
        else:
            self.witnesses = self.roster
        if name == "RosterApproval":
            proposal, bank, signature = fields
            self.signed(bank, domain("roster-approval") + proposal + u(2, bank), signature)
        elif name == "TaskApproval":
            task, bank, signature = fields
            self.signed(bank, domain("approval") + task + u(2, bank), signature)
        elif name == "RoundOpen":
            kind = fields[3]
            must(kind in KINDS, f"a round of kind {kind}")
            self.rounds[KINDS[kind]] = self.rounds.get(KINDS[kind], 0) + 1
            self.kind = kind
            self.open = sha256(domain("round-open"), data[len(domain("log-entry")) + 1 :])
        elif name == "Cohort":
            suite = u(4, len(SUITE)) + SUITE
            self.context = sha256(domain("context"), suite, self.open, sha256(data))
        elif name == "Masked":
            _, bank, hash, length, signature = fields
            self.signed(bank, domain("trailer") + self.context + u(2, bank) + u(8, length) + hash, signature)
        elif name == "Survivors":
            self.survivors = sha256(data)
        elif name == "Certificate":
            for bank, signature in fields[1]:
                self.signed(bank, domain("survivors") + self.context + self.survivors, signature)
        elif name == "Result":
            must(fields[1:3] == (self.open, self.kind), "a result of another opening")
        elif name == "Ack":
            round, bank, state, signature = fields
            self.signed(bank, domain("derived") + u(8, round) + u(2, bank) + state, signature)


def check_receipt(path, key, roster):
    proof, head = path.read_text().split("\n\n", 1)
    first, extra, index, *hashes = proof.split("\n")
    must(first == "c2sp.org/tlog-proof@v1", f"{path}: {first}")
    entry = base64.b64decode(extra.removeprefix("extra "), validate=True)
    index = int(index.removeprefix("index "))
    hashes = [base64.b64decode(hash, validate=True) for hash in hashes]
    head = Head(head.encode(), key)
    head.cosigners(roster)
    leaf = sha256(b"\0", entry)
    must(root_from_path(leaf, index, head.size, hashes) == head.root, f"{path}: another root")
    print(f"receipt: entry {index} of {head.size} is a {read_entry(entry)[0]}")


def main(folder, key, *receipts):
    folder, key = pathlib.Path(folder), verifier_key(key)
    head = Head((folder / "checkpoint").read_bytes(), key)
    entries = read_entries(folder, head.size)
    leaves = [sha256(b"\0", entry) for entry in entries]
    must(root_of(leaves) == head.root, "the entries have another root")
    check_hash_tiles(folder, leaves)
    reading = Reading()
    for entry in entries:
        reading.take(entry)
    cosigners = head.cosigners(reading.witnesses)
    print(f"{head.size} entries, root {head.root.hex()}")
    print(f"{len(cosigners)} cosignatures, {reading.signatures} signatures of banks")
    print(", ".join(f"{count} {name}" for name, count in sorted(reading.counts.items())))
    print("rounds: " + ", ".join(f"{count} {name}" for name, count in sorted(reading.rounds.items())))
    for receipt in receipts:
        check_receipt(pathlib.Path(receipt), key, reading.roster)


if __name__ == "__main__":
    must(len(sys.argv) >= 3, __doc__)
    main(*sys.argv[1:])
