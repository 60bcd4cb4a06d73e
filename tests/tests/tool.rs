//! The tool as a program among others.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use trawl_tests::server::binary;

fn template_to(stdout: impl Into<Stdio>) -> Output {
    let mut command = Command::new(binary());
    command.args(["config", "show", "--template"]).stdout(stdout).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn who_has_read_enough_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = template_to(writer);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn what_cannot_be_written_is_one() {
    let output = template_to(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("could not be written"), "{told}");
}
