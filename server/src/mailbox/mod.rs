//! A mailbox as one session sees it: its own sequence numbers, and what it is still to be told.

pub mod arranged;
pub mod contexts;
pub mod joined;
pub mod message_numbers;
pub mod numbers;
pub mod recent;
pub mod sync;
pub mod view;
