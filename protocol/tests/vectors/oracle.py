#!/usr/bin/env python3
"""Computes what stands in v1/*.json again from its inputs, as docs/protocol.md says, and compares.

Python 3 and its standard library; no code of the crate. AES, GCM, the field of the shares and Ed25519 are written out here and
checked against published vectors first. Ends with the number of values that agree, or at the first that does not.
"""

import hashlib
import hmac
import json
import math
import pathlib
import struct
import sys

FOLDER = pathlib.Path(__file__).parent / "v1"
SUITE = "veilsum-1/x25519+mlkem768/aes256/sha256/ed25519"
ORDER = 2**252 + 27742317777372353535851937790883648493
CHUNK = 64 * 1024
agreed = 0


def agree(what, found, expected):
    global agreed
    if found != expected:
        sys.exit(f"{what}:\n  computed {found}\n  frozen   {expected}")
    agreed += 1


def sha256(data):
    return hashlib.sha256(data).digest()


# Canonical forms ("Bytes").


def field(kind, *value):
    if kind in ("u8", "u16", "u32", "u64", "bank"):
        width = {"u8": 1, "u16": 2, "bank": 2, "u32": 4, "u64": 8}[kind]
        return value[0].to_bytes(width, "big")
    if kind == "f64":
        return struct.pack(">Q", 0x7FF8 << 48) if value[0] == "nan" else struct.pack(">d", value[0])
    if kind == "f32":
        return struct.pack(">f", value[0])
    if kind == "repeat":
        return bytes([value[0]]) * value[1]
    if kind == "fixed":
        return bytes.fromhex(value[0])
    if kind == "bytes":
        raw = bytes.fromhex(value[0])
        return struct.pack(">I", len(raw)) + raw
    if kind == "text":
        raw = value[0].encode()
        return struct.pack(">I", len(raw)) + raw
    if kind == "list":
        return struct.pack(">I", len(value[0])) + b"".join(fields(item) for item in value[0])
    if kind == "form":
        raw = form(*value)
        return struct.pack(">I", len(raw)) + raw
    sys.exit(f"a field of kind {kind}")


def fields(items):
    return b"".join(field(*item) for item in items)


def form(kind, items):
    return b"veilsum/v1/" + kind.encode() + b"\0" + fields(items)


def shown(what, case, data):
    """The way in which a file keeps bytes."""
    if "bytes" in case:
        agree(what, data.hex(), case["bytes"])
    else:
        agree(what, (data[:64].hex(), len(data)), (case["starts"], case["length"]))
    agree(what, sha256(data).hex(), case["sha256"])


# HKDF-SHA-256 (RFC 5869), one block.


def expand(key, info):
    return hmac.new(key, info + b"\1", hashlib.sha256).digest()


def derive(salt, ikm, info):
    return expand(hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest(), info)


# AES-256 (FIPS 197), counter mode and GCM (SP 800-38D).


def aes_tables():
    log, power, x = {}, [], 1
    for i in range(255):
        power.append(x)
        log[x] = i
        x ^= (x << 1) ^ (0x11B if x & 0x80 else 0)
        x &= 0xFF
    box = []
    for b in range(256):
        inverse = power[(255 - log[b]) % 255] if b else 0
        s = 0x63
        for turn in range(5):
            s ^= (inverse << turn | inverse >> (8 - turn)) & 0xFF
        box.append(s)
    return box


BOX = aes_tables()
DOUBLE = [((b << 1) ^ (0x1B if b & 0x80 else 0)) & 0xFF for b in range(256)]


def aes_key(key):
    words = [key[i : i + 4] for i in range(0, 32, 4)]
    rcon = 1
    for i in range(8, 60):
        word = words[-1]
        if i % 8 == 0:
            word = bytes(BOX[b] for b in word[1:] + word[:1])
            word = bytes([word[0] ^ rcon]) + word[1:]
            rcon <<= 1
        elif i % 8 == 4:
            word = bytes(BOX[b] for b in word)
        words.append(bytes(a ^ b for a, b in zip(words[-8], word)))
    return [b"".join(words[i : i + 4]) for i in range(0, 60, 4)]


def aes(keys, block):
    state = [a ^ b for a, b in zip(block, keys[0])]
    for turn, key in enumerate(keys[1:], 1):
        state = [BOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if turn < 14:
            mixed = []
            for column in range(0, 16, 4):
                a, b, c, d = state[column : column + 4]
                every = a ^ b ^ c ^ d
                mixed += [
                    a ^ every ^ DOUBLE[a ^ b],
                    b ^ every ^ DOUBLE[b ^ c],
                    c ^ every ^ DOUBLE[c ^ d],
                    d ^ every ^ DOUBLE[d ^ a],
                ]
            state = mixed
        state = [a ^ b for a, b in zip(state, key)]
    return bytes(state)


def keystream(key, nonce, length):
    keys = aes_key(key)
    blocks = (aes(keys, nonce + struct.pack(">I", 2 + i)) for i in range(-(-length // 16)))
    return b"".join(blocks)[:length]


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def gcm_tag(key, nonce, associated, ciphertext):
    keys = aes_key(key)
    h = int.from_bytes(aes(keys, bytes(16)), "big")
    pad = lambda data: data + bytes(-len(data) % 16)
    data = pad(associated) + pad(ciphertext) + struct.pack(">QQ", 8 * len(associated), 8 * len(ciphertext))
    y = 0
    for i in range(0, len(data), 16):
        x, z, v = y ^ int.from_bytes(data[i : i + 16], "big"), 0, h
        for bit in range(127, -1, -1):
            z ^= v if x >> bit & 1 else 0
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
        y = z
    return xor(y.to_bytes(16, "big"), aes(keys, nonce + bytes([0, 0, 0, 1])))


def seal(key, salt, associated, message):
    own = expand(key, b"veilsum/v1/seal\0" + salt)
    ciphertext = xor(message, keystream(own, bytes(12), len(message)))
    return salt + ciphertext + gcm_tag(own, bytes(12), associated, ciphertext)


def opens(key, associated, sealed):
    if len(sealed) < 32:
        return False
    own = expand(key, b"veilsum/v1/seal\0" + sealed[:16])
    return gcm_tag(own, bytes(12), associated, sealed[16:-16]) == sealed[-16:]


def mask_stream(seed, chunk, length):
    return keystream(seed, bytes(4) + struct.pack(">Q", chunk), length)


# Ed25519 (RFC 8032, section 5.1), in affine coordinates.

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
BASE_POINT = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    46316835694926478169428394003475163141307993866256225615783033603165251855960,
)


def point_sum(a, b):
    product = D * a[0] * b[0] * a[1] * b[1]
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + product, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P)
    return x % P, y % P


def point(scalar):
    out, add = (0, 1), BASE_POINT
    while scalar:
        out = point_sum(out, add) if scalar & 1 else out
        add, scalar = point_sum(add, add), scalar >> 1
    return (out[1] | (out[0] & 1) << 255).to_bytes(32, "little")


def sign(seed, message):
    wide = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(wide[:32], "little") & (1 << 254) - 8 | 1 << 254
    number = lambda *parts: int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER
    nonce = number(wide[32:], message)
    head = point(nonce)
    tail = (nonce + number(head, point(scalar), message) * scalar) % ORDER
    return head + tail.to_bytes(32, "little")


# The tree of the log (RFC 6962, section 2.1).


def tree_root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + tree_root(leaves[:split]) + tree_root(leaves[split:]))


def path_root(leaf, index, size, path):
    """Root of the tree of `size` leaves, from one of them and its path."""
    if size == 1:
        return leaf
    split = 1 << (size - 1).bit_length() - 1
    other, rest = path[-1], path[:-1]
    if index < split:
        return sha256(b"\1" + path_root(leaf, index, split, rest) + other)
    return sha256(b"\1" + other + path_root(leaf, index - split, size - split, rest))


# The generator of the tests: the mask stream under a seed.


class Entropy:
    def __init__(self, seed):
        self.left, self.key, self.chunk = b"", struct.pack(">Q", seed) + bytes(24), 0

    def fill(self, length):
        # No test draws more than this from a chunk.
        if not self.left:
            self.left = mask_stream(self.key, self.chunk, 8192)
        taken, self.left = self.left[:length], self.left[length:]
        assert len(taken) == length
        return taken

    def scalar(self):
        return int.from_bytes(self.fill(64), "little") % ORDER


def scalar_bytes(value):
    return value.to_bytes(32, "little")


# The files.


def check_primitives():
    """The code above against FIPS 197, SP 800-38D and RFC 8032, before anything hangs on it."""
    block = aes(aes_key(bytes(range(32))), bytes.fromhex("00112233445566778899aabbccddeeff"))
    agree("FIPS 197, C.3", block.hex(), "8ea2b7ca516745bfeafc49904b496089")
    agree("GCM test case 13", gcm_tag(bytes(32), bytes(12), b"", b"").hex(), "530f8afbc74536b9a963b4f1c4cb738b")
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    nonce, associated = bytes.fromhex("cafebabefacedbaddecaf888"), bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    message = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    ciphertext = xor(message, keystream(key, nonce, len(message)))
    agree("GCM test case 16", gcm_tag(key, nonce, associated, ciphertext).hex(), "76fc6ece0f4e1768cddf8853bb2d551b")
    signature = sign(bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"), b"\xaf\x82")
    agree(
        "RFC 8032, TEST 3",
        signature.hex(),
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    )


def check_forms(file):
    seed = bytes.fromhex(file.get("key", ""))
    for case in file["good"]:
        data = form(case["kind"], case["fields"])
        shown(case["name"], case["form"], data)
        if "signature" in case:
            agree(case["name"], sign(seed, data).hex(), case["signature"])
    for case in file["bad"]:
        if case["fails"] == "signature":
            data = bytes.fromhex(case["form"]["bytes"])
            agree(case["name"], sign(seed, data).hex() == case["signature"], False)


def check_derivations(file):
    part = file["seeds"]
    opened, cohort = form("round-open", part["round_open"]), form("log-entry", part["cohort"])
    context = sha256(form("context", [["text", SUITE], ["fixed", sha256(opened).hex()], ["fixed", sha256(cohort).hex()]]))
    agree("context", context.hex(), part["context"])
    pair, own = part["pair"], part["self"]
    info = form("pair-seed", [["bank", pair["low"]], ["bank", pair["high"]]])
    agree("pair seed", derive(context, bytes.fromhex(pair["base"]), info).hex(), pair["seed"])
    info = form("self-seed", [["bank", own["bank"]]])
    agree("self seed", derive(context, bytes.fromhex(own["secret"]), info).hex(), own["seed"])
    check_pair_keys(file["pair_keys"])
    check_commitments(file["commitments"])
    for case in file["derive"]:
        out = derive(*(bytes.fromhex(case[name]) for name in ("salt", "ikm", "info")))
        agree("derive", out.hex(), case["out"])
    part = file["sealed"]
    key, salt, associated, message = (bytes.fromhex(part[name]) for name in ("key", "salt", "associated", "message"))
    agree("sealed", seal(key, salt, associated, message).hex(), part["sealed"])
    agree("sealed", opens(key, associated, bytes.fromhex(part["sealed"])), True)
    for case in part["bad"]:
        agree(case["name"], opens(key, bytes.fromhex(case["associated"]), bytes.fromhex(case["sealed"])), False)
    part = file["mask_stream"]
    for case in part["chunks"]:
        length = len(case["starts"]) // 2
        agree("mask stream", mask_stream(bytes.fromhex(part["seed"]), case["chunk"], length).hex(), case["starts"])
    for case in file["scalars"]:
        agree(case["name"], int.from_bytes(bytes.fromhex(case["bytes"]), "little") < ORDER, case["canonical"])


def check_pair_keys(part):
    epoch, (low, high) = part["low"][0], (part[side][2][1] for side in ("low", "high"))
    named = [["fixed", sha256(form("epoch-keys", part[side])).hex()] for side in ("low", "high")]
    ciphertext = ["fixed", sha256(field(*part["ciphertext"])).hex()]
    info = form("pair-key", [["text", SUITE], epoch, ["bank", low], ["bank", high], *named, ciphertext])
    pair = derive(bytes.fromhex(part["directory"]), bytes.fromhex(part["mlkem"] + part["x25519"]), info)
    split = lambda purpose: expand(pair, form("pair-key-part", [["text", purpose]]))
    chain, confirmation = split("chain"), split("confirm")
    for side, bank in (("low", low), ("high", high)):
        said = expand(confirmation, form("confirmation", [["bank", bank]]))
        agree("confirmation", said.hex(), part[f"confirmation_of_{side}"])
    step = part["first_round"]
    for case in part["rounds"]:
        for _ in range(case["round"] - step):
            chain = expand(chain, b"veilsum/v1/chain-step\0")
        step = case["round"]
        agree("mask base", expand(chain, b"veilsum/v1/chain-base\0").hex(), case["base"])
        for way, bank in (("low_to_high", low), ("high_to_low", high)):
            agree("sealing key", expand(chain, form("chain-seal", [["bank", bank]])).hex(), case[way])


def secret_commitment(kind, epoch, round, bank, secret):
    return sha256(form(kind, [["u64", epoch], ["u64", round], ["bank", bank], ["fixed", secret.hex()]]))


def pair_commitment(epoch, round, a, b, base):
    low, high = sorted((a, b))
    items = [["u64", epoch], ["u64", round], ["bank", low], ["bank", high], ["fixed", base.hex()]]
    return sha256(form("commit-pair-base", items))


def check_commitments(part):
    epoch, round, bank, secret = part["epoch"], part["round"], part["bank"], bytes.fromhex(part["secret"])
    agree("commitment", secret_commitment("commit-self-mask", epoch, round, bank, secret).hex(), part["self_mask"])
    agree("commitment", secret_commitment("commit-recovery", epoch, round, bank, secret).hex(), part["recovery"])
    pair = part["pair"]
    found = pair_commitment(epoch, round, pair["low"], pair["high"], bytes.fromhex(pair["base"]))
    agree("commitment", found.hex(), pair["commitment"])


def packed(lanes, bits):
    whole = sum(lane << (at * bits) for at, lane in enumerate(lanes))
    return whole.to_bytes(-(-len(lanes) * bits // 8), "little")


def mask_lanes(seed, lanes, bits):
    """The keystream's words for so many lanes, chunk after chunk."""
    width = 2 if bits <= 16 else 4
    out, chunk = [], 0
    while len(out) < lanes:
        count = min(lanes - len(out), CHUNK // width)
        stream = mask_stream(seed, chunk, count * width)
        out += [int.from_bytes(stream[i : i + width], "little") for i in range(0, count * width, width)]
        chunk += 1
    return out


def check_masks(file):
    selves = {at: bytes.fromhex(seed) for at, seed in enumerate(file["self_seeds"], 1)}
    pairs = {(pair["low"], pair["high"]): bytes.fromhex(pair["seed"]) for pair in file["pair_seeds"]}
    for part in (file["two_bytes_a_lane"], file["four_bytes_a_lane"]):
        bits, total = part["ring_bits"], [0] * len(part["sum"])
        agree("ring", (len(selves) * (2 ** part["digit_bits"] - 1)).bit_length(), bits)
        for case in part["banks"]:
            lanes = list(case["digits"])
            total = [a + b for a, b in zip(total, lanes)]
            signed = [(selves[case["bank"]], 1)]
            signed += [(seed, 1 if case["bank"] == pair[0] else -1) for pair, seed in pairs.items() if case["bank"] in pair]
            for seed, sign in signed:
                masks = mask_lanes(seed, len(lanes), bits)
                lanes = [(lane + sign * mask) % 2**bits for lane, mask in zip(lanes, masks)]
            agree("masked vector", packed(lanes, bits).hex(), case["vector"])
        agree("sum", total, part["sum"])
        agree("sum", packed(total, bits).hex(), part["packed_sum"])
    part = file["two_chunks"]
    bits, masks = part["ring_bits"], mask_lanes(bytes.fromhex(part["seed"]), part["lanes"], part["ring_bits"])
    vector = packed([(at % 251 - mask) % 2**bits for at, mask in enumerate(masks)], bits)
    agree("two chunks", (vector[-16:].hex(), sha256(vector).hex()), (part["ends"], part["sha256"]))
    part = file["digits"]
    values = [struct.unpack(">f", bytes.fromhex(value))[0] for value in part["values"]]
    limit, scale = struct.unpack(">f", bytes.fromhex(part["range"]))[0], struct.unpack(">d", bytes.fromhex(part["scale"]))[0]
    random = mask_stream(Entropy(part["entropy_seed"]).fill(32), 0, 4 * len(values))
    for case in part["cases"]:
        greatest = 2 ** case["digit_bits"] - 1
        steps, digits = greatest / (2 * limit), []
        for at, value in enumerate(values):
            uniform = int.from_bytes(random[4 * at : 4 * at + 4], "little") / 2**32
            digit = math.floor((max(-limit, min(limit, value)) * scale + limit) * steps + uniform)
            digits.append(max(0, min(greatest, digit)))
        agree("digits", digits, case["digits"])


def check_bundle(file):
    epoch, round, bank = file["epoch"], file["round"], file["bank"]
    place = [["u64", epoch], ["u64", round], ["bank", bank]]
    entropy = Entropy(file["entropy_seed"])
    secrets = {"self_mask": entropy.scalar(), "recovery": entropy.scalar()}
    polynomials = {}
    for name, secret in secrets.items():
        polynomials[name] = [secret] + [entropy.scalar() for _ in range(file["threshold"] - 1)]
    shares = lambda to: {
        name: scalar_bytes(sum(c * pow(to, i, ORDER) for i, c in enumerate(polynomial)) % ORDER)
        for name, polynomial in polynomials.items()
    }
    peers = {peer["peer"]: peer for peer in file["peers"]}
    leaves = []
    for to, parcel in enumerate(file["parcels"], 1):
        sealed, commitment = b"", bytes(32)
        if to in peers:
            base, key = (bytes.fromhex(peers[to][name]) for name in ("base", "seals"))
            message = shares(to)["self_mask"] + shares(to)["recovery"]
            sealed = seal(key, entropy.fill(16), form("parcel-place", place + [["bank", to]]), message)
            commitment = pair_commitment(epoch, round, bank, to, base)
        expected = {"sealed": sealed.hex(), "pair_base": commitment.hex()}
        for kind, (name, share) in enumerate(shares(to).items(), 1):
            items = place + [["bank", to], ["u8", kind], ["fixed", share.hex()]]
            expected[f"{name}_share"] = sha256(form("commit-share", items)).hex()
        agree(f"parcel for bank {to}", parcel, expected)
        digests = [["fixed", expected[name]] for name in ("pair_base", "self_mask_share", "recovery_share")]
        leaves.append(sha256(b"\0" + form("parcel", [["bytes", sealed.hex()], *digests])))
    blob_key = derive(b"", scalar_bytes(secrets["recovery"]), b"veilsum/v1/recovery-blob-key\0")
    bases = b"".join(bytes.fromhex(peers[peer]["base"]) for peer in sorted(peers))
    blob = seal(blob_key, entropy.fill(16), form("recovery-blob", place), bases)
    agree("recovery blob", blob.hex(), file["recovery_blob"])
    commitments = [
        secret_commitment(kind, epoch, round, bank, scalar_bytes(secrets[name]))
        for kind, name in (("commit-self-mask", "self_mask"), ("commit-recovery", "recovery"))
    ]
    digests = [tree_root(leaves), sha256(blob), *commitments]
    header = form("bundle", place + [["fixed", digest.hex()] for digest in digests])
    agree("bundle header", header.hex(), file["header"])
    agree("bundle header", sign(bytes.fromhex(file["signing_seed"]), header).hex(), file["signature"])
    agree("recovery secret", scalar_bytes(secrets["recovery"]).hex(), file["recovery"]["secret"])
    for case in file["deliveries"]:
        for name, share in shares(case["to"]).items():
            agree(f"share of bank {case['to']}", share.hex(), case[name])
        path = [bytes.fromhex(digest) for digest in case["path"]]
        at = case["to"] - 1
        agree(f"path to bank {case['to']}", path_root(leaves[at], at, len(leaves), path), digests[0])


def check_round(file):
    root = tree_root([bytes.fromhex(leaf) for _, leaf in file["leaves"]])
    agree("root of the log", root.hex(), file["root"])
    agree("last state", sha256(bytes.fromhex(file["last_state"])).hex(), file["rounds"][-1]["next_state"])


def main():
    files = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
    check_primitives()
    check_forms(files["entries"])
    check_forms(files["statements"])
    check_derivations(files["derivations"])
    check_masks(files["masks"])
    check_bundle(files["bundle"])
    check_round(files["round"])
    print(f"{agreed} values agree")


main()
