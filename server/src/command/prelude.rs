//! What every handler uses.

pub use crate::response::encode::{self, Status};
pub use crate::response::status::{Answer, Code, Done, Refusal, write_status};
pub use crate::session::{Authenticated, Cx, Ending, NotAuthenticated, Selected, Session};
