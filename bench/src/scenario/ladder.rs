//! The usual course of a scenario: saturation by a closed loop, then open loops below it.

use crate::client::Result;
use crate::load::operation::Source;
use crate::load::{Connection, Pattern};

use super::{Context, Row};

/// What a ladder climbs with.
pub struct Ladder<'a> {
    pub scenario: &'static str,
    /// Stands at the head of all labels.
    pub what: String,
    pub unit: &'static str,
    pub classes: Vec<String>,
    /// The class whose operations make the rate of the open loops; all, if none is said. (Others are times within these.)
    pub rate_of: Option<usize>,
    pub connections: usize,
    /// Parts of saturation for the open loops.
    pub loads: &'a [f64],
    /// Connection number `n`.
    pub connect: &'a dyn Fn(usize) -> Result<Connection>,
    /// A source for one thread.
    pub source: &'a dyn Fn() -> Box<dyn Source>,
}

impl Ladder<'_> {
    /// Closed loop, then the open ones.
    pub fn climb(&self, cx: &Context) -> Result<Vec<Row>> {
        let mut connections: Vec<Connection> = Vec::new();
        let mut rows = Vec::new();
        let closed = cx.load(Pattern::Closed, cx.plan.time);
        let label = format!("{}, closed", self.what);
        let row = self.stretch(cx, &closed, label, &mut connections)?;
        let operations = match self.rate_of {
            Some(class) => row.recorder.classes[class].count(),
            None => row.operations(),
        };
        let rate = operations as f64 / row.seconds;
        rows.push(row);
        let steps: Vec<(f64, Option<f64>)> = match cx.plan.rate {
            Some(rate) => vec![(rate, None)],
            // Of nothing there are no parts.
            None if operations == 0 => Vec::new(),
            None => self.loads.iter().map(|part| (rate * part, Some(*part))).collect(),
        };
        for (rate, part) in steps {
            let load = cx.load(cx.open(rate), cx.plan.stretch(rate));
            let label = match part {
                Some(part) => format!("{}, open at {:.0} %", self.what, part * 100.0),
                None => format!("{}, open at {rate}/s", self.what),
            };
            let mut row = self.stretch(cx, &load, label, &mut connections)?;
            row.part = part;
            rows.push(row);
        }
        Ok(rows)
    }

    /// One stretch; connections that were lost before are made anew.
    fn stretch(
        &self,
        cx: &Context,
        load: &crate::load::Load,
        label: String,
        connections: &mut Vec<Connection>,
    ) -> Result<Row> {
        for n in 0..self.connections {
            if !connections.iter().any(|c| c.number == n) {
                connections.push((self.connect)(n)?);
            }
        }
        let sources = (0..cx.plan.threads).map(|_| (self.source)()).collect();
        let taken = std::mem::take(connections);
        let (row, back) = cx.measure(self.scenario, label, self.unit, load, taken, sources, &self.classes)?;
        *connections = back;
        Ok(row)
    }
}

/// `1 connection`, `50 connections`.
pub fn connections(count: usize) -> String {
    if count == 1 { "1 connection".to_owned() } else { format!("{count} connections") }
}
