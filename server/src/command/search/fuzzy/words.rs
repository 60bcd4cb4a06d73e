//! The words of a program for which others are looked up that are spelled like them.

use trawl_index::mime::charset::Charset;

use super::relax;
use crate::command::search::plan::{charset, decoded};
use crate::limits::FUZZY_WORDS_MAX;
use crate::wire::ast::SearchKey;

/// The words of the texts in FUZZY keys, normalised, each once; those that cannot be read are left out.
pub fn words_of(key: &SearchKey, charset_name: Option<&str>) -> Vec<String> {
    let Ok(charset) = charset(charset_name) else { return Vec::new() };
    let mut words = Vec::new();
    add(key, charset, false, &mut words);
    words
}

fn add(key: &SearchKey, charset: Option<Charset>, is_fuzzy: bool, words: &mut Vec<String>) {
    use SearchKey as K;
    match key {
        K::Fuzzy(key) => add(key, charset, true, words),
        // In UTF-8, whatever the charset of the others is.
        K::Query(query) => query.key.iter().for_each(|key| add(key, None, is_fuzzy, words)),
        K::And(keys) => keys.iter().for_each(|key| add(key, charset, is_fuzzy, words)),
        K::Or(a, b) => [a, b].into_iter().for_each(|key| add(key, charset, is_fuzzy, words)),
        K::Bcc(needle)
        | K::Cc(needle)
        | K::From(needle)
        | K::To(needle)
        | K::Subject(needle)
        | K::Body(needle)
        | K::Text(needle)
        | K::FileName(needle)
        | K::Header { needle, .. }
            if is_fuzzy && words.len() < FUZZY_WORDS_MAX =>
        {
            for word in decoded(charset, needle).map_or_else(|_| Vec::new(), |needle| relax::words(&needle)) {
                if !words.contains(&word) {
                    words.push(word);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(program: &[u8], charset: Option<&str>) -> Vec<String> {
        words_of(&crate::wire::criteria(program).unwrap(), charset)
    }

    #[test]
    fn they_are_those_of_fuzzy_keys() {
        assert_eq!(
            words(b"BODY one FUZZY (OR BODY two SUBJECT \"two three\") NOT FUZZY HEADER x four", None),
            ["TWO", "THREE"],
            "nothing is relaxed below a NOT"
        );
        // A query is UTF-8, whatever the charset of the others is.
        assert_eq!(
            words(b"FUZZY (BODY {1}\r\n\xc1 X-TRAWL-QUERY \"from:\xc3\xa4\")", Some("KOI8-R")),
            ["\u{410}", "A\u{308}"]
        );
        assert_eq!(words(b"FUZZY BODY one", Some("X-NONE")), Vec::<String>::new());
        let many: String = (0..40).map(|n| format!(" BODY w{n}")).collect();
        assert_eq!(words(format!("FUZZY ({})", many.trim_start()).as_bytes(), None).len(), FUZZY_WORDS_MAX);
    }
}
