//! A client that has not said who it is: small limits, a short life, few mistakes.

/// RFC 9051 3.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NotAuthenticated {
    /// Wrong passwords so far.
    pub failures: u32,
}
