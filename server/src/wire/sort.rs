//! SORT and THREAD: criteria, algorithm, charset, keys (RFC 5256 5, RFC 5957 5, RFC 5267 3.1, RFC 6203 6).

use trawl_index::arrange::{Algorithm, By, Criterion, Text};

use super::ast::{CommandBody, Numbers, SearchCommand, SortCommand, ThreadCommand};
use super::cursor::{Cursor, Parsed, bad};
use super::search::{charset_name, program, relevancy_needs_fuzzy, returns};
use crate::limits::SORT_CRITERIA_MAX;

/// ```text
/// sort          = ["UID" SP] "SORT" [SP "RETURN" SP "(" … ")"] SP sort-criteria SP search-criteria
/// sort-criteria = "(" sort-criterion *(SP sort-criterion) ")"
/// ```
pub fn sort(c: &mut Cursor<'_>, by: Numbers) -> Parsed<CommandBody> {
    c.space()?;
    let returns = returns(c)?;
    let criteria = c.list(SORT_CRITERIA_MAX, criterion)?;
    if criteria.is_empty() {
        return bad("SORT needs a criterion");
    }
    c.space()?;
    let search = search_criteria(c, by, returns)?;
    let by_relevancy = criteria.iter().any(|criterion| criterion.by == By::Relevancy);
    relevancy_needs_fuzzy(by_relevancy || returns.is_some_and(|returns| returns.relevancy), &search.key)?;
    Ok(CommandBody::Sort(SortCommand { criteria, search }))
}

/// `thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria`
pub fn thread(c: &mut Cursor<'_>, by: Numbers) -> Parsed<CommandBody> {
    c.space()?;
    let algorithm = match c.keyword()?.as_str() {
        "ORDEREDSUBJECT" => Algorithm::OrderedSubject,
        "REFERENCES" => Algorithm::References,
        "REFS" => Algorithm::Refs,
        _ => return bad("There is no such threading algorithm"),
    };
    c.space()?;
    Ok(CommandBody::Thread(ThreadCommand { algorithm, search: search_criteria(c, by, None)? }))
}

/// `search-criteria = charset 1*(SP search-key)`
fn search_criteria(
    c: &mut Cursor<'_>,
    by: Numbers,
    returns: Option<super::ast::SearchReturn>,
) -> Parsed<SearchCommand> {
    let charset = Some(charset_name(c)?);
    c.space()?;
    Ok(SearchCommand { by, returns, charset, key: program(c)? })
}

/// `sort-criterion = ["REVERSE" SP] sort-key`
fn criterion(c: &mut Cursor<'_>) -> Parsed<Criterion> {
    let mut name = c.keyword()?;
    let reverse = name == "REVERSE";
    if reverse {
        c.space()?;
        name = c.keyword()?;
    }
    match KEYS.iter().find(|(key, _)| *key == name) {
        Some(&(_, by)) => Ok(Criterion { by, reverse }),
        None => bad("There is no such sort criterion"),
    }
}

/// The sort-keys.
pub const KEYS: [(&str, By); 10] = [
    ("ARRIVAL", By::Arrival),
    ("CC", By::Text(Text::Cc)),
    ("DATE", By::Date),
    ("DISPLAYFROM", By::Text(Text::DisplayFrom)),
    ("DISPLAYTO", By::Text(Text::DisplayTo)),
    ("FROM", By::Text(Text::From)),
    ("RELEVANCY", By::Relevancy),
    ("SIZE", By::Size),
    ("SUBJECT", By::Text(Text::Subject)),
    ("TO", By::Text(Text::To)),
];

#[cfg(test)]
mod tests {
    use crate::wire::tests::{bad, good};

    #[test]
    fn criteria_and_algorithms() {
        good(&[
            ("SORT (REVERSE DATE subject) utf-8 ALL", "SORT (REVERSE DATE SUBJECT) UTF-8 ALL"),
            (
                "UID SORT (ARRIVAL SIZE CC TO FROM) UTF-8 SEEN 1:2",
                "UID SORT (ARRIVAL SIZE CC TO FROM) UTF-8 SEEN 1:2",
            ),
            (
                "SORT (DISPLAYFROM DISPLAYTO) \"US-ASCII\" TEXT x",
                "SORT (DISPLAYFROM DISPLAYTO) US-ASCII TEXT x",
            ),
            ("SORT RETURN () (DATE) UTF-8 ALL", "SORT RETURN () (DATE) UTF-8 ALL"),
            (
                "SORT RETURN (PARTIAL -1:-50 COUNT) (DATE) UTF-8 ALL",
                "SORT RETURN (COUNT PARTIAL -1:-50) (DATE) UTF-8 ALL",
            ),
            (
                "SORT return (relevancy) (REVERSE relevancy DATE) utf-8 FUZZY SUBJECT Helo",
                "SORT RETURN (RELEVANCY) (REVERSE RELEVANCY DATE) UTF-8 FUZZY SUBJECT Helo",
            ),
            ("THREAD references UTF-8 1:*", "THREAD REFERENCES UTF-8 1:*"),
            (
                "UID THREAD ORDEREDSUBJECT US-ASCII OR SEEN DRAFT",
                "UID THREAD ORDEREDSUBJECT US-ASCII OR SEEN DRAFT",
            ),
            ("THREAD REFS UTF-8 ALL", "THREAD REFS UTF-8 ALL"),
        ]);
        bad(&[
            "SORT () UTF-8 ALL",
            "SORT (DATE) UTF-8",
            "SORT (DATE) ALL",
            "SORT DATE UTF-8 ALL",
            "SORT (REVERSE) UTF-8 ALL",
            "SORT (REVERSE REVERSE DATE) UTF-8 ALL",
            "SORT (RELEVANCE) UTF-8 ALL",
            "SORT (RELEVANCY) UTF-8 ALL",
            "SORT RETURN (RELEVANCY) (DATE) UTF-8 SUBJECT Helo",
            "SORT RETURN (ALL PARTIAL 1:2) (DATE) UTF-8 ALL",
            "SORT RETURN (PARTIAL 1:2 PARTIAL 3:4) (DATE) UTF-8 ALL",
            "THREAD UTF-8 ALL",
            "THREAD JWZ UTF-8 ALL",
            "THREAD REFERENCES ALL",
            "THREAD REFERENCES RETURN () UTF-8 ALL",
        ]);
    }
}
