//! What a search did, step by step, as `trawl explain` gets it.

use serde::{Deserialize, Serialize};
use trawl_index::search::Step as Traced;

use crate::lanes::trace::SegmentTrace;
use crate::limits::CONTROL_LINES_MAX;

/// Times are microseconds; `us` is all of the step's, as whoever waits for it sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Keys on state were evaluated over a mailbox.
    State {
        messages: u64,
        /// Those that match, or can match where `text` has to be looked at.
        left: u64,
        text: bool,
        us: u64,
    },
    /// Texts were looked at.
    Look(Look),
    /// MIN, MAX and PARTIAL: from their ends on.
    Ends {
        /// Looks from an end, and whether all others had to be looked at after them.
        looks: u64,
        all: bool,
        /// Messages whose texts were not looked at.
        unread: u64,
        us: u64,
    },
    /// Words of FUZZY keys were looked up in the vocabularies.
    Words { words: Vec<Word>, waited_us: u64, us: u64 },
    /// One of the searches that a program with FUZZY keys is made of.
    Tier {
        name: String,
        /// What it searches for, exactly.
        program: String,
        /// Messages that no tier before had found, and the least and the greatest relevancy that they have.
        found: u64,
        relevancy: Option<(u8, u8)>,
        us: u64,
        steps: Vec<Step>,
    },
    /// One of several mailboxes.
    Mailbox { name: String, how: How, us: u64, steps: Vec<Step> },
    /// Small mailboxes were looked at as one; of so many of them it was not known from before which messages they have.
    Joined { mailboxes: u64, made: u64, us: u64, steps: Vec<Step> },
    /// Texts were looked at for several mailboxes together, which have so many messages that can match; a message that is in
    /// several of them is one.
    Together { mailboxes: u64, messages: u64, us: u64, steps: Vec<Step> },
    /// What SORT and THREAD compare was gathered.
    Gathered {
        messages: u64,
        /// Of how many it was known, of how many it was saved beside the index, and of how many it had to be read from the log; all 0 if the
        /// mailbox knows it.
        in_memory: u64,
        #[serde(default)]
        saved: u64,
        read: u64,
        /// For both.
        read_us: u64,
        us: u64,
    },
    /// Messages were sorted or threaded.
    Arranged {
        messages: u64,
        /// How many threads they are.
        threads: Option<u64>,
        /// Of how many messages the order was made; fewer where only one end of it is asked for, or none of it.
        ordered: Option<u64>,
        on_lane: bool,
        /// For memory, and for a lane.
        waited_room_us: u64,
        waited_us: u64,
        worked_us: u64,
    },
}

/// How one of several mailboxes was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Its state alone answers.
    State,
    /// Its texts were looked at for themselves.
    Alone,
    /// Together with those of others.
    Together,
    /// It is no more.
    Gone,
}

/// A word of a FUZZY key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    pub word: String,
    /// Those that are spelled like it.
    pub like: Vec<String>,
}

/// One look at texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Messages that can match.
    pub candidates: u64,
    /// Of those: how many the index answered for, how many were searched in memory, how many were read from the log.
    pub indexed: u64,
    pub in_memory: u64,
    pub read: u64,
    /// Those that had to be looked at again: their index is damaged, their texts had left memory, or they are in the mailbox twice.
    pub left: u64,
    pub found: u64,
    /// There should be an index, and there is none.
    pub no_index: bool,
    pub index: Pieces,
    pub memory: Pieces,
    pub log: Pieces,
    /// Messages of the index that were verified in the text, and those of them that matched.
    pub verified: u64,
    pub matched: u64,
    pub verify_us: u64,
    pub us: u64,
    /// What was done with segments, for a person.
    pub lines: Vec<String>,
}

/// What lanes did for a search, in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pieces {
    pub pieces: u64,
    /// From being queued until a lane began the first of them.
    pub waited_us: u64,
    /// Of all lanes together.
    pub worked_us: u64,
}

/// What several steps add up to.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    /// How often state was looked at, what was left then, and how long that took.
    pub searches: u64,
    pub left: u64,
    pub state_us: u64,
    /// Messages whose texts were looked at.
    pub indexed: u64,
    pub in_memory: u64,
    pub read: u64,
}

impl Totals {
    /// Without what is inside of the step.
    pub fn add(&mut self, step: &Step) {
        match step {
            Step::State { left, us, .. } => {
                self.searches += 1;
                self.left += left;
                self.state_us += us;
            }
            Step::Look(Look { indexed, in_memory, read, .. }) => {
                self.indexed += indexed;
                self.in_memory += in_memory;
                self.read += read;
            }
            _ => {}
        }
    }
}

/// Keeps so many octets of the texts of steps; false: there were more.
pub fn bound(steps: &mut [Step], room: &mut usize) -> bool {
    let mut is_whole = true;
    for step in steps {
        is_whole &= match step {
            Step::Tier { program, steps, .. } => keep(program, room) & bound(steps, room),
            Step::Mailbox { name, steps, .. } => keep(name, room) & bound(steps, room),
            Step::Together { steps, .. } | Step::Joined { steps, .. } => bound(steps, room),
            Step::Words { words, .. } => words.iter_mut().fold(true, |whole, Word { word, like }| {
                like.iter_mut().fold(whole & keep(word, room), |whole, like| whole & keep(like, room))
            }),
            Step::Look(look) => {
                let cut = look.lines.iter_mut().position(|line| !keep(line, room));
                cut.into_iter().for_each(|at| look.lines.truncate(at + 1));
                cut.is_none()
            }
            Step::State { .. } | Step::Ends { .. } | Step::Gathered { .. } | Step::Arranged { .. } => true,
        };
    }
    is_whole
}

fn keep(text: &mut String, room: &mut usize) -> bool {
    match room.checked_sub(text.len()) {
        Some(left) => *room = left,
        None => *text = "...".to_owned(),
    }
    text != "..."
}

impl Look {
    /// What was done with segments.
    pub fn add_segments(&mut self, segments: &[SegmentTrace]) {
        for step in segments.iter().flat_map(|segment| &segment.steps).filter(|step| step.what == VERIFY) {
            self.verified += u64::from(step.before);
            self.matched += u64::from(step.after);
            self.verify_us += step.nanos / 1000;
        }
        segments.iter().for_each(|segment| tell(segment, &mut self.lines));
        if self.lines.len() > CONTROL_LINES_MAX {
            self.lines.truncate(CONTROL_LINES_MAX);
            self.lines.push("...".to_owned());
        }
    }
}

/// What the index calls looking at the text of what may match.
const VERIFY: &str = "verify";

/// A segment and, deeper, what was done with it; the parts of a step stand below it.
fn tell(segment: &SegmentTrace, lines: &mut Vec<String>) {
    let SegmentTrace { segment, before, after, nanos, steps } = segment;
    lines.push(format!("segment {segment}: {before} -> {after} messages in {} us", nanos / 1000));
    // Steps come in the order in which they ended: parts first.
    let mut open: Vec<(usize, Vec<String>)> = Vec::new();
    for step in steps {
        let indent = "  ".repeat(step.depth + 1);
        let Traced { what, before, after, nanos, .. } = step;
        let line = format!("{indent}{}, {before} -> {after} messages in {} us", words(what), nanos / 1000);
        let at = open.iter().rposition(|(depth, _)| *depth <= step.depth).map_or(0, |at| at + 1);
        let parts = open.drain(at..).flat_map(|(_, lines)| lines);
        let whole = std::iter::once(line).chain(parts).collect();
        open.push((step.depth, whole));
    }
    lines.extend(open.into_iter().flat_map(|(_, lines)| lines));
}

/// A step for who does not know how segments are made.
fn words(what: &str) -> String {
    if let Some(count) = what.strip_suffix(" terms") {
        return format!("TERMS {count} found");
    }
    if let Some(count) = what.strip_suffix(" terms at the edge") {
        return format!("EDGE TERMS {count} found");
    }
    match what {
        "literals" => "LITERALS (words that one message has) searched".to_owned(),
        VERIFY => "VERIFY in the text".to_owned(),
        "rare tokens" => "RARE WORDS looked up".to_owned(),
        what => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_below_their_step() {
        let step = |depth, what: &str| Traced { depth, what: what.into(), before: 9, after: 3, nanos: 2500 };
        let steps = vec![step(1, "15 terms"), step(1, "literals"), step(0, "BODY \"A\""), step(0, "other")];
        let mut lines = Vec::new();
        tell(&SegmentTrace { segment: 2, before: 9, after: 3, nanos: 7000, steps }, &mut lines);
        assert_eq!(
            lines,
            [
                "segment 2: 9 -> 3 messages in 7 us",
                "  BODY \"A\", 9 -> 3 messages in 2 us",
                "    TERMS 15 found, 9 -> 3 messages in 2 us",
                "    LITERALS (words that one message has) searched, 9 -> 3 messages in 2 us",
                "  other, 9 -> 3 messages in 2 us",
            ]
        );
    }

    #[test]
    fn texts_are_bounded_together() {
        let look = || Look { lines: vec!["12345".to_owned(); 4], ..Look::default() };
        let tier = |steps| Step::Tier {
            name: "x".to_owned(),
            program: "1234567".to_owned(),
            found: 0,
            relevancy: None,
            us: 0,
            steps,
        };
        let mut steps = vec![tier(vec![Step::Look(look())]), tier(Vec::new())];
        let before = steps.clone();
        assert!(bound(&mut steps, &mut 34));
        assert_eq!(steps, before);
        assert!(!bound(&mut steps, &mut 18));
        let programs = steps.iter().map(|step| match step {
            Step::Tier { program, steps, .. } => (program.as_str(), steps.len()),
            other => panic!("{other:?}"),
        });
        assert_eq!(programs.collect::<Vec<_>>(), [("1234567", 1), ("...", 0)]);
        let Step::Tier { steps, .. } = &steps[0] else { panic!("{steps:?}") };
        assert_eq!(
            steps[0],
            Step::Look(Look {
                lines: ["12345", "12345", "..."].map(str::to_owned).into(),
                ..Look::default()
            })
        );
    }
}
