//! What is measured: one file for each scenario, the list of all, and what they share.

pub mod append;
pub mod context;
pub mod deliver;
pub mod disk;
pub mod fetch_body;
pub mod idle_fleet;
pub mod ladder;
pub mod letters;
pub mod peak;
pub mod restart;
pub mod resync;
pub mod row;
pub mod search;
pub mod search_fresh;
pub mod search_update;
pub mod sort;
pub mod store;
pub mod sync;
pub mod thread;
pub mod tokens;

pub use context::{Context, Loaded};
pub use row::Row;

use crate::client::Result;

/// One scenario.
pub trait Scenario: Sync {
    /// As it is asked for.
    fn name(&self) -> &'static str;
    /// What the server lacks, for people; `None` if it can be measured.
    fn lacks(&self, cx: &Context) -> Option<String>;
    /// Measures it once on one server.
    fn run(&self, cx: &Context) -> Result<Vec<Row>>;
    /// The class of queries it needs.
    fn queries(&self) -> Option<&'static str> {
        None
    }
}

/// All, in the order in which they run: what needs a fresh server first, what ends it last.
pub fn all() -> Vec<Box<dyn Scenario>> {
    let mut all: Vec<Box<dyn Scenario>> = vec![
        Box::new(disk::Disk),
        Box::new(sync::Sync { cold: true }),
        Box::new(idle_fleet::IdleFleet),
        Box::new(sync::Sync { cold: false }),
        Box::new(append::Append),
        Box::new(deliver::Deliver),
        Box::new(resync::Resync),
        Box::new(fetch_body::FetchBody),
        Box::new(store::Store),
    ];
    for (name, class) in search::NAMES {
        all.push(Box::new(search::Search { name, class }));
    }
    all.push(Box::new(search_fresh::SearchFresh));
    all.push(Box::new(search_update::SearchUpdate));
    all.push(Box::new(sort::Sort));
    all.push(Box::new(thread::Thread));
    all.push(Box::new(peak::Peak));
    all.push(Box::new(restart::Restart));
    all
}

/// The scenarios of a list of names; `search` stands for the queries of `search-...`. The error is the name that is unknown.
pub fn chosen(names: &[String]) -> std::result::Result<Vec<Box<dyn Scenario>>, String> {
    let known: Vec<&'static str> = all().iter().map(|s| s.name()).collect();
    let means = |name: &str, wanted: &str| {
        wanted == "all"
            || name == wanted
            || (wanted == "search" && search::NAMES.iter().any(|(n, _)| *n == name))
    };
    for wanted in names {
        if !known.iter().any(|name| means(name, wanted)) {
            return Err(format!("there is no scenario {wanted}; there are: {}", known.join(", ")));
        }
    }
    Ok(all().into_iter().filter(|s| names.iter().any(|wanted| means(s.name(), wanted))).collect())
}
