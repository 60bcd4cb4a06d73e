//! What a folder of segments is and which segments count: a small text with a checksum, replaced whole (`FORMAT.md`).
//!
//! What must hold: one form for each value, so that any changed byte is noticed; nothing in it is believed before its
//! checksum is. Not here: files, and whether the log agrees (`account/mod.rs`).

use std::fmt::Write;

use super::{Fingerprint, Identity};
use crate::limits::MANIFEST_BYTES_MAX;
use crate::{extract, normalise, segment, tokens};

/// First line: says what the folder is to whoever finds it.
const TITLE: &str =
    "# Search index of one account. Made from the log; may be removed while no server runs.\n";

/// Versions of everything that decides what a segment holds. Another one in a manifest: the index is made anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Versions {
    /// Of this text and of the segments.
    pub format: [u16; 2],
    pub extract: u16,
    pub normalise: u16,
    pub tokens: u16,
}

impl Versions {
    pub const CURRENT: Versions = Versions {
        format: [1, segment::VERSION],
        extract: extract::VERSION,
        normalise: normalise::VERSION,
        tokens: tokens::VERSION,
    };
}

/// A segment file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// Names the file; never used again.
    pub serial: u32,
    pub len: u64,
    /// CRC-32 of the whole file.
    pub crc: u32,
    /// CRC-32 of both its ends, where the checksums of all the rest stand: binds the name to the content cheaply.
    pub ends_crc: u32,
    pub docs: u32,
    /// Bytes of normalised text; about, once a merge has dropped messages.
    pub text: u64,
}

impl Entry {
    pub fn file_name(&self) -> String {
        file_name(self.serial)
    }
}

pub(super) fn file_name(serial: u32) -> String {
    format!("{serial}.seg")
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Manifest {
    pub versions: Versions,
    pub identity: Identity,
    /// The log when the newest segment was made.
    pub lsn: u64,
    /// Messages below are settled: covered by a segment, or never to be.
    pub next: u32,
    /// A message that was indexed, and what the log said of it: a log with another past is noticed.
    pub witness: Option<(u32, Fingerprint)>,
    /// The boot of the system under which every file was written or last verified.
    pub boot: String,
    /// Serial of the next segment.
    pub serial: u32,
    /// In the order of their messages.
    pub segments: Vec<Entry>,
}

/// Why bytes are no manifest of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum BadManifest {
    #[error("the manifest is damaged")]
    Damaged,
    #[error("the index was made by another version")]
    Version,
}

impl Manifest {
    /// That of an index without segments.
    pub fn new(identity: Identity, boot: &str) -> Manifest {
        Manifest {
            versions: Versions::CURRENT,
            identity,
            lsn: 0,
            next: 0,
            witness: None,
            boot: boot_name(boot),
            serial: 0,
            segments: Vec::new(),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let Versions { format, extract, normalise, tokens } = self.versions;
        let Identity { store, epoch, shard, account, documented } = self.identity;
        let documented = if documented { " documented" } else { "" };
        let mut text = String::from(TITLE);
        let _ = writeln!(text, "versions = {} {} {extract} {normalise} {tokens}", format[0], format[1]);
        let store: String = store.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, "of = {store} {epoch} {shard} {account}{documented}");
        let _ = writeln!(text, "state = {} {} {}", self.lsn, self.next, self.serial);
        if let Some((message, Fingerprint { size, internal })) = self.witness {
            let _ = writeln!(text, "witness = {message} {size} {internal}");
        }
        let _ = writeln!(text, "boot = {}", self.boot);
        for Entry { serial, len, crc, ends_crc, docs, text: bytes } in &self.segments {
            let _ = writeln!(text, "segment = {serial} {len} {crc:08x} {ends_crc:08x} {docs} {bytes}");
        }
        let sum = crc32fast::hash(text.as_bytes());
        let _ = writeln!(text, "crc = {sum:08x}");
        text.into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Manifest, BadManifest> {
        let text = std::str::from_utf8(bytes).map_err(|_| BadManifest::Damaged)?;
        // The checksum first: an older version may have another form, and a damaged one any.
        let end = text.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
        let sum = format!("crc = {:08x}\n", crc32fast::hash(&text.as_bytes()[..end]));
        if bytes.len() > MANIFEST_BYTES_MAX || text[end..] != sum {
            return Err(BadManifest::Damaged);
        }
        let versions = words(text, "versions").next().as_deref().and_then(numbers::<5>);
        let current = Versions::CURRENT;
        let known =
            [current.format[0], current.format[1], current.extract, current.normalise, current.tokens];
        if versions != Some(known.map(u64::from)) {
            return Err(BadManifest::Version);
        }
        let manifest = Manifest::parse(text).ok_or(BadManifest::Damaged)?;
        if manifest.encode() == bytes { Ok(manifest) } else { Err(BadManifest::Damaged) }
    }

    fn parse(text: &str) -> Option<Manifest> {
        let of = words(text, "of").next()?;
        let (hex, numbered) = of.split_first()?;
        let (numbered, documented) = match numbered {
            [numbered @ .., "documented"] => (numbered, true),
            numbered => (numbered, false),
        };
        let [epoch, shard, account] = numbers(numbered)?;
        let mut store = [0; 16];
        for (nth, byte) in store.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(2 * nth..2 * nth + 2)?, 16).ok()?;
        }
        let identity = Identity {
            store,
            epoch: epoch.try_into().ok()?,
            shard: shard.try_into().ok()?,
            account: account.try_into().ok()?,
            documented,
        };
        let [lsn, next, serial] = numbers(&words(text, "state").next()?)?;
        let witness = match words(text, "witness").next().as_deref() {
            None => None,
            Some([message, size, internal]) => {
                let fingerprint = Fingerprint { size: size.parse().ok()?, internal: internal.parse().ok()? };
                Some((message.parse().ok()?, fingerprint))
            }
            Some(_) => return None,
        };
        let segments = words(text, "segment").map(|line| {
            let [serial, len, crc, ends_crc, docs, text] = line.try_into().ok()?;
            Some(Entry {
                serial: serial.parse().ok()?,
                len: len.parse().ok()?,
                crc: u32::from_str_radix(crc, 16).ok()?,
                ends_crc: u32::from_str_radix(ends_crc, 16).ok()?,
                docs: docs.parse().ok()?,
                text: text.parse().ok()?,
            })
        });
        Some(Manifest {
            versions: Versions::CURRENT,
            identity,
            lsn,
            next: next.try_into().ok()?,
            witness,
            boot: words(text, "boot").next()?.join(" "),
            serial: serial.try_into().ok()?,
            segments: segments.collect::<Option<Vec<Entry>>>()?,
        })
    }
}

/// The words behind each `name = `.
fn words<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = Vec<&'a str>> + 'a {
    text.lines()
        .filter_map(move |line| line.strip_prefix(name)?.strip_prefix(" = "))
        .map(|rest| rest.split(' ').collect())
}

fn numbers<const N: usize>(words: &[&str]) -> Option<[u64; N]> {
    let numbers: Option<Vec<u64>> = words.iter().map(|word| word.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// A boot id as one word.
pub(super) fn boot_name(boot: &str) -> String {
    boot.chars().filter(|c| c.is_ascii_graphic()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Manifest {
        let entry = |serial| Entry { serial, len: u64::MAX, crc: 7, ends_crc: u32::MAX, docs: 512, text: 5 };
        Manifest {
            lsn: u64::MAX,
            next: u32::MAX,
            witness: Some((77, Fingerprint { size: 12, internal: -5 })),
            serial: 9,
            segments: vec![entry(3), entry(8)],
            ..Manifest::new(
                Identity { store: *b"0123456789abcdef", epoch: 3, shard: 2, account: 1, documented: false },
                " 5-a\n",
            )
        }
    }

    #[test]
    fn it_comes_back_and_any_changed_byte_is_noticed() {
        let documented = Identity { documented: true, ..example().identity };
        for manifest in [example(), Manifest::new(example().identity, ""), Manifest::new(documented, "b")] {
            let bytes = manifest.encode();
            assert_eq!(Manifest::decode(&bytes), Ok(manifest));
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut changed = bytes.clone();
                    changed[at] ^= 1 << bit;
                    assert_eq!(Manifest::decode(&changed), Err(BadManifest::Damaged), "byte {at}");
                }
                assert!(Manifest::decode(&bytes[..at]).is_err(), "length {at}");
            }
            assert!(Manifest::decode(&[&bytes[..], b"\n"].concat()).is_err());
        }
        assert_eq!(example().boot, "5-a");
    }

    #[test]
    fn another_version_is_told_from_damage() {
        for part in 0..5 {
            let mut manifest = example();
            let Versions { format, extract, normalise, tokens } = &mut manifest.versions;
            let [first, second] = format;
            *[first, second, extract, normalise, tokens][part] += 1;
            assert_eq!(Manifest::decode(&manifest.encode()), Err(BadManifest::Version));
        }
    }

    #[test]
    fn well_summed_nonsense_is_refused() {
        for lines in [
            "",
            "of = zz 1 2 3\n",
            "of = 30313233343536373839616263646566 1 2 3\nstate = 1 2\nboot = x\n",
            "of = 3031323334353637383961626364656\u{e9} 1 2 3\nstate = 1 2 3\nboot = x\n",
            "of = 30313233343536373839616263646566 1 2 3\nstate = 1 2 3\nboot = x\nsegment = 1\n",
            "of = 30313233343536373839616263646566 1 99999 3\nstate = 1 2 3\nboot = x\n",
            "of = 30313233343536373839616263646566 1 2 3\nstate = 1 2 3\nboot = x\nmore = 1\n",
        ] {
            let Versions { format: [a, b], extract, normalise, tokens } = Versions::CURRENT;
            let mut text = format!("{TITLE}versions = {a} {b} {extract} {normalise} {tokens}\n{lines}");
            let sum = crc32fast::hash(text.as_bytes());
            let _ = writeln!(text, "crc = {sum:08x}");
            assert_eq!(Manifest::decode(text.as_bytes()), Err(BadManifest::Damaged), "{lines}");
        }
    }
}
