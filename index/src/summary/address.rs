//! The first address of a field, read back from the ENVELOPE that a summary keeps (RFC 9051 7.5.2).

/// A field of an ENVELOPE that holds addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EnvelopeField {
    From = 2,
    To = 5,
    Cc = 6,
}

/// An address structure; `None` is NIL.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EnvelopeAddress {
    /// addr-name: octets as written, encoded-words not decoded.
    pub name: Option<Vec<u8>>,
    /// addr-mailbox; for the start of a group its name.
    pub mailbox: Option<Vec<u8>>,
    /// addr-host.
    pub host: Option<Vec<u8>>,
}

/// The first address structure of a field; `None` if the field is NIL or this is no ENVELOPE.
pub fn envelope_address(envelope: &[u8], field: EnvelopeField) -> Option<EnvelopeAddress> {
    let mut reader = Reader { rest: envelope };
    reader.open()?;
    for _ in 0..field as usize {
        reader.pass()?;
    }
    if reader.rest.first() != Some(&b'(') {
        return None;
    }
    reader.open()?;
    reader.open()?;
    let name = reader.nstring()?;
    // The route.
    reader.nstring()?;
    Some(EnvelopeAddress { name, mailbox: reader.nstring()?, host: reader.nstring()? })
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn open(&mut self) -> Option<()> {
        (self.take(1)? == b"(").then_some(())
    }

    /// A string or NIL as it stands, without the space behind it.
    fn octets(&mut self) -> Option<Option<&'a [u8]>> {
        match self.rest.first()? {
            b'"' => {
                self.take(1)?;
                // A quoted string has no escapes here.
                let text = self.take(memchr::memchr(b'"', self.rest)?)?;
                self.take(1)?;
                Some(Some(text))
            }
            b'{' => {
                let digits = self.take(memchr::memchr(b'}', self.rest)?)?.get(1..)?;
                let len = std::str::from_utf8(digits).ok()?.parse().ok()?;
                (self.take(3)? == b"}\r\n").then_some(())?;
                Some(Some(self.take(len)?))
            }
            _ => (self.take(3)? == b"NIL").then_some(None),
        }
    }

    fn nstring(&mut self) -> Option<Option<Vec<u8>>> {
        let text = self.octets()?.map(<[u8]>::to_vec);
        self.space();
        Some(text)
    }

    fn space(&mut self) {
        self.rest = self.rest.strip_prefix(b" ").unwrap_or(self.rest);
    }

    /// Passes over a string, NIL or a list, and the space behind it.
    fn pass(&mut self) -> Option<()> {
        let mut depth = 0;
        loop {
            match self.rest.first()? {
                b'(' => {
                    depth += 1;
                    self.take(1)?;
                }
                b')' => {
                    depth -= 1;
                    self.take(1)?;
                }
                b' ' => _ = self.take(1)?,
                _ => _ = self.octets()?,
            }
            if depth <= 0 {
                self.space();
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Summary;
    use super::*;

    fn address(header: &str, field: EnvelopeField) -> Option<[Option<String>; 3]> {
        let summary = Summary::build(format!("{header}\r\n\r\n").as_bytes());
        let EnvelopeAddress { name, mailbox, host } = envelope_address(&summary.envelope, field)?;
        Some([name, mailbox, host].map(|text| text.map(|text| String::from_utf8_lossy(&text).into_owned())))
    }

    #[test]
    fn the_first_address_is_found() {
        let header = "Date: x\r\nSubject: (a \"b\" {c}\r\nFrom: \"q \\\"x)\" <l@h>, m@i\r\nTo: g: a@b;, c@d\r\nCc: Ünï <e@f>";
        let some = |texts: [Option<&str>; 3]| Some(texts.map(|text| text.map(str::to_owned)));
        assert_eq!(address(header, EnvelopeField::From), some([Some("q \"x)"), Some("l"), Some("h")]));
        assert_eq!(address(header, EnvelopeField::To), some([None, Some("g"), None]));
        assert_eq!(address(header, EnvelopeField::Cc), some([Some("Ünï"), Some("e"), Some("f")]));
        assert_eq!(address("Subject: x", EnvelopeField::From), None);
        assert_eq!(address("To: b@c", EnvelopeField::Cc), None);
    }

    #[test]
    fn what_is_no_envelope_has_none() {
        let envelope = Summary::build(b"From: \"a\\\"\" <b@c>\r\nTo: d@e\r\nSubject: \xe9\r\n\r\n").envelope;
        for cut in 0..envelope.len() {
            let cut = &envelope[..cut];
            for field in [EnvelopeField::From, EnvelopeField::To, EnvelopeField::Cc] {
                let _ = envelope_address(cut, field);
            }
        }
        for bytes in
            [&b""[..], b"((((", b"))))", b"({99999999999999999999}\r\n", b"({5}\r\nab", b"(\"", b"(NI"]
        {
            assert_eq!(envelope_address(bytes, EnvelopeField::To), None);
        }
    }
}
