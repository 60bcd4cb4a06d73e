//! One segment out of several: entries of the vocabularies are numbered anew through tables, texts are not looked at.

use super::build::Builder;
use super::decode::Step;
use super::intern::Tag;
use super::{BuildError, BuildOptions, Damaged, Segment};
use crate::prepare::Area;

/// Messages between two looks at the stop flag; a few milliseconds of work.
const STEP_MESSAGES: usize = 64;
/// Not numbered yet.
const NONE: u32 = u32::MAX;

/// One segment of the messages of several that `keep` wants. A message in two of them is taken from the first. `stop` is
/// asked every few milliseconds, but not while the result is written.
pub fn merge(
    segments: &[&Segment],
    keep: &dyn Fn(u32) -> bool,
    options: BuildOptions,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<u8>, BuildError> {
    segments.iter().for_each(|segment| segment.will_read_all());
    let mut messages: Vec<(u32, u32, u32)> = Vec::new();
    for (n, segment) in segments.iter().enumerate() {
        let wanted = segment.messages().enumerate().filter(|&(_, message)| keep(message));
        messages.extend(wanted.map(|(doc, message)| (message, n as u32, doc as u32)));
    }
    messages.sort_unstable();
    messages.dedup_by_key(|(message, ..)| *message);
    let mut builder = Builder::new(options);
    // Number in the builder by ord, for each segment.
    let mut ids: Vec<Vec<u32>> =
        segments.iter().map(|segment| vec![NONE; segment.vocabulary().len() as usize]).collect();
    for (n, &(message, from, doc)) in messages.iter().enumerate() {
        if n % STEP_MESSAGES == 0 && stop() {
            return Err(BuildError::Stopped);
        }
        builder.begin(message)?;
        let segment = segments[from as usize];
        if segment.unvouched().contains(doc) {
            builder.unvouched();
        }
        push(&mut builder, segment, doc, &mut ids[from as usize])?;
        builder.end();
    }
    builder.finish_unless(stop)
}

fn push(builder: &mut Builder, segment: &Segment, doc: u32, ids: &mut [u32]) -> Result<(), BuildError> {
    for area in Area::ALL {
        builder.set_area(area);
        segment.steps(doc, area, &mut |step| {
            match step {
                Step::Text { nested, name } => {
                    let name = name.map(|name| number(builder, segment, name, ids)).transpose()?;
                    builder.text_of(nested, name);
                }
                Step::Entry { ord, .. } => {
                    let id = number(builder, segment, ord, ids)?;
                    builder.token(id);
                }
                Step::Literal { class, token } => {
                    let id = builder.interner.intern(token, class.into());
                    builder.token(id);
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The number of an entry. What it is has to agree with where it stands: names behind all tokens.
#[inline]
fn number(builder: &mut Builder, segment: &Segment, ord: u32, ids: &mut [u32]) -> Result<u32, Damaged> {
    match ids.get(ord as usize) {
        Some(&id) if id != NONE => Ok(id),
        _ => {
            let vocabulary = segment.vocabulary();
            let (term, class) = (vocabulary.term(ord), vocabulary.class(ord));
            if term.is_empty() || class.is_some() != (ord < vocabulary.tokens()) {
                return Err(Damaged("vocabulary"));
            }
            let id = builder.interner.intern(term, class.map_or(Tag::Name, Tag::from));
            if let Some(place) = ids.get_mut(ord as usize) {
                *place = id;
            }
            Ok(id)
        }
    }
}
