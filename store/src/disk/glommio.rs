//! glommio
