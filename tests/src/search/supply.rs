//! Where the messages of a world come from: composed to be hard, generated to be plausible, real.

use std::sync::Arc;

use trawl_bench::chance::Chance;
use trawl_bench::{Corpus, Options, SizeProfile};

use super::compose::Composer;

/// Generated messages to choose from; threads reach back among them.
const GENERATED: u64 = 20_000;

/// An endless stream of messages.
pub struct Supply {
    composer: Composer,
    small: Corpus,
    typical: Corpus,
    generated: u64,
    archive: Arc<Vec<Vec<u8>>>,
    /// Of a thousand messages, how many are composed, and how many generated if there is an archive.
    shares: (u64, u64),
}

impl Supply {
    pub fn new(chance: &mut Chance, archive: Arc<Vec<Vec<u8>>>) -> Supply {
        let seed = chance.draw();
        let corpus = |profile| Corpus::new(Options { seed, count: GENERATED, profile });
        Supply {
            composer: Composer::new(chance),
            small: corpus(SizeProfile::Small),
            typical: corpus(SizeProfile::Typical),
            generated: chance.below(GENERATED / 2),
            archive,
            shares: *chance.pick(&[(1000, 0), (600, 200), (300, 300), (100, 900), (100, 100)]),
        }
    }

    /// The text of a document.
    pub fn document(&self, chance: &mut Chance) -> String {
        self.composer.document(chance)
    }

    pub fn message(&mut self, chance: &mut Chance) -> Vec<u8> {
        let draw = chance.below(1000);
        if draw < self.shares.0 {
            return self.composer.message(chance);
        }
        if draw < self.shares.0 + self.shares.1 || self.archive.is_empty() {
            self.generated = (self.generated + 1) % GENERATED;
            let corpus = if chance.permille(700) { self.small } else { self.typical };
            return corpus.message(self.generated).bytes;
        }
        chance.pick(&self.archive).clone()
    }
}
