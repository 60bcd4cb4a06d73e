#!/usr/bin/env python3
"""Writes index/src/mime/charset/tables.rs: the one-byte charsets of mail that WHATWG lacks.

Sources: Python's codecs, and glibc's iconv for those Python lacks. Run by hand when a charset is added.
"""
import codecs
import subprocess
import sys

PYTHON = {
    "ibm437": "cp437", "ibm720": "cp720", "ibm737": "cp737", "ibm775": "cp775", "ibm850": "cp850", "ibm852": "cp852",
    "ibm855": "cp855", "ibm856": "cp856", "ibm857": "cp857", "ibm858": "cp858", "ibm860": "cp860", "ibm861": "cp861",
    "ibm862": "cp862", "ibm863": "cp863", "ibm864": "cp864", "ibm865": "cp865", "ibm869": "cp869",
    "ibm1006": "cp1006", "ibm1125": "cp1125", "hp-roman8": "hp-roman8", "koi8-t": "koi8-t", "kz-1048": "kz1048",
    "ptcp154": "ptcp154", "mac-croatian": "mac-croatian", "mac-greek": "mac-greek", "mac-iceland": "mac-iceland",
    "mac-centraleurope": "mac-latin2", "mac-romania": "mac-romanian", "mac-turkish": "mac-turkish",
    "mac-arabic": "mac-arabic", "mac-farsi": "mac-farsi",
}
ICONV = {
    "viscii": "VISCII", "tcvn": "TCVN", "armscii-8": "ARMSCII-8", "georgian-ps": "GEORGIAN-PS",
    "georgian-academy": "GEORGIAN-ACADEMY", "isiri-3342": "ISIRI-3342", "mac-sami": "MAC-SAMI", "ibm1124": "IBM1124",
    "ibm1129": "IBM1129", "ibm1133": "IBM1133", "ibm1161": "IBM1161", "ibm922": "IBM922", "iso-ir-111": "ECMACYRILLIC",
}
ALIASES = {
    "mac-centraleurope": ["x-mac-ce", "mac-ce", "mac-latin2", "maccentraleurope"],
    "mac-romania": ["mac-romanian", "x-mac-romanian"], "mac-iceland": ["x-mac-icelandic"],
    "mac-croatian": ["x-mac-croatian"], "mac-greek": ["x-mac-greek"], "mac-turkish": ["x-mac-turkish"],
    "mac-arabic": ["x-mac-arabic"], "mac-farsi": ["x-mac-farsi"], "hp-roman8": ["roman8", "r8", "cshproman8"],
    "kz-1048": ["strk1048-2002", "rk1048", "cskz1048"], "ptcp154": ["pt154", "cp154", "cyrillic-asian", "csptcp154"],
    "viscii": ["viscii1.1-1", "csviscii"], "tcvn": ["tcvn-5712", "tcvn5712-1", "tcvn5712-1:1993", "x-viet-tcvn"],
    "armscii-8": ["armscii8"], "ibm858": ["pc-multilingual-850+euro", "ibm00858"], "iso-ir-111": ["ecma-cyrillic"],
    "ibm1125": ["cp866u", "ruscii"],
}


def decode(name, byte):
    if name in PYTHON:
        try:
            return codecs.decode(bytes([byte]), PYTHON[name])
        except UnicodeDecodeError:
            return "\ufffd"
    # A letter behind it, because iconv holds back what may be composed with what follows.
    run = subprocess.run(["iconv", "-f", ICONV[name], "-t", "UTF-8"], input=bytes([byte, 0x7C]), capture_output=True)
    text = run.stdout.decode("utf-8") if run.returncode == 0 else ""
    text = text[:-1] if text.endswith("|") else ""
    return text if len(text) == 1 else "\ufffd"


def escape(text):
    return "".join(
        c if c.isprintable() and c not in '"\\' and ord(c) > 0x7E and not (0x590 <= ord(c) < 0x900 or 0x300 <= ord(c) < 0x370)
        and not 0xFB00 <= ord(c) < 0xFF00 else "\\u{%x}" % ord(c)
        for c in text
    )


out = open(sys.argv[1], "w", encoding="utf-8")
out.write("//! One-byte charsets that WHATWG lacks, made by `scripts/charset_tables.py`: do not edit.\n\n")
out.write("/// Names, what differs from ASCII below 0x80, and the characters of 0x80-0xff.\n")
out.write("pub(super) struct Table {\n    pub names: &'static [&'static str],\n    pub low: &'static [(u8, char)],\n")
out.write("    pub high: &'static str,\n}\n\n#[rustfmt::skip]\npub(super) static TABLES: &[Table] = &[\n")
for name in sorted(PYTHON) + sorted(ICONV):
    names = [name] + ALIASES.get(name, [])
    if name.startswith("ibm"):
        names += ["cp" + name[3:], name[3:], "csibm" + name[3:]] + (["cspc8codepage437"] if name == "ibm437" else [])
    low = [(b, c) for b in range(128) if (c := decode(name, b)) not in (chr(b), "\ufffd") and ord(c) > 0x7F]
    if name == "ibm864":
        low = [(0x25, "\u066a")]
    high = "".join(decode(name, b) for b in range(128, 256))
    assert len(high) == 128
    out.write("    Table {\n        names: &[%s],\n" % ", ".join('"%s"' % n for n in names))
    out.write("        low: &[%s],\n" % ", ".join("(0x%02x, '\\u{%x}')" % (b, ord(c)) for b, c in low))
    out.write('        high: "%s",\n    },\n' % escape(high))
out.write("];\n")
