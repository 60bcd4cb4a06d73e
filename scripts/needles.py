"""Mail to search, and seeded needles drawn from it, class by class, for `search-figures`.

A needle is drawn from a message chosen at random, at a place chosen at random, so common words are drawn as often as they
are written. Not a program.
"""

import email
import mmap
import os
import random
import re
import subprocess


class Mbox:
    """The messages of an mbox file as a sequence of CRLF bytes; the file may be larger than memory."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.map = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        self.starts = [m.start() for m in re.finditer(rb"^From ", self.map, re.M)]
        self.ends = self.starts[1:] + [len(self.map)]

    def __len__(self):
        return len(self.starts)

    def __getitem__(self, n):
        begin = self.map.find(b"\n", self.starts[n]) + 1
        return crlf(self.map[begin:self.ends[n]])


def crlf(text):
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def archives(corpus, folder):
    """The real mail of a folder of .tar.zst archives (.eml and mboxrd files), but for the edge cases."""
    found = []
    for name in sorted(n for n in os.listdir(corpus) if n.endswith(".tar.zst") and not n.startswith("edge")):
        to = os.path.join(folder, name)
        os.makedirs(to)
        subprocess.run(["tar", "--zstd", "-xf", os.path.join(corpus, name), "-C", to], check=True)
        for base, folders, names in os.walk(to):
            folders.sort()
            for each in sorted(names):
                path = os.path.join(base, each)
                if each.endswith(".mbox"):
                    found += Mbox(path)
                elif each.endswith(".eml"):
                    with open(path, "rb") as f:
                        found.append(crlf(f.read()))
    return found


def text_of(message):
    """The plain text of a message, white space folded."""
    out = []
    for part in message.walk():
        if part.get_content_type() == "text/plain" and not part.is_multipart():
            data = part.get_payload(decode=True) or b""
            try:
                out.append(data.decode(part.get_content_charset() or "utf-8", "ignore"))
            except LookupError:
                pass
    return re.sub(r"\s+", " ", " ".join(out))


WORD = re.compile(r"[^\W_]+")
NEAR = re.compile(r"[^\W_]+(?: [^\W_]+){3,}")


class Needles:
    """Programs of each class: (class, bytes after `UID SEARCH `, short form for people)."""

    def __init__(self, mail, seed, sampled=1500):
        self.rng = random.Random(seed)
        self.sample = []
        for n in self.rng.sample(range(len(mail)), min(sampled, len(mail))):
            parsed = email.message_from_bytes(mail[n])
            self.sample.append((parsed, text_of(parsed)))
        self.texts = [t for _, t in self.sample if len(t) > 80]

    def drawn(self, find):
        """What `find` makes of random texts, until it makes something."""
        while True:
            found = find(self.rng.choice(self.texts))
            if found and found.strip():
                return found

    def cut(self, text, least, most):
        length = self.rng.randint(least, most)
        at = self.rng.randrange(max(1, len(text) - length))
        return text[at:at + length]

    def near(self, text):
        """Some text around a random place."""
        return self.cut(text, 400, 400)

    def word(self):
        return self.drawn(lambda t: self.rng.choice([w for w in WORD.findall(self.near(t)) if len(w) > 3] or [""]))

    def by_frequency(self):
        """A word that few of the sampled texts have, and one that most have."""
        counts = {}
        for text in self.texts:
            for word in {w.lower() for w in WORD.findall(text) if len(w) > 3 and w.isascii() and w.isalpha()}:
                counts[word] = counts.get(word, 0) + 1
        ascending = sorted(counts, key=lambda word: (counts[word], word))
        return next(word for word in ascending if counts[word] > 1), ascending[-1]

    def infix(self):
        def find(text):
            words = [w for w in WORD.findall(self.near(text)) if len(w) > 6]
            return self.cut(self.rng.choice(words)[1:-1], 3, 8) if words else ""

        return self.drawn(find)

    def words(self):
        """Two to five words or parts of words with single spaces between."""
        def find(text):
            run = [r for r in NEAR.findall(self.near(text)) if len(r) > 12]
            piece = self.cut(self.rng.choice(run), 7, 36).strip() if run else ""
            return piece if " " in piece else ""

        return self.drawn(find)

    def punctuation(self):
        def find(text):
            piece = self.cut(text, 4, 24).strip()
            return piece if re.search(r"[^\w\s]", piece) and '"' not in piece else ""

        return self.drawn(find)

    def letters(self, number):
        return self.drawn(lambda t: self.cut(re.sub(r"[^a-z]", "", self.near(t).lower()), number, number))

    def absent(self):
        return "zq" + "".join(self.rng.choice("bcdfghjklmnpqrstvwxz") for _ in range(self.rng.randint(6, 10)))

    def field(self, names):
        """A header field's name and its value, unfolded; only fields that some messages have."""
        while True:
            message, _ = self.rng.choice(self.sample)
            name = self.rng.choice(names)
            try:
                value = message.get(name) if name else self.rng.choice(message.items())
            except Exception:
                continue
            if not name and value:
                name, value = value
            value = re.sub(r"\s+", " ", str(value or "")).strip()
            if len(value) > 3 and value.isascii() and "=?" not in value:
                return name, value

    def header(self):
        kind = self.rng.randrange(6)
        if kind < 2:
            key = self.rng.choice(["From", "To", "Cc"])
            name, value = self.field([key])
            word = self.rng.choice([w for w in WORD.findall(value) if len(w) > 2] or ["example"])
            return [name.upper(), literal(word)], f"{name} {word}"
        if kind == 2:
            _, value = self.field(["Subject"])
            piece = self.cut(value, 4, 14).strip() or value
            return ["SUBJECT", literal(piece)], f"Subject {piece}"
        if kind == 3:
            _, value = self.field(["Message-ID"])
            return ["HEADER Message-ID", literal(value)], f"Message-ID {value}"
        if kind == 4:
            name, value = self.field(["List-Id", "Received", "References", "In-Reply-To", "X-Mailer"])
        else:
            name, value = self.field([None])
        piece = self.cut(value, 4, 12).strip() or value
        return [f"HEADER {name}", literal(piece)], f"{name} {piece}"

    def client(self):
        """Programs as mail programs send them."""
        kind = self.rng.randrange(6)
        one = self.word() if self.rng.random() < 0.6 else self.words()
        x = literal(one)
        if kind == 0:  # Thunderbird
            return ["UNDELETED (OR (OR (OR FROM", x, "TO", x, ") SUBJECT", x, ") BODY", x, ")"], f"thunderbird {one}"
        if kind == 1:  # Roundcube
            return ["OR HEADER SUBJECT", x, "HEADER FROM", x], f"roundcube {one}"
        if kind == 2:  # webmail
            return ["TEXT", x, "UNDELETED"], f"webmail {one}"
        if kind == 3:  # iOS Mail
            return ["1:* NOT DELETED OR OR FROM", x, "SUBJECT", x, "BODY", x], f"ios {one}"
        if kind == 4:
            return ["UNSEEN BODY", x], f"unseen {one}"
        name, value = self.field(["Message-ID"])  # mbsync, imapsync
        return ["HEADER Message-ID", literal(value)], f"imapsync {value}"

    def programs(self, number):
        out = []
        for _ in range(number):
            for key in ("BODY", "TEXT"):
                for name, draw in (("word", self.word), ("infix", self.infix), ("several words", self.words),
                                   ("punctuation", self.punctuation), ("no hit", self.absent),
                                   ("two letters", lambda: self.letters(2)), ("one letter", lambda: self.letters(1))):
                    needle = draw()
                    out.append((f"{name}, {key}", [key, literal(needle)], f"{key} {needle}"))
            for name, draw in (("header", self.header), ("client programs", self.client)):
                parts, shown = draw()
                out.append((name, parts, shown))
        return [(kind, join(parts), shown) for kind, parts, shown in out]


def literal(text):
    data = text.encode()
    return b"{%d+}\r\n%s" % (len(data), data)


def join(parts):
    out = b"CHARSET UTF-8"
    for part in parts:
        part = part if isinstance(part, bytes) else part.encode()
        out += part if part.startswith(b")") else b" " + part
    return out
