//! Tests of the whole folder.
pub(super) fn poisoned(_: u32, _: bool) {}
