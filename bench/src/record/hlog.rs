//! Interval logs of HdrHistogram: one line for each second and class, in nanoseconds, readable by its tools.

use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::Recorder;
use crate::clock;

/// Writes all intervals of a run. `about` stands in the head.
pub fn write(to: &mut dyn Write, about: &str, recorder: &Recorder) -> io::Result<()> {
    let mut to = to;
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(about)
        .add_comment("values are nanoseconds from the due time to the last octet of the answer")
        .with_base_time(clock::wall())
        .with_max_value_divisor(1e6)
        .begin_log_with(&mut to, &mut serializer)?;
    for ((second, class), histogram) in &recorder.intervals {
        // Tags may not hold commas, spaces or line breaks.
        let name: String = recorder.classes[*class]
            .name
            .chars()
            .map(|c| if c == ',' || c.is_whitespace() { '_' } else { c })
            .collect();
        let start = Duration::from_secs(*second);
        log.write_histogram(histogram, start, Duration::from_secs(1), Tag::new(&name))
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::operation::Verdict;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn what_was_recorded_is_in_the_log() {
        let mut recorder = Recorder::new(&["a b".into(), "c".into()], 0);
        recorder.operation(0, 10, 10, 5_000_010, Verdict::Right, 1);
        recorder.operation(1, 10, 10, 2_000_000_010, Verdict::Right, 1);
        let mut bytes = Vec::new();
        write(&mut bytes, "test", &recorder).unwrap();
        let mut found = Vec::new();
        for entry in IntervalLogIterator::new(&bytes) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                use base64::Engine;
                let raw =
                    base64::engine::general_purpose::STANDARD.decode(interval.encoded_histogram()).unwrap();
                let histogram: hdrhistogram::Histogram<u64> =
                    Deserializer::new().deserialize(&mut raw.as_slice()).unwrap();
                let tag = interval.tag().map(|t| t.as_str().to_owned());
                found.push((
                    tag,
                    interval.start_timestamp().as_secs(),
                    histogram.len(),
                    histogram.max() / 1_000_000,
                ));
            }
        }
        assert_eq!(found, [(Some("a_b".to_owned()), 0, 1, 5), (Some("c".to_owned()), 2, 1, 2000)]);
    }
}
