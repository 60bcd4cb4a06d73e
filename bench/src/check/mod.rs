//! What the right answers are: facts of every message, and for every search program the messages that must and may match.
//! Shares no code with any server.

pub mod client_shapes;
pub mod draw;
pub mod facts;
pub mod oracle;
pub mod program;
pub mod survey;
pub mod texts;

pub use facts::Facts;
pub use program::{Key, Query, Scope};
pub use survey::{Survey, survey};
