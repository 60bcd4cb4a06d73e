//! `disk`: what the loaded mail takes on disk, index included, for each octet of it.

use super::row::Row;
use super::{Context, Scenario};
use crate::client::Result;

pub struct Disk;

impl Scenario for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        cx.loaded.disk.is_none().then(|| "a data folder in its description".to_owned())
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let Some(disk) = cx.loaded.disk else { return Ok(Vec::new()) };
        let mail = cx.survey.bytes.max(1) as f64;
        let label = if cx.loaded.found { "whole data folder" } else { "what loading added" };
        let mut row = Row::figures("disk", label, &[]);
        row.figure("all", disk.total() as f64 / mail, "octets per octet of mail");
        row.figure("mail", disk.mail as f64 / mail, "octets per octet of mail");
        row.figure("metadata", disk.metadata as f64 / mail, "octets per octet of mail");
        row.figure("index", disk.index as f64 / mail, "octets per octet of mail");
        row.figure(
            "mail and metadata",
            (disk.mail + disk.metadata) as f64 / mail,
            "octets per octet of mail",
        );
        if !cx.loaded.found {
            let count = cx.survey.facts.len() as f64;
            row.figure("loading", count / cx.loaded.seconds.max(1e-9), "messages/s");
            row.figure("index completed after", cx.loaded.index_seconds, "s");
        }
        Ok(vec![row])
    }
}
