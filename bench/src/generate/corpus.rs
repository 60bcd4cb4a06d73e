//! The stream of messages, and what each has beside its bytes: date, flags, folder.

use crate::chance::{Chance, Purpose};
use crate::compose;
use crate::limits::{REPLY_DISTANCE_MAX, THREAD_DEPTH_MAX};
use crate::words::{LANGUAGES, Language};

/// First moment of the mail: 2016-01-04T08:00:00Z.
const START_SECONDS: i64 = 1_451_894_400;
/// The time that the mail covers, whatever the count.
const SPAN_SECONDS: u64 = 9 * 365 * 86_400;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SizeProfile {
    /// About 1 KB: few headers, short text, no attachments.
    Small,
    /// About 10 KB at the median, 40 to 80 header fields, an attachment now and then.
    Typical,
    /// Every third message with attachments of up to some MB.
    Large,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    pub seed: u64,
    /// Messages to make; dates spread over the same years whatever the count.
    pub count: u64,
    pub profile: SizeProfile,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Flag {
    Seen,
    Answered,
    Flagged,
    Deleted,
    Draft,
}

/// One message with CRLF line ends, and what a mailbox knows of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generated {
    pub bytes: Vec<u8>,
    /// When it arrived, seconds since 1970.
    pub seconds: i64,
    pub zone_minutes: i16,
    pub flags: Vec<Flag>,
    pub keywords: Vec<&'static str>,
    /// UTF-8, `/` between levels.
    pub folder: &'static str,
    /// Envelope sender.
    pub sender: String,
}

/// Folders of threads that are not of a mailing list.
const FOLDERS: [(u64, &str); 8] = [
    (48, "INBOX"),
    (9, "Archive/2019"),
    (7, "Archive/2020"),
    (10, "Projects/Harbour"),
    (6, "Projects/Übersicht & Planung"),
    (6, "Sent"),
    (8, "Junk"),
    (4, "Trash"),
];

/// Mailing lists: folder, list name, host.
pub const LISTS: [(&str, &str, &str); 4] = [
    ("Lists/storage-dev", "storage-dev", "lists.keel.example"),
    ("Lists/announce", "announce", "lists.keel.example"),
    ("Lists/typography", "typography", "groups.serif.example"),
    ("Lists/日本語", "nihongo", "ml.kaze.example"),
];

/// What a thread's first message decides for all its messages.
#[derive(Clone, Copy)]
pub struct Topic {
    pub root: u64,
    pub language: Language,
    pub folder: &'static str,
    /// Index into [`LISTS`].
    pub list: Option<usize>,
    /// A robot writes (newsletter, notification): HTML, no replies quoted.
    pub bulk: bool,
    /// Between colleagues of one house: one or two hops, nothing signed, few fields.
    pub internal: bool,
}

/// Messages `0..count` of a seed.
#[derive(Clone, Copy)]
pub struct Corpus {
    pub options: Options,
}

impl Corpus {
    pub fn new(options: Options) -> Corpus {
        Corpus { options }
    }

    pub fn iter(self) -> impl Iterator<Item = Generated> {
        (0..self.options.count).map(move |n| self.message(n))
    }

    /// Message `n`, the same however often and in whatever order it is asked for.
    pub fn message(&self, n: u64) -> Generated {
        let mut chance = self.chance(Purpose::Structure, n);
        let original =
            if n > 0 && chance.permille(8) { n - 1 - chance.below(n.min(REPLY_DISTANCE_MAX)) } else { n };
        let topic = self.topic(original);
        let (seconds, zone_minutes) = self.date(n);
        let bytes = compose::message(self, original);
        let folder = if original != n && chance.permille(400) { "INBOX" } else { topic.folder };
        let (flags, keywords) = self.marks(&mut chance, n, folder);
        Generated {
            bytes,
            seconds: seconds + chance.between(1, 90) as i64,
            zone_minutes,
            flags,
            keywords,
            folder,
            sender: compose::author(self, original).address,
        }
    }

    pub fn chance(&self, purpose: Purpose, n: u64) -> Chance {
        Chance::new(self.options.seed, purpose, n)
    }

    /// The message that `n` answers.
    pub fn parent(&self, n: u64) -> Option<u64> {
        let mut chance = self.chance(Purpose::Structure, n | 1 << 63);
        if n == 0 || !chance.permille(560) {
            return None;
        }
        Some(n - chance.magnitude(1, n.min(REPLY_DISTANCE_MAX)))
    }

    /// The messages before `n` in its thread, nearest first; at most [`THREAD_DEPTH_MAX`].
    pub fn ancestors(&self, n: u64) -> Vec<u64> {
        std::iter::successors(self.parent(n), |&n| self.parent(n)).take(THREAD_DEPTH_MAX).collect()
    }

    pub fn topic(&self, n: u64) -> Topic {
        let root = self.ancestors(n).last().copied().unwrap_or(n);
        let mut chance = self.chance(Purpose::Text, root | 1 << 63);
        let language = *chance.weighted(&LANGUAGES);
        let list = chance.permille(270).then(|| chance.zipf(LISTS.len() as u64) as usize);
        let folder = list.map_or_else(|| *chance.weighted(&FOLDERS), |list| LISTS[list].0);
        let language = if folder == "Lists/日本語" { Language::Japanese } else { language };
        let bulk = list.is_none() && chance.permille(300);
        let internal = list.is_none() && !bulk && chance.permille(400);
        Topic { root, language, folder, list, bulk, internal }
    }

    /// When `n` was written: ascending but for some minutes of jitter.
    pub fn date(&self, n: u64) -> (i64, i16) {
        let step = SPAN_SECONDS / self.options.count.max(1);
        let mut chance = self.chance(Purpose::Headers, n | 1 << 63);
        let seconds = START_SECONDS
            + (u128::from(n) * u128::from(SPAN_SECONDS) / u128::from(self.options.count.max(1))) as i64
            + chance.below(step.max(60)) as i64;
        let zone = *chance.weighted(&[
            (30, 60),
            (25, 120),
            (15, 0),
            (10, -300),
            (8, -480),
            (6, 540),
            (3, 330),
            (1, -210),
        ]);
        (seconds, zone)
    }

    fn marks(&self, chance: &mut Chance, n: u64, folder: &str) -> (Vec<Flag>, Vec<&'static str>) {
        let recent = n * 20 > self.options.count * 19;
        let mut flags = Vec::new();
        if folder == "Sent" || chance.permille(if recent { 450 } else { 930 }) {
            flags.push(Flag::Seen);
            if chance.permille(180) {
                flags.push(Flag::Answered);
            }
        }
        if chance.permille(35) {
            flags.push(Flag::Flagged);
        }
        if folder == "Trash" && chance.permille(200) {
            flags.push(Flag::Deleted);
        }
        let mut keywords = Vec::new();
        for (permille, keyword) in [(25, "$Forwarded"), (40, "$Important"), (15, "work"), (10, "travel")] {
            if chance.permille(permille) {
                keywords.push(keyword);
            }
        }
        if folder == "Junk" {
            keywords.push("$Junk");
        }
        (flags, keywords)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    fn corpus(seed: u64, count: u64, profile: SizeProfile) -> Corpus {
        Corpus::new(Options { seed, count, profile })
    }

    #[test]
    fn a_seed_is_a_corpus() {
        let first: Vec<Generated> = corpus(7, 40, SizeProfile::Typical).iter().collect();
        let again: Vec<Generated> = corpus(7, 40, SizeProfile::Typical).iter().collect();
        assert!(first == again);
        assert!(
            first[3] == corpus(7, 40, SizeProfile::Typical).message(3),
            "a message depends on those before it"
        );
        assert!(first != corpus(8, 40, SizeProfile::Typical).iter().collect::<Vec<_>>());
    }

    /// FNV-1a over everything: a change of the output is a decision, never an accident.
    #[test]
    fn output_is_pinned() {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for message in corpus(1, 60, SizeProfile::Typical).iter() {
            for byte in &message.bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        assert_eq!(hash, PINNED, "got {hash:#x}");
    }
    const PINNED: u64 = 0xa8be_5272_625c_dee7;

    #[test]
    fn messages_are_as_real_ones() {
        let count = 600;
        let parser = mail_parser::MessageParser::default();
        let mut ids: HashMap<String, u64> = HashMap::new();
        let (mut replies, mut attachments, mut fields, mut folders, mut non_ascii, mut known) =
            (0, 0, Vec::new(), HashSet::new(), 0, 0);
        for (n, message) in corpus(5, count, SizeProfile::Typical).iter().enumerate() {
            let text = &message.bytes;
            assert!(
                text.windows(2).all(|w| (w[0] == b'\r') == (w[1] == b'\n')),
                "message {n} has a bare CR or LF"
            );
            assert!(text.split(|b| *b == b'\n').all(|l| l.len() <= 999), "message {n} has a line over 998");
            let parsed = parser.parse(text).unwrap_or_else(|| panic!("message {n} cannot be parsed"));
            let id =
                parsed.message_id().unwrap_or_else(|| panic!("message {n} has no Message-ID")).to_owned();
            *ids.entry(id).or_default() += 1;
            assert!(
                parsed.date().is_some() && parsed.from().is_some() && parsed.subject().is_some(),
                "message {n}"
            );
            assert!(parsed.body_text(0).is_some_and(|t| !t.trim().is_empty()), "message {n} has no text");
            if let Some(parent) = parsed.in_reply_to().as_text() {
                replies += 1;
                known += u64::from(ids.contains_key(parent));
            }
            attachments += parsed.attachment_count();
            non_ascii += u64::from(!parsed.subject().unwrap_or_default().is_ascii());
            fields.push(parsed.headers().len());
            folders.insert(message.folder);
        }
        fields.sort_unstable();
        assert!(
            (40..=80).contains(&fields[fields.len() / 2]),
            "median of {} fields",
            fields[fields.len() / 2]
        );
        assert!(replies > count / 4 && known > count / 4, "{replies} replies, {known} of known messages");
        assert!(attachments > 20, "{attachments} attachments");
        assert!(non_ascii > 60, "{non_ascii} subjects outside ASCII");
        assert!(folders.len() > 9, "{folders:?}");
        assert!(ids.values().any(|n| *n > 1), "no duplicates");
        assert!(ids.len() as u64 > count * 95 / 100, "{} distinct", ids.len());
    }

    #[test]
    fn sizes_follow_the_profile() {
        let median = |profile| {
            let mut sizes: Vec<usize> = corpus(2, 150, profile).iter().map(|m| m.bytes.len()).collect();
            sizes.sort_unstable();
            (sizes[75], sizes[149])
        };
        let (small, small_max) = median(SizeProfile::Small);
        let (typical, _) = median(SizeProfile::Typical);
        let (_, large_max) = median(SizeProfile::Large);
        assert!(small < 2_500 && small_max < 10_000, "{small} {small_max}");
        assert!((4_000..20_000).contains(&typical), "{typical}");
        assert!(large_max > 200_000, "{large_max}");
    }

    #[test]
    fn any_number_without_state() {
        // A message in the middle of a very long stream costs no more than the first.
        let message = corpus(9, 1_000_000_000, SizeProfile::Small).message(999_999_999);
        assert!(message.bytes.len() > 100);
    }
}
