"""The answers of this module's tests, from the definition in docs/models.md alone: python3 answers.py

The merges are the first 60 of GPT-2's (Radford and others 2019, vocab.bpe).
"""

import unicodedata

MERGES = """Ġ t,Ġ a,h e,i n,r e,o n,Ġt he,e r,Ġ s,a t,Ġ w,Ġ o,e n,Ġ c,i t,i s,a n,o r,e s,Ġ b,e d,Ġ f,in g,Ġ p,o u,Ġa n,a l,a r,Ġt o,Ġ m,\
Ġo f,Ġ in,Ġ d,Ġ h,Ġan d,i c,a s,l e,Ġt h,i on,o m,l l,en t,Ġ n,Ġ l,s t,Ġ re,v e,Ġ e,r o,l y,Ġb e,Ġ g,Ġ T,c t,Ġ S,i d,o t,Ġ I,u t""".split(",")
TEXTS = [
    "The hat in the rain isn't theirs",
    "I've  lost\tmy card, and 12.50 EUR!",
    "\n\n a\n",
    "straße",
    "转账失败 🎉",
    "",
]


def alphabet():
    characters, others = [], 0x100
    for byte in range(256):
        if 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte:
            characters.append(chr(byte))
        else:
            characters.append(chr(others))
            others += 1
    return characters


def kind(character):
    if character.isspace():
        return "blank"
    return {"L": "letter", "N": "digit"}.get(unicodedata.category(character)[0], "sign")


def pieces(text):
    at = 0
    while at < len(text):
        end = next((at + len(s) for s in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d") if text.startswith(s, at)), at)
        if end == at:
            first = at + 1 if text[at] == " " and at + 1 < len(text) and kind(text[at + 1]) != "blank" else at
            end = first
            while end < len(text) and kind(text[end]) == kind(text[first]):
                end += 1
            if kind(text[first]) == "blank" and end < len(text) and end - at > 1:
                end -= 1
        yield text[at:end]
        at = end


def numbers(text):
    symbols = alphabet()
    number = {symbol: 1 + at for at, symbol in enumerate(symbols)}
    number |= {merge.replace(" ", ""): 257 + at for at, merge in enumerate(MERGES)}
    found = []
    for piece in pieces(text):
        word = [symbols[byte] for byte in piece.encode()]
        while True:
            ranks = [MERGES.index(" ".join(pair)) for pair in zip(word, word[1:]) if " ".join(pair) in MERGES]
            if not ranks:
                break
            left, right = MERGES[min(ranks)].split(" ")
            joined = []
            while word:
                if word[:2] == [left, right]:
                    joined.append(left + right)
                    word = word[2:]
                else:
                    joined.append(word.pop(0))
            word = joined
        found += [number[symbol] for symbol in word]
    return found


if __name__ == "__main__":
    for text in TEXTS:
        print(ascii(text), numbers(text))
