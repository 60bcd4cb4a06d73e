//! How large segments become: as large as those who make them have memory for.
//!
//! Larger segments are fewer, which is less to look at for a search and less vocabulary that stands in several of them. What a build
//! takes is a fixed part of what its segment will hold, so one number decides all.

use crate::limits::{SEGMENT_BUILD_BYTES_MAX, SEGMENT_BUILD_BYTES_MIN, SEGMENT_TEXT_BYTES_MAX};

/// What a build or a merge takes, finished segment included, against the memory of its builder: measured 2.1 to 2.5.
const WHOLE: (u64, u64) = (5, 2);

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    builder: usize,
}

impl Default for Bounds {
    /// The largest segments.
    fn default() -> Bounds {
        Bounds { builder: SEGMENT_BUILD_BYTES_MAX }
    }
}

impl Bounds {
    /// For segments that one makes with about so many octets of memory. There are a least and a most.
    pub fn of_memory(octets: u64) -> Bounds {
        let builder = (octets / WHOLE.0).saturating_mul(WHOLE.1);
        let builder = usize::try_from(builder).unwrap_or(usize::MAX);
        Bounds { builder: builder.clamp(SEGMENT_BUILD_BYTES_MIN, SEGMENT_BUILD_BYTES_MAX) }
    }

    /// Memory of a builder after which it takes no further message, in octets: mail of ordinary words fills a segment before that.
    pub fn builder(self) -> usize {
        self.builder
    }

    /// Normalised text in one segment, in octets.
    pub fn text(self) -> u64 {
        const BUILD: u64 = SEGMENT_BUILD_BYTES_MAX as u64;
        self.builder as u64 * SEGMENT_TEXT_BYTES_MAX as u64 / BUILD
    }

    /// Normalised text that one build takes: nearly a full segment. One message may pass it.
    pub fn batch_text(self) -> u64 {
        self.text() - self.text() / 8
    }

    /// Memory of a builder up to which it is kept for the next segment while many are made one after the other: what ordinary mail
    /// takes to fill one, and what finishing it took.
    pub fn spare(self) -> usize {
        self.builder * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_decides_between_the_least_and_the_most() {
        let mib = |bounds: Bounds| (bounds.builder() >> 20, bounds.text() >> 20, bounds.batch_text() >> 20);
        assert_eq!(mib(Bounds::default()), (896, 512, 448));
        assert_eq!(Bounds::of_memory(u64::MAX), Bounds::default());
        assert_eq!(Bounds::of_memory(4 << 30), Bounds::default());
        assert_eq!(mib(Bounds::of_memory(1120 << 20)), (448, 256, 224));
        assert_eq!(mib(Bounds::of_memory(0)), (160, 91, 80));
    }
}
