//! What a session keeps between searches of one view: which message is where, and which of them no index answers for.
//!
//! Made at the first search over text, in windows with a yield between them, and only extended while messages are added.
//! Not here: the view, nor what is done with it (`text`).

use std::sync::{Arc, Weak};

use roaring::RoaringBitmap;
use trawl_index::account::Snapshot;

use super::documented::Known;
use super::{breathe, look, shows_as_is, view_rows};
use crate::limits::SEARCH_WINDOW_MESSAGES;
use crate::mailbox::message_numbers::{MessageNumbers, NO_MESSAGE};
use crate::response::status::Refusal;
use crate::session::{Cx, Selected};

/// See the module.
#[derive(Default)]
pub struct Places {
    /// How often messages had left the view when this was made.
    removals: u64,
    numbers: Arc<MessageNumbers>,
    /// Positions whose message the snapshot does not cover. The snapshot itself is not kept: it holds files open.
    uncovered: (Weak<Snapshot>, u32, RoaringBitmap),
    pub(super) documented: Known,
}

/// The messages of the view by position.
pub async fn numbers(s: &mut Selected, cx: &Cx) -> Result<Arc<MessageNumbers>, Refusal> {
    if s.places.removals != s.view.removals() {
        s.places = Places { removals: s.view.removals(), ..Places::default() };
    }
    while s.places.numbers.len() < s.view.len() {
        let mut numbers = std::mem::take(&mut s.places.numbers);
        let first = numbers.len();
        let window = first..s.view.len().min(first.saturating_add(SEARCH_WINDOW_MESSAGES as u32));
        look(s, |_, mailbox| {
            let numbers = Arc::make_mut(&mut numbers);
            if shows_as_is(&s.view, mailbox) {
                let blocks = mailbox.blocks(window.start, window.end);
                blocks.for_each(|block| block.messages().for_each(|message| numbers.push(message.0)));
            } else {
                view_rows(&s.view, mailbox, window)
                    .for_each(|(_, row)| numbers.push(row.map_or(NO_MESSAGE, |row| row.message.0)));
            }
        })?;
        if numbers.len() == first {
            return Err(Refusal::mailbox_deleted());
        }
        s.places.numbers = numbers;
        if s.places.numbers.len() < s.view.len() {
            breathe(cx).await?;
        }
    }
    Ok(Arc::clone(&s.places.numbers))
}

/// The positions of [`numbers`] whose message the snapshot does not cover.
pub async fn uncovered<'a>(
    s: &'a mut Selected,
    cx: &Cx,
    snapshot: &Arc<Snapshot>,
) -> Result<&'a RoaringBitmap, Refusal> {
    let len = s.places.numbers.len();
    if !std::ptr::eq(s.places.uncovered.0.as_ptr(), Arc::as_ptr(snapshot)) {
        s.places.uncovered = (Arc::downgrade(snapshot), 0, RoaringBitmap::new());
    }
    loop {
        let Places { numbers, uncovered: (_, known, positions), .. } = &mut s.places;
        let end = len.min(known.saturating_add(SEARCH_WINDOW_MESSAGES as u32));
        numbers.without(*known..end, snapshot.covered(), positions);
        *known = end;
        if end == len {
            break;
        }
        breathe(cx).await?;
    }
    Ok(&s.places.uncovered.2)
}
