#!/usr/bin/env python3
"""Makes the golden files of the searchable text: index/tests/golden/{messages.bundle,expected.txt}.

The messages are ours and made here, the same on every run. What SEARCH must see in them (docs/search.md) is computed here with
Python's own email package, codecs, html.parser and unicodedata, independently of the Rust code; where the email package reads
broken mail in another way than docs/search.md says, the expected texts are written by hand. Run it after adding a message, then
read the difference before committing it.

messages.bundle: per message a line `# name length`, the octets, a line end.
expected.txt:    per message a line `= name`, then one line per text: `H` header field, `B` body, `F` `T` `C` `X` the texts of
                 From, To, Cc, Bcc; `N` file name, `A` there is an attachment; all normalised.
"""
import base64
import email
import email.header
import email.policy
import email.utils
import html.parser
import os
import quopri
import re
import sys
import unicodedata
import urllib.parse

WHITE = set("\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\x1c\x1d\x1e\x1f") | {chr(c) for c in range(0x2000, 0x200B)}
BLOCKS = set(
    "address article aside blockquote body br caption center col colgroup dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li listing main menu nav noframes ol "
    "optgroup option p plaintext pre search section summary table tbody td tfoot th thead tr ul xmp".split()
)


# --- normalisation: RFC 5051 by the letter ---------------------------------------------------------------------------------
def casemap(c):
    title = c.title()
    if len(title) == 1:
        c = title
    field = unicodedata.decomposition(c)
    if not field or "\uac00" <= c <= "\ud7a3":
        return c
    parts = [chr(int(x, 16)) for x in field.split() if not x.startswith("<")]
    return "".join(casemap(p) for p in parts)


def normalise(text):
    out = []
    for c in "".join(casemap(c) for c in text):
        if c in WHITE:
            if not out or out[-1] != " ":
                out.append(" ")
        else:
            out.append(c)
    return "".join(out)


# --- headers ---------------------------------------------------------------------------------------------------------------
def codec(name):
    name = name.lower().strip("\"' ")
    table = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": None, "ascii": None, "shift_jis": "cp932", "gb2312": "gbk",
             "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "x-mac-cyrillic": "mac-cyrillic", "macintosh": "mac-roman",
             "windows-874": "cp874", "tis-620": "cp874", "iso-8859-9": "cp1254", "big5": "big5hkscs", "x-unknown": None,
             "hz-gb-2312": "hz", "utf-8": "utf-8-sig", "iso-8859-11": "cp874", "unknown-8bit": None, "mac-centraleurope": "mac-latin2", "kz-1048": "kz1048", "nonsense": None}
    if name in table:
        return table[name]
    return name


def guess(octets):
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(bytes([b]).decode("cp1252") if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(b) for b in octets)


def decode(octets, charset):
    name = codec(charset) if charset else None
    return guess(octets) if name is None else octets.decode(name, "replace")


def unfold(value):
    return re.sub(rb"\r?\n", b"", value).strip(b" \t\r\n")


def decode_words(text):
    out = []
    for chunk, charset in email.header.decode_header(text):
        if isinstance(chunk, str):
            out.append(chunk)
        elif charset is None:
            out.append(chunk.decode("raw-unicode-escape"))
        else:
            out.append(decode(chunk, charset.split("*")[0]))
    return "".join(out)


def rfc2231(text):
    """The field with its RFC 2231 parameters written out, if it has any."""
    pieces = [p for p in re.split(r";(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", text)]
    if not any(re.match(r"\s*[^\s=\"]+\*\d*\*?\s*=", p) for p in pieces[1:]):
        return None
    values = {}
    for p in pieces[1:]:
        name, _, value = p.partition("=")
        m = re.fullmatch(r"\s*([^\s*]+)\*(\d*)(\*?)\s*", name)
        if m:
            encoded = bool(m.group(3)) or (m.group(2) == "" and name.strip().endswith("*"))
            value = value.strip()
            values.setdefault(m.group(1).lower(), {})[int(m.group(2) or 0)] = (
                encoded, value[1:-1] if value.startswith('"') else value)
    out, done = [pieces[0]], set()
    for p in pieces[1:]:
        name = re.match(r"\s*([^\s*=]+)(\*?)", p)
        if not name or not name.group(2):
            out.append(";" + decode_words(p))
            continue
        base = name.group(1).lower()
        if base in done:
            continue
        done.add(base)
        charset, octets = None, b""
        for n, (number, (encoded, value)) in enumerate(sorted(values[base].items())):
            if n != number:
                break
            if n == 0 and encoded and value.count("'") >= 2:
                charset, _, value = value.split("'", 2)
            octets += urllib.parse.unquote_to_bytes(value) if encoded else value.encode()
        out.append('; %s="%s"' % (base, decode(octets, charset)))
    return "".join(out)


def field_text(name, value):
    text = guess(unfold(value))
    if name.lower().startswith("content-"):
        return rfc2231(text) or decode_words(text)
    return decode_words(text)


def addresses(value):
    text = unfold(value).decode("latin-1")
    parts, rest = [], text
    # Groups are split off by hand: getaddresses flattens them.
    while True:
        m = re.search(r'(?:^|,)\s*("(?:[^"\\]|\\.)*"|[^":<>@,;]*):([^;]*);', rest)
        if not m:
            break
        parts.append((None, rest[: m.start()]))
        parts.append((m.group(1), m.group(2)))
        rest = rest[m.end():]
    parts.append((None, rest))
    words = lambda s: decode_words(guess(s.encode("latin-1")))
    out = []
    for group, text in parts:
        found = []
        for name, spec in email.utils.getaddresses([re.sub(r"\s*\((?:[^()\\]|\\.|\([^()]*\))*\)", "", text)]):
            if spec:
                spec = re.sub(r'^"(.*)"@', lambda m: re.sub(r"\\(.)", r"\1", m.group(1)) + "@", words(spec))
                found.append("%s <%s>" % (words(name), spec) if name else spec)
        if group is None:
            out += found
        else:
            group = group.strip().strip('"')
            out.append("%s: %s;" % (words(group), ", ".join(found)))
    return ", ".join(out)


# --- bodies ----------------------------------------------------------------------------------------------------------------
class Html(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.out, self.apart, self.title, self.skip = [" "], [], None, None

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "alt" or name == "href" and tag in ("a", "area"):
                self.apart.append(value or "")
        if tag in ("script", "style"):
            self.skip = tag
        if tag == "title":
            self.title = []
        if tag in BLOCKS:
            self.out.append(" ")

    def handle_endtag(self, tag):
        if tag == self.skip:
            self.skip = None
        if tag == "title" and self.title is not None:
            self.apart.append("".join(self.title))
            self.title = None
        if tag in BLOCKS:
            self.out.append(" ")

    def handle_data(self, data):
        if self.title is not None:
            self.title.append(data)
        elif not self.skip:
            self.out.append(data)


def html_texts(text):
    parser = Html()
    parser.feed(text)
    parser.close()
    return ["".join(parser.out) + " "] + parser.apart


def flowed(text, delsp):
    paragraphs, open_depth = [], None
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    for line in lines:
        line = line.rstrip("\r") if line.endswith("\r") else line
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content[1:] if content.startswith(" ") else content
        soft = content.endswith(" ") and content != "-- "
        shown = content[:-1] if soft and delsp else content
        if open_depth == depth and content != "-- ":
            paragraphs[-1] += shown
        else:
            paragraphs.append(">" * depth + (" " if depth else "") + shown)
        open_depth = depth if soft else None
    return "\n".join(paragraphs)


def transfer(octets, encoding):
    encoding = re.sub(r"\(.*?\)", "", encoding or "").strip().lower()
    if encoding == "base64":
        clean = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
        clean = clean[: len(clean) - (1 if len(clean) % 4 == 1 else 0)]
        return base64.b64decode(clean + b"=" * (-len(clean) % 4))
    if encoding == "quoted-printable":
        return quopri.decodestring(octets)
    return octets


def texts(message):
    """The texts of a message by Python's email package."""
    head, body = [], []

    def visit(part):
        for name, value in part._headers:
            value = value.encode("ascii", "surrogateescape")
            text = field_text(name, value)
            head.append("%s: %s" % (name, text))
        kind = part.get_content_type()
        if part.is_multipart():
            for child in part.get_payload():
                visit(child)
            return
        if part.get_content_maintype() == "multipart":
            kind = "text/plain"
        if not kind.startswith("text/"):
            return
        octets = part._payload.encode("ascii", "surrogateescape")
        octets = transfer(octets, str(part.get("content-transfer-encoding", "")))
        charset = part.get_param("charset")
        if isinstance(charset, tuple):
            charset = charset[2]
        charset = charset and re.sub(r"\s*\(.*", "", charset)
        if kind == "text/html":
            if charset is None:
                m = re.search(rb"<meta[^>]*charset\s*=\s*[\"']?([^\"'; />\s]+)", octets[:1024], re.I)
                charset = m.group(1).decode() if m else None
            body.extend(html_texts(decode(octets, charset)))
            return
        text = decode(octets, charset)
        if kind == "text/plain" and str(part.get_param("format", "")).lower() == "flowed":
            text = flowed(text, str(part.get_param("delsp", "")).lower() == "yes")
        body.append(text)

    visit(email.message_from_bytes(message, policy=email.policy.compat32))
    return head, body


def attached(message):
    """File names by Python's email package, and whether something is attached."""
    names, found = [], False

    def parameter(part, header, name):
        value = part.get_param(name, header=header)
        if value is None:
            return None
        if isinstance(value, tuple):
            return decode(value[2].encode("latin-1"), value[0])
        return decode_words(value)

    def visit(part, related):
        nonlocal found
        if part.is_multipart():
            if part.get_content_maintype() == "multipart":
                for child in part.get_payload():
                    visit(child, part.get_content_subtype() == "related")
                return
        own = [parameter(part, "content-disposition", "filename"), parameter(part, "content-type", "name")]
        own = [name for n, name in enumerate(own) if name and name not in own[:n]]
        names.extend(own)
        kind = part.get_content_disposition()
        found = found or (kind or "inline") != "inline" or bool(own) and not related
        if part.is_multipart():
            visit(part.get_payload()[0], False)

    visit(email.message_from_string(guess(message), policy=email.policy.compat32), False)
    return names, found


# --- the messages ----------------------------------------------------------------------------------------------------------
CASES = []
ATTACHED = {}


def add(name, message, head=None, body=None):
    """head, body: written by hand where the email package reads the message in another way."""
    if isinstance(message, str):
        message = message.encode("utf-8")
    computed = texts(message) if head is None or body is None else None
    CASES.append((name, message, computed[0] if head is None else head, computed[1] if body is None else body))


def crlf(text):
    return text.replace("\n", "\r\n")


SAMPLES = {
    "de": "Grüße aus Köln, schöne Straße", "fr": "Été à la plage, ça va où", "pl": "zażółć gęślą jaźń", "tr": "İstanbul ığdır şekil",
    "el": "Ωραία θάλασσα σήμερα", "ru": "Съешь ещё этих булок", "uk": "Їжак і ґанок", "he": "שלום עולם", "ar": "مرحبا بالعالم",
    "th": "สวัสดีชาวโลก", "ja": "会議は東京駅で", "zh": "合同在北京", "tw": "合約在臺北", "ko": "회의는 서울역", "lt": "ąčęėįšųūž", "vi": "Tiếng Việt",
    "tg": "Ҷаҳони ӯ",
}
CHARSETS = [
    ("utf-8", "de"), ("utf-8", "ja"), ("utf-8", "ar"), ("iso-8859-1", "de"), ("iso-8859-15", "fr"), ("windows-1252", "fr"),
    ("iso-8859-2", "pl"), ("windows-1250", "pl"), ("iso-8859-9", "tr"), ("windows-1254", "tr"), ("iso-8859-7", "el"),
    ("windows-1253", "el"), ("iso-8859-5", "ru"), ("windows-1251", "ru"), ("koi8-r", "ru"), ("koi8-u", "uk"), ("ibm866", "ru"),
    ("iso-8859-8", "he"), ("windows-1255", "he"), ("iso-8859-6", "ar"), ("windows-1256", "ar"), ("tis-620", "th"),
    ("windows-874", "th"), ("iso-2022-jp", "ja"), ("shift_jis", "ja"), ("euc-jp", "ja"), ("gb2312", "zh"), ("gbk", "zh"),
    ("gb18030", "zh"), ("big5", "tw"), ("euc-kr", "ko"), ("iso-2022-kr", "ko"), ("johab", "ko"), ("hz-gb-2312", "zh"),
    ("iso-8859-4", "lt"), ("iso-8859-13", "lt"), ("windows-1257", "lt"), ("utf-7", "de"), ("utf-7", "ja"), ("utf-16", "zh"),
    ("utf-16be", "ru"), ("utf-16le", "ko"), ("utf-32", "de"), ("utf-32be", "el"), ("macintosh", "fr"), ("mac-centraleurope", "pl"),
    ("mac-greek", "el"), ("mac-turkish", "tr"), ("x-mac-cyrillic", "ru"), ("ibm437", "de"), ("ibm850", "fr"), ("ibm852", "pl"),
    ("ibm855", "ru"), ("ibm857", "de"), ("ibm862", "he"), ("cp737", "el"), ("cp775", "lt"), ("koi8-t", "tg"), ("hp-roman8", "fr"),
    ("iso-8859-3", "de"), ("iso-8859-10", "de"), ("iso-8859-14", "fr"), ("iso-8859-16", "pl"), ("kz-1048", "ru"), ("ptcp154", "ru"),
]


def encode_sample(charset, text):
    name = {"mac-centraleurope": "mac-latin2", "kz-1048": "kz1048"}.get(charset, codec(charset) or "ascii")
    name = {"utf-8-sig": "utf-8"}.get(name, name)
    return text.encode(name, "ignore")


def charset_cases():
    for n, (charset, lang) in enumerate(CHARSETS):
        octets = encode_sample(charset, "%s\r\nzweite Zeile ﬁnal\r\n" % SAMPLES[lang])
        subject = encode_sample(charset, SAMPLES[lang])
        forms = ["8bit", "quoted-printable", "base64"]
        if charset.startswith(("utf-16", "utf-32")):
            forms = ["base64"]
        elif charset in ("utf-7", "iso-2022-jp", "iso-2022-kr", "hz-gb-2312"):
            forms = ["7bit", "base64"]
        for form in dict.fromkeys((forms[n % len(forms)], forms[(n + 1) % len(forms)])):
            if form == "base64":
                text = base64.encodebytes(octets).replace(b"\n", b"\r\n")
            elif form == "quoted-printable":
                text = quopri.encodestring(octets)
            else:
                text = octets
            word = b"=?%s?B?%s?=" % (charset.encode(), base64.b64encode(subject))
            head = b"From: =?%s?Q?%s?= <a@x.example>\r\n" % (charset.encode(), b"".join(b"=%02X" % c for c in subject))
            head += b"Subject: Re: " + word + b" (x)\r\nContent-Type: text/plain; charset=" + charset.encode()
            add("charset-%s-%s-%s" % (charset, lang, form), head + b"\r\nContent-Transfer-Encoding: " + form.encode() + b"\r\n\r\n" + text)


def header_cases():
    for n, value in enumerate([
        b"plain", b"folded\r\n value\r\n\tthrice", b"  spaces  inside  ", b"", b"=?utf-8?q?=C3=BC?=", b"=?UTF-8?Q?a_b=5F?= tail",
        b"head =?utf-8?b?w7w=?= tail", b"=?utf-8?b?w7w=?= =?utf-8?b?w7w=?=", b"=?utf-8?b?w7w=?=\r\n =?iso-8859-1?q?=E9?=",
        b"=?utf-8?b?w7?=\r\n =?utf-8?b?yg==?=", b"=?utf-8?q?=E4=BC?= =?utf-8?q?=9A?=", b"raw \xc3\xbc utf8", b"raw \xfc latin",
        b"\xe2\x82\xac \xff", b"=?utf-8*de?q?sprache?=", b"=?nonsense?q?=C3=BC?=", b"=?utf-8?z?abc?=", b"=?utf-8?q?unfinished",
        b"=?utf-8?q?sp ace?=", b"\"=?utf-8?q?quoted?=\"", b"(=?utf-8?q?comment?=)", b"a=?utf-8?q?b?=c", b"=?utf-8?q??=",
        b"=?iso-2022-jp?B?GyRCMnE1RBsoQg==?=", b"=?utf-8?q?=FF=FE?=", b"tab\tand nbsp\xc2\xa0x", b"\xef\xac\x81 ligature",
        b"e\xcc\x81 combining", b"K\xe2\x84\xaa \xe2\x84\xab \xc2\xaa \xe3\x8e\x8f \xc7\x84", b"\xc4\xb1\xc4\xb0\xcf\x82 \xc3\x9f\xe1\xba\x9e",
        b"\xef\xbc\xa1\xef\xbc\xa2 \xed\x95\x9c \xc2\xa8", b"soft\xc2\xadhyphen zero\xe2\x80\x8bwidth", b"colon: inside", b"trailing\\",
        b"=?utf-8?Q?=F0=9F=90=9F?= fish", b"=?us-ascii?Q?plain=20ascii?=", b"=?windows-1251?B?z/Do4uXy?=",
    ]):
        add("header-%02d" % n, b"X-Test: " + value + b"\r\nSubject: " + value + b"\r\n\r\nbody %d\r\n" % n)
    add("header-lf", b"A: 1\nB: 2\n folded\n\nbody\n")
    add("header-mixed-ends", b"A: 1\r\nB: 2\n\r\nbody\r\n", ["A: 1", "B: 2"], ["body\r\n"])
    add("header-case", crlf("SUBJECT: Upper\nsubject: lower\nSuBjEcT:mixed\n\nx\n"))
    add("header-blank-before-colon", crlf("Subject : x\nA\t: y\n\nx\n"), ["Subject: x", "A: y"], ["x\r\n"])
    add("header-no-colon", crlf("A: 1\nthis line has none\nB: 2\n\nx\n"), ["A: 1", "this line has none", "B: 2"], ["x\r\n"])
    add("header-from-line", crlf("From a@b Mon Jan  1 00:00:00 2001\nA: 1\n\nx\n"), ["From a@b Mon Jan  1 00:00:00 2001", "A: 1"], ["x\r\n"])
    add("header-leading-blank", crlf(" continued\nA: 1\n\nx\n"), ["continued", "A: 1"], ["x\r\n"])
    add("header-only", crlf("A: 1\nB: 2\n"))
    add("header-none", crlf("\nonly a body\n"))
    add("header-empty-message", b"", [], [""])
    add("header-nul", b"A: x\0y\r\n\r\nb\0c\r\n", ["A: x\0y"], ["b\0c\r\n"])
    add("header-bare-cr", b"A: x\ry\r\n\r\nb\rc\r\n", ["A: x\ry"], ["b\rc\r\n"])
    add("header-long", b"A: " + b"word " * 3000 + b"\r\n\r\nx\r\n")


def address_cases():
    for n, value in enumerate([
        "a@b.example", "A B <a@b.example>", '"B, A" <a@b.example>', "a@b.example, c@d.example", "<a@b.example>",
        "A <a@b.example> (comment)", "a@b.example (Real Name)", "=?utf-8?q?J=C3=BCrg?= <j@x.example>", "Jürg <j@x.example>",
        "friends: a@x.example, B <b@y.example>;", "undisclosed-recipients:;", 'x: "C, D" <c@x.example>;, e@y.example',
        "=?utf-8?q?Gr=C3=BCppe?=: a@x.example;", '"quo\\"ted" <q@x.example>', "A.B. C <abc@x.example>", "a@[192.0.2.1]",
        "用户@例子.example", "A\r\n B <a@b.example>,\r\n c@d.example", '"odd local"@x.example', "=?utf-8?b?5Lya6K2w?= <k@x.example>",
    ]):
        add("address-%02d" % n, ("From: %s\r\nTo: %s\r\nCc: %s\r\nBcc: one@x.example\r\n\r\nx\r\n" % (value, value, value)).encode())


def multipart(parts, kind="mixed", boundary="q", preamble="", epilogue="", close=True):
    text = 'Content-Type: multipart/%s; boundary="%s"\n\n%s' % (kind, boundary, preamble)
    for part in parts:
        text += "--%s\n%s\n" % (boundary, part)
    return text + ("--%s--\n" % boundary if close else "") + epilogue


def structure_cases():
    plain, other = "\nfirst part", "Content-Type: text/plain; name=a.txt\nContent-Description: note\n\nsecond"
    add("mime-mixed", crlf("Subject: m\n" + multipart([plain, other], preamble="preamble\n", epilogue="epilogue\n")))
    add("mime-unclosed", crlf(multipart([plain, other], close=False)), body=["first part", "second\r\n"])
    add("mime-empty-part", crlf(multipart(["", plain])), body=["", "first part"])
    add("mime-nested", crlf(multipart([multipart([plain, other], "alternative", "qq"), "\nthird"])))
    add("mime-prefix-boundary", crlf(multipart([multipart([plain], "alternative", "qx"), "\nlast"], boundary="q")))
    add("mime-same-boundary", crlf(multipart(["Content-Type: multipart/mixed; boundary=q\n", "\nheard"])),
        ["Content-Type: multipart/mixed; boundary=\"q\"", "Content-Type: multipart/mixed; boundary=q"], ["", "heard"])
    add("mime-no-boundary-parameter", crlf("Content-Type: multipart/mixed\n\n--q\n\nseen as text\n--q--\n"))
    add("mime-boundary-never-comes", crlf("Content-Type: multipart/mixed; boundary=z\n\n--q\n\nseen as text\n"))
    add("mime-boundary-with-blanks", crlf("Content-Type: multipart/mixed; boundary=q\n\n--q  \n\nseen\n--q-- \t\nnot seen\n"))
    add("mime-boundary-in-text", crlf(multipart(["\n --q\n--qq\nx --q\ntext"])))
    add("mime-application", crlf(multipart([plain, "Content-Type: application/pdf; name=\"r.pdf\"\n\nnot text"])))
    add("mime-image-encoded", crlf(multipart([plain, "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\nbm90IHRleHQ="])))
    add("mime-calendar", crlf("Content-Type: text/calendar; charset=utf-8\n\nSUMMARY:Besuch bei Jürg\n"))
    add("mime-csv-and-rtf", crlf(multipart(["Content-Type: text/csv\n\na,b", "Content-Type: text/rtf\n\n{\\rtf x}"])))
    add("mime-bad-type", crlf("Content-Type: nonsense\n\ntext all the same\n"))
    add("mime-type-comment", crlf("Content-Type: text/plain (comment); charset=utf-8 (another)\n\nJürg\n"), body=["Jürg\r\n"])
    add("mime-digest", crlf(multipart(["\nSubject: inner one\n\ndigested", "Content-Type: text/plain\n\nplain one"], "digest")))
    message = "Content-Type: message/rfc822\n\nSubject: inner =?utf-8?q?=C3=BC?=\nFrom: in@x.example\n\ninner body"
    add("mime-rfc822", crlf(multipart([plain, message])))
    add("mime-rfc822-top", crlf(message + "\n"))
    add("mime-rfc822-twice", crlf("Content-Type: message/rfc822\n\nSubject: outer\n" + message + "\n"))
    add("mime-rfc822-multipart", crlf("Content-Type: message/rfc822\n\nSubject: deep\n" + multipart([plain, other], boundary="deep")))
    inner = base64.encodebytes(b"Subject: hidden\r\n\r\nfound in base64\r\n").decode()
    add("mime-rfc822-base64", crlf("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + inner),
        ["Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", "Subject: hidden"], ["found in base64\r\n"])
    add("mime-delivery-status", crlf(multipart([plain, "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nAction: failed"], "report")),
        ['Content-Type: multipart/report; boundary="q"', "Content-Type: message/delivery-status"], ["first part"])
    add("mime-rfc822-headers", crlf("Content-Type: text/rfc822-headers\n\nSubject: as text\nX: y\n"))
    add("mime-cte-on-multipart", crlf("Content-Transfer-Encoding: base64\n" + multipart([plain])),
        ["Content-Transfer-Encoding: base64", 'Content-Type: multipart/mixed; boundary="q"'], ["first part"])
    add("mime-cte-unknown", crlf("Content-Transfer-Encoding: x-strange\n\nas it is =41\n"))
    add("mime-cte-comment", crlf("Content-Transfer-Encoding: (c) base64\n\naGVsbG8=\n"), body=["hello"])
    add("mime-qp-soft", crlf("Content-Transfer-Encoding: quoted-printable\n\nsoft =\nbreak  \nhard=20\n=3D=3d\n"))
    add("mime-qp-broken", crlf("Content-Transfer-Encoding: quoted-printable\n\n=zz =4 a=\n"), body=["=zz =4 a"])
    add("mime-base64-dirty", crlf("Content-Transfer-Encoding: base64\n\naG Vs!\n*bG8gd29y\nbGQ=\n"))
    add("mime-base64-no-padding", crlf("Content-Transfer-Encoding: base64\n\naGVsbG8gd29ybGQ\n"))
    add("mime-base64-joined", crlf("Content-Transfer-Encoding: base64\n\naGVsbG8=\nd29ybGQ=\n"), body=["helloworld"])
    add("mime-uuencode", crlf("Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n%:&5L;&\\\n`\nend\n"), body=["hello"])
    add("mime-utf8-broken", b"Content-Type: text/plain; charset=utf-8\r\n\r\na\xffb\xe4\xbcc\r\n")
    add("mime-utf8-bom", b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xef\xbb\xbfbom\r\n")
    add("mime-charset-missing-utf8", b"\r\ngr\xc3\xbc\xc3\x9fe\r\n")
    add("mime-charset-missing-latin", b"\r\ngr\xfc\xdfe \xc3\xbc\r\n")
    add("mime-charset-unknown", b"Content-Type: text/plain; charset=x-unknown\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n")
    add("mime-charset-ascii-8bit", b"Content-Type: text/plain; charset=us-ascii\r\n\r\ngr\xfc\xdfe\r\n")
    add("mime-charset-quoted", b"Content-Type: text/plain; charset=\"ISO-8859-1\"\r\n\r\ngr\xfc\xdfe\r\n")
    add("mime-lf", multipart([plain, other]))
    add("mime-line-break", crlf("\nfood\ncart   and\tmore\u00a0text\n\n\nparagraph\n"))
    add("mime-parts-do-not-join", crlf(multipart(["\nend", "\nbegin"])))


def flowed_cases():
    for n, (extra, text) in enumerate([
        ("", "one \ntwo \nthree\nfour\n"), ("", "> one \n> two\n>> three \n> four\n"), ("", "x\n-- \nsignature\n"),
        ("; delsp=yes", "ein \nwort\n"), ("; DelSp=no", "ein \nwort\n"), ("", " From stuffed\n > not quoted\n"),
        ("", "quoted \n> mark\n"), ("; delsp=yes", "会 \n議\n"), ("", "last line is soft \n"), ("", "trailing  \ntwo spaces\n"),
        ("", ">> deep \n>>next\n>>> deeper\n"), ("", "soft \n\nempty line between\n"),
    ]):
        add("flowed-%02d" % n, crlf("Content-Type: text/plain; charset=utf-8; format=flowed%s\n\n%s" % (extra, text)))
    add("flowed-not", crlf("Content-Type: text/plain; format=fixed\n\none \ntwo\n"))


def parameter_cases():
    for n, value in enumerate([
        "attachment; filename=plain.txt", 'attachment; filename="quoted name.txt"', "attachment; filename*=utf-8''%C3%BC.txt",
        "attachment; filename*=iso-8859-1'de'%FC%DF.txt", "attachment; filename*0=one; filename*1=two.txt",
        "attachment; filename*0*=utf-8''%E4%BC%9A; filename*1*=%E8%AD%B0; filename*2=.txt",
        "attachment; filename*1=b.txt; filename*0=a", 'attachment; filename*0="a b"; filename*1=" c"; size=3',
        'attachment; filename="=?utf-8?q?=C3=BC.txt?="', 'attachment; filename="a*b.txt"', "attachment; filename=raw-ü.txt",
        "attachment; filename*0=a; filename*2=c; x=y", "inline",
    ]):
        name = "parameter-%02d" % n
        message = ("Content-Type: text/plain\r\nContent-Disposition: %s\r\n\r\nx\r\n" % value).encode()
        add(name, message)
        # The email package joins pieces over a gap.
        ATTACHED[name] = (["a"], True) if "*2=c" in value else attached(message)


def attachment_cases():
    def case(name, message, by_hand=None):
        name, message = "attachment-" + name, crlf(message)
        add(name, message)
        ATTACHED[name] = by_hand or attached(message.encode())

    text = "\ntext"
    pdf = "Content-Type: application/pdf%s\nContent-Transfer-Encoding: base64\n%s\nJVBERg=="
    image = "Content-Type: image/png; name=logo.png\nContent-ID: <logo@x>\n%s\nbytes"
    case("none", multipart([text]))
    case("plain", multipart([text, pdf % ("; name=r.pdf", "Content-Disposition: attachment; filename=r.pdf\n")]))
    case("two-names", multipart([text, pdf % ("; name=r.bin", "Content-Disposition: attachment; filename=\"R 1.pdf\"\n")]))
    case("no-name", multipart([text, pdf % ("", "Content-Disposition: attachment\n")]))
    case("name-only", multipart([text, pdf % ("; name=\"=?utf-8?q?=C3=BC.pdf?=\"", "")]))
    case("neither", multipart([text, pdf % ("", "")]))
    case("inline-with-name", multipart([text, pdf % ("", "Content-Disposition: INLINE; filename=shown.pdf\n")]))
    case("inline", multipart([text, pdf % ("", "Content-Disposition: inline\n")]))
    case("other-disposition", multipart([text, pdf % ("", "Content-Disposition: x-unknown\n")]))
    case("related", multipart(["Content-Type: text/html\n\n<p>", image % ""], "related"))
    case("related-inline", multipart(["Content-Type: text/html\n\n<p>", image % "Content-Disposition: inline; filename=logo.png\n"], "related"))
    case("related-attached", multipart(["Content-Type: text/html\n\n<p>", image % "Content-Disposition: attachment\n"], "related"))
    inside = multipart(["Content-Type: text/html\n\n<p>", image % ""], "related", "rr")
    case("beside-related", multipart([inside, pdf % ("; name=r.pdf", "")]))
    case("in-related-mixed", multipart([multipart([text, image % ""], "mixed", "mm")], "related"))
    case("whole", pdf % ("; name=whole.pdf", "") + "\n")
    case("text", multipart([text, "Content-Type: text/plain; name=notes.txt\n\nnotes"]))
    case("multipart-with-name", multipart([text]).replace("; boundary", "; name=no.txt; boundary", 1))
    message = "Content-Type: message/rfc822%s\n\nSubject: inner\n" + multipart([text, pdf % ("; name=deep.pdf", "")], boundary="deep")
    case("in-message", multipart([text, message % ""]))
    case("message-with-name", multipart([text, message.replace("; name=deep.pdf", "") % "; name=inner.eml"]))
    case("message", multipart([text, "Content-Type: message/rfc822\n\nSubject: inner\n\ntext"]))
    case("empty-name", multipart([text, pdf % ("; name=\"\"", "Content-Disposition: inline; filename=\"\"\n")]))
    # What the email package does not take apart.
    inner = base64.encodebytes(crlf(multipart([text, pdf % ("; name=coded.pdf", "")])).encode()).decode()
    name = "attachment-in-encoded-message"
    head = ["Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", 'Content-Type: multipart/mixed; boundary="q"',
            "Content-Type: application/pdf; name=coded.pdf", "Content-Transfer-Encoding: base64"]
    add(name, crlf("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + inner), head, ["text"])
    ATTACHED[name] = ["coded.pdf"], True


def html_cases():
    for n, text in enumerate([
        "<p>one<b>two</b></p>three", "a<br>b<br/>c", "<div>a</div><div>b</div>", "fo<i>o</i>d <span>ca</span>rt", "x<!-- hidden -->y",
        "<script>var hidden = '<p>no</p>';</script>shown<style>p{hidden:1}</style>",
        "<html><head><title>The &amp; title</title></head><body>body</body></html>",
        "<img src=x alt='a picture'><a href='https://x.example/?a=1&amp;b=2'>link</a>", "<map><area href='/area' alt=alt></map>",
        "&lt;tag&gt; &amp;amp; &quot;q&quot; &#65;&#x42; &eacute;&nbsp;&euro;", "<ul><li>one<li>two</ul>", "<h1>head</h1>text",
        "<table><tr><td>a</td><td>b</td></tr><tr><th>c</th></tr></table>", "<pre>  keeps\n  lines </pre>",
        "<blockquote>quoted</blockquote>reply", "text with\r\n  line\tbreaks", "<P CLASS=x>UPPER</P>",
        "<font color=red>col</font>our", "<a name=anchor>no target</a>", "<a href=''>empty target</a>", "<img alt=''>", "<hr>rule<hr>",
        "<select><option>one<option>two</select>", "<textarea>in &lt;area&gt;</textarea>after", "<noscript>seen</noscript>",
        "unknown <blink>tag</blink> <x-y>custom</x-y>", "a &notanentity; b & c", "zero&#8203;width soft&shy;hyphen", "<p>unclosed <b>bold",
        "&#128031; fish", "<dl><dt>term<dd>what</dl>", "<center>mid</center>dle", "<span>日本</span><span>語</span>",
    ]):
        add("html-%02d" % n, ("Content-Type: text/html; charset=utf-8\r\n\r\n%s" % text).encode())
    add("html-meta", b"Content-Type: text/html\r\n\r\n<meta http-equiv=Content-Type content='text/html; charset=koi8-r'><p>\xf0\xf2\xe9")
    add("html-meta-short", b"Content-Type: text/html\r\n\r\n<meta charset=\"windows-1251\">\xcc\xe8\xf0")
    add("html-guess", b"Content-Type: text/html\r\n\r\n<p>gr\xfc\xdfe</p>")
    add("html-qp", b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<a href=3D\"x\">gr=C3=\r\n=BCn</a>")
    add("html-alternative", crlf(multipart(["\nplain side", "Content-Type: text/html\n\n<p>html <b>si</b>de</p>"], "alternative")))
    # What the tree decides: by hand.
    add("html-foster", b"Content-Type: text/html\r\n\r\n<table><tr>fostered<td>cell</td></tr></table>", body=[" fostered cell "])
    add("html-loose-cell", b"Content-Type: text/html\r\n\r\n<td>loose</td>cell", body=[" loosecell "])
    add("html-misnested", b"Content-Type: text/html\r\n\r\n<b><p>x</b>y</p>z", body=[" xy z "])
    add("html-nul", b"Content-Type: text/html\r\n\r\na\0b", body=[" ab "])
    add("html-plaintext", b"Content-Type: text/html\r\n\r\na<plaintext>b</p>c", body=[" a b</p>c "])
    add("html-frameset", b"Content-Type: text/html\r\n\r\n<frameset><frame src=x>lost</frameset>", body=[" "])
    add("html-comment-open", b"Content-Type: text/html\r\n\r\nseen<!-- never closed", body=[" seen "])


def main():
    charset_cases()
    header_cases()
    address_cases()
    structure_cases()
    flowed_cases()
    parameter_cases()
    attachment_cases()
    html_cases()
    folder = os.path.join(os.path.dirname(__file__), "..", "index", "tests", "golden")
    assert len({name for name, *_ in CASES}) == len(CASES)
    with open(os.path.join(folder, "messages.bundle"), "wb") as bundle, open(
        os.path.join(folder, "expected.txt"), "w", encoding="utf-8", newline="\n") as expected:
        for name, message, head, body in CASES:
            bundle.write(b"# %s %d\n" % (name.encode(), len(message)) + message + b"\n")
            expected.write("= %s\n" % name)
            for kind, found in (("H", head), ("B", body)):
                for text in found:
                    expected.write("%s %s\n" % (kind, normalise(text)))
            if name.startswith("address"):
                fields = re.split(rb"\r\n(?! )", message.split(b"\r\n\r\n")[0])
                for kind, field in zip("FTCX", fields):
                    expected.write("%s %s\n" % (kind, normalise(addresses(field.split(b": ", 1)[1]))))
            if name in ATTACHED:
                names, found = ATTACHED[name]
                expected.writelines("N %s\n" % normalise(text) for text in names)
                expected.write("A\n" * found)
    print(len(CASES), "messages", file=sys.stderr)


if __name__ == "__main__":
    main()
