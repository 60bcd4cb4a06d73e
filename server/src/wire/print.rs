//! Commands back to bytes: the inverse of parsing, for logs without secrets, tests and the load driver.
//!
//! `parse(print(c)) == c` for every command. Not minimal and not what the client wrote: strings become atoms where they can.

use trawl_index::arrange::{Algorithm, Criterion};

use super::ast::{
    Command, CommandBody, Depth, FetchItem, Flag, InitialResponse, ListCommand, MultiSearchCommand, Numbers,
    Part, Partial, SearchCommand, SearchKey, SectionText, SeenMode, SortCommand, Source, StatusItem,
    StoreMode, ThreadCommand, UseAttribute,
};
use super::cursor::{is_astring_char, is_list_char};
use super::flags::SYSTEM_FLAGS;
use super::manage::special_use_name;
use super::query::quoted;
use super::set::{Bound, SeqRange, SeqSet, SetArg};
use super::sort::KEYS;
use crate::response::encode;

/// The command without its final line end, passwords included: never for a log as it is.
pub fn print(command: &Command) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(command.tag.as_str().as_bytes());
    out.push(b' ');
    body(&mut out, &command.body);
    out
}

/// A command's name, `UID` included: for logs and statistics.
pub fn name(body: &CommandBody) -> &'static str {
    match body {
        CommandBody::Capability => "CAPABILITY",
        CommandBody::Noop => "NOOP",
        CommandBody::Logout => "LOGOUT",
        CommandBody::Id(_) => "ID",
        CommandBody::StartTls => "STARTTLS",
        CommandBody::Authenticate { .. } => "AUTHENTICATE",
        CommandBody::Login { .. } => "LOGIN",
        CommandBody::Enable(_) => "ENABLE",
        CommandBody::Select { .. } => "SELECT",
        CommandBody::Examine { .. } => "EXAMINE",
        CommandBody::Create { .. } => "CREATE",
        CommandBody::Delete { .. } => "DELETE",
        CommandBody::Rename { .. } => "RENAME",
        CommandBody::Subscribe { .. } => "SUBSCRIBE",
        CommandBody::Unsubscribe { .. } => "UNSUBSCRIBE",
        CommandBody::List(_) => "LIST",
        CommandBody::Lsub { .. } => "LSUB",
        CommandBody::Namespace => "NAMESPACE",
        CommandBody::Status { .. } => "STATUS",
        CommandBody::Idle => "IDLE",
        CommandBody::GetMetadata { .. } => "GETMETADATA",
        CommandBody::SetMetadata { .. } => "SETMETADATA",
        CommandBody::Check => "CHECK",
        CommandBody::Close => "CLOSE",
        CommandBody::Unselect => "UNSELECT",
        CommandBody::Expunge => "EXPUNGE",
        CommandBody::UidExpunge { .. } => "UID EXPUNGE",
        CommandBody::Search(SearchCommand { by: Numbers::Sequence, .. }) => "SEARCH",
        CommandBody::Search(SearchCommand { by: Numbers::Uid, .. }) => "UID SEARCH",
        CommandBody::CancelUpdate(_) => "CANCELUPDATE",
        CommandBody::MultiSearch(_) => "ESEARCH",
        CommandBody::Sort(SortCommand { search, .. }) if search.by == Numbers::Uid => "UID SORT",
        CommandBody::Sort(_) => "SORT",
        CommandBody::Thread(ThreadCommand { search, .. }) if search.by == Numbers::Uid => "UID THREAD",
        CommandBody::Thread(_) => "THREAD",
        CommandBody::Fetch { by: Numbers::Sequence, .. } => "FETCH",
        CommandBody::Fetch { by: Numbers::Uid, .. } => "UID FETCH",
        CommandBody::Store { by: Numbers::Sequence, .. } => "STORE",
        CommandBody::Store { by: Numbers::Uid, .. } => "UID STORE",
        CommandBody::Copy { by: Numbers::Sequence, .. } => "COPY",
        CommandBody::Copy { by: Numbers::Uid, .. } => "UID COPY",
        CommandBody::Move { by: Numbers::Sequence, .. } => "MOVE",
        CommandBody::Move { by: Numbers::Uid, .. } => "UID MOVE",
    }
}

fn body(out: &mut Vec<u8>, body: &CommandBody) {
    out.extend_from_slice(name(body).as_bytes());
    match body {
        CommandBody::Capability
        | CommandBody::Noop
        | CommandBody::Logout
        | CommandBody::StartTls
        | CommandBody::Namespace
        | CommandBody::Idle
        | CommandBody::Check
        | CommandBody::Close
        | CommandBody::Unselect
        | CommandBody::Expunge => {}
        CommandBody::Id(None) => out.extend_from_slice(b" NIL"),
        CommandBody::Id(Some(fields)) => {
            out.push(b' ');
            list(out, fields, |out, (name, value)| {
                encode::string(out, name);
                out.push(b' ');
                encode::nstring(out, value.as_deref());
            });
        }
        CommandBody::Authenticate { mechanism, initial } => {
            word(out, mechanism.as_bytes());
            match initial {
                None => {}
                Some(InitialResponse::Empty) => out.extend_from_slice(b" ="),
                Some(InitialResponse::Base64(secret)) => word(out, &secret.0),
            }
        }
        CommandBody::Login { user, password } => {
            argument(out, user);
            argument(out, &password.0);
        }
        CommandBody::Enable(names) => names.iter().for_each(|n| word(out, n.as_bytes())),
        CommandBody::Create { mailbox, special_uses } => {
            argument(out, mailbox.as_bytes());
            if !special_uses.is_empty() {
                out.extend_from_slice(b" (USE ");
                list(out, special_uses, |out, u| {
                    let name = match u {
                        UseAttribute::Known(u) => special_use_name(*u),
                        UseAttribute::Other(name) => name,
                    };
                    out.extend_from_slice(name.as_bytes());
                });
                out.push(b')');
            }
        }
        CommandBody::Select { mailbox }
        | CommandBody::Examine { mailbox }
        | CommandBody::Delete { mailbox }
        | CommandBody::Subscribe { mailbox }
        | CommandBody::Unsubscribe { mailbox } => argument(out, mailbox.as_bytes()),
        CommandBody::Rename { from, to } => {
            argument(out, from.as_bytes());
            argument(out, to.as_bytes());
        }
        CommandBody::List(l) => list_command(out, l),
        CommandBody::Lsub { reference, pattern } => {
            argument(out, reference.as_bytes());
            out.push(b' ');
            list_mailbox(out, pattern.as_bytes());
        }
        CommandBody::Status { mailbox, items } => {
            argument(out, mailbox.as_bytes());
            out.push(b' ');
            status_items(out, items);
        }
        CommandBody::GetMetadata { mailbox, max_size, depth, entries } => {
            let max_size = max_size.map(|max| format!("MAXSIZE {max}"));
            let depth = match depth {
                Depth::Zero => None,
                Depth::One => Some("DEPTH 1".to_owned()),
                Depth::Infinity => Some("DEPTH infinity".to_owned()),
            };
            let options: Vec<String> = max_size.into_iter().chain(depth).collect();
            if !options.is_empty() {
                out.push(b' ');
                list(out, &options, |out, option| out.extend_from_slice(option.as_bytes()));
            }
            argument(out, mailbox.as_bytes());
            out.push(b' ');
            match &entries[..] {
                [one] => astring(out, one.as_str().as_bytes()),
                many => list(out, many, |out, entry| astring(out, entry.as_str().as_bytes())),
            }
        }
        CommandBody::SetMetadata { mailbox, values } => {
            argument(out, mailbox.as_bytes());
            out.push(b' ');
            list(out, values, |out, (entry, value)| {
                astring(out, entry.as_str().as_bytes());
                out.push(b' ');
                encode::value(out, value.as_deref());
            });
        }
        CommandBody::UidExpunge { set } => set_argument(out, set),
        CommandBody::Search(s) => search(out, s),
        CommandBody::CancelUpdate(tags) => tags.iter().for_each(|tag| {
            out.push(b' ');
            encode::quoted(out, tag);
        }),
        CommandBody::MultiSearch(MultiSearchCommand { sources, search: program }) => {
            if let Some(sources) = sources {
                out.extend_from_slice(b" IN ");
                list(out, sources, source);
            }
            search(out, program);
        }
        CommandBody::Sort(sort) => {
            returns(out, &sort.search);
            out.push(b' ');
            list(out, &sort.criteria, criterion);
            search_criteria(out, &sort.search);
        }
        CommandBody::Thread(thread) => {
            out.extend_from_slice(match thread.algorithm {
                Algorithm::OrderedSubject => b" ORDEREDSUBJECT",
                Algorithm::References => b" REFERENCES",
                Algorithm::Refs => b" REFS",
            });
            search_criteria(out, &thread.search);
        }
        CommandBody::Fetch { set, items, partial, .. } => {
            set_argument(out, set);
            out.push(b' ');
            list(out, items, fetch_item);
            if let Some(partial) = partial {
                out.extend_from_slice(format!(" (PARTIAL {partial})").as_bytes());
            }
        }
        CommandBody::Store { set, change, .. } => {
            set_argument(out, set);
            out.extend_from_slice(match change.mode {
                StoreMode::Replace => b" ",
                StoreMode::Add => b" +",
                StoreMode::Remove => b" -",
            });
            out.extend_from_slice(if change.silent { b"FLAGS.SILENT " } else { b"FLAGS " });
            list(out, &change.flags, flag);
        }
        CommandBody::Copy { set, mailbox, .. } | CommandBody::Move { set, mailbox, .. } => {
            set_argument(out, set);
            argument(out, mailbox.as_bytes());
        }
    }
}

fn word(out: &mut Vec<u8>, word: &[u8]) {
    out.push(b' ');
    out.extend_from_slice(word);
}

fn argument(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b' ');
    astring(out, value);
}

fn astring(out: &mut Vec<u8>, value: &[u8]) {
    if !value.is_empty() && value.iter().all(|&b| is_astring_char(b)) {
        out.extend_from_slice(value);
    } else {
        encode::string(out, value);
    }
}

fn list_mailbox(out: &mut Vec<u8>, value: &[u8]) {
    if !value.is_empty() && value.iter().all(|&b| is_list_char(b)) {
        out.extend_from_slice(value);
    } else {
        encode::string(out, value);
    }
}

fn list<T>(out: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'(');
    for (i, x) in items.iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        item(out, x);
    }
    out.push(b')');
}

fn status_items(out: &mut Vec<u8>, items: &[StatusItem]) {
    list(out, items, |out, i| out.extend_from_slice(i.name().as_bytes()));
}

fn set_argument(out: &mut Vec<u8>, set: &SetArg) {
    out.push(b' ');
    set_arg(out, set);
}

fn set_arg(out: &mut Vec<u8>, set: &SetArg) {
    match set {
        SetArg::Saved => out.push(b'$'),
        SetArg::Numbers(set) => seq_set(out, set),
    }
}

fn seq_set(out: &mut Vec<u8>, set: &SeqSet) {
    let bound = |out: &mut Vec<u8>, b: Bound| match b {
        Bound::Number(n) => encode::number(out, u64::from(n.get())),
        Bound::Star => out.push(b'*'),
    };
    for (i, range) in set.as_ranges().iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        match *range {
            SeqRange::One(a) => bound(out, a),
            SeqRange::Range(a, b) => {
                bound(out, a);
                out.push(b':');
                bound(out, b);
            }
        }
    }
}

fn list_command(out: &mut Vec<u8>, l: &ListCommand) {
    let s = l.selection;
    let selected: Vec<&str> = [
        (s.subscribed, "SUBSCRIBED"),
        (s.remote, "REMOTE"),
        (s.recursive_match, "RECURSIVEMATCH"),
        (s.special_use, "SPECIAL-USE"),
    ]
    .iter()
    .filter_map(|(on, name)| on.then_some(*name))
    .collect();
    let r = &l.returns;
    let returned = r.subscribed || r.children || r.special_use || r.status.is_some();
    // Of an extended command that has neither, the empty selection list is the shortest form.
    if !selected.is_empty() || (l.extended && !returned && l.patterns.len() == 1) {
        out.push(b' ');
        list(out, &selected, |out, name| out.extend_from_slice(name.as_bytes()));
    }
    argument(out, l.reference.as_bytes());
    out.push(b' ');
    match &l.patterns[..] {
        [one] => list_mailbox(out, one.as_bytes()),
        many => list(out, many, |out, p| list_mailbox(out, p.as_bytes())),
    }
    if !returned {
        return;
    }
    out.extend_from_slice(b" RETURN (");
    let mut first = true;
    for (on, name) in [(r.subscribed, "SUBSCRIBED"), (r.children, "CHILDREN"), (r.special_use, "SPECIAL-USE")]
    {
        if on {
            if !std::mem::take(&mut first) {
                out.push(b' ');
            }
            out.extend_from_slice(name.as_bytes());
        }
    }
    if let Some(items) = &r.status {
        out.extend_from_slice(if first { b"STATUS " } else { b" STATUS " });
        status_items(out, items);
    }
    out.push(b')');
}

/// A flag as written.
pub fn flag(out: &mut Vec<u8>, flag: &Flag) {
    let name = match flag {
        Flag::Extension(name) => name,
        Flag::Keyword(k) => k.as_str(),
        system => match SYSTEM_FLAGS.iter().find(|(_, f)| f == system) {
            Some((name, _)) => name,
            None => unreachable!("SYSTEM_FLAGS names every other variant"),
        },
    };
    out.extend_from_slice(name.as_bytes());
}

fn part(out: &mut Vec<u8>, part: &Part) {
    for (i, n) in part.0.iter().enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        encode::number(out, u64::from(n.get()));
    }
}

fn partial(out: &mut Vec<u8>, range: Option<Partial>) {
    let Some(range) = range else { return };
    out.push(b'<');
    encode::number(out, range.start);
    out.push(b'.');
    encode::number(out, range.length.get());
    out.push(b'>');
}

fn fetch_item(out: &mut Vec<u8>, item: &FetchItem) {
    match item {
        FetchItem::Uid => out.extend_from_slice(b"UID"),
        FetchItem::Flags => out.extend_from_slice(b"FLAGS"),
        FetchItem::InternalDate => out.extend_from_slice(b"INTERNALDATE"),
        FetchItem::SaveDate => out.extend_from_slice(b"SAVEDATE"),
        FetchItem::EmailId => out.extend_from_slice(b"EMAILID"),
        FetchItem::ThreadId => out.extend_from_slice(b"THREADID"),
        FetchItem::Rfc822Size => out.extend_from_slice(b"RFC822.SIZE"),
        FetchItem::Envelope => out.extend_from_slice(b"ENVELOPE"),
        FetchItem::Body => out.extend_from_slice(b"BODY"),
        FetchItem::BodyStructure => out.extend_from_slice(b"BODYSTRUCTURE"),
        FetchItem::Rfc822 => out.extend_from_slice(b"RFC822"),
        FetchItem::Rfc822Header => out.extend_from_slice(b"RFC822.HEADER"),
        FetchItem::Rfc822Text => out.extend_from_slice(b"RFC822.TEXT"),
        FetchItem::Section { mode, section, partial: range } => {
            out.extend_from_slice(if *mode == SeenMode::Peeks { b"BODY.PEEK[" } else { b"BODY[" });
            section_spec(out, &section.part, &section.text);
            out.push(b']');
            partial(out, *range);
        }
        FetchItem::Binary { mode, part: p, partial: range } => {
            out.extend_from_slice(if *mode == SeenMode::Peeks { b"BINARY.PEEK[" } else { b"BINARY[" });
            part(out, p);
            out.push(b']');
            partial(out, *range);
        }
        FetchItem::BinarySize { part: p } => {
            out.extend_from_slice(b"BINARY.SIZE[");
            part(out, p);
            out.push(b']');
        }
    }
}

/// What stands in the brackets of a section, as in the answer of FETCH: names of fields as the client sent them.
pub fn section_spec(out: &mut Vec<u8>, p: &Part, text: &SectionText) {
    part(out, p);
    if !p.0.is_empty() && *text != SectionText::Whole {
        out.push(b'.');
    }
    match text {
        SectionText::Whole => {}
        SectionText::Header => out.extend_from_slice(b"HEADER"),
        SectionText::Text => out.extend_from_slice(b"TEXT"),
        SectionText::Mime => out.extend_from_slice(b"MIME"),
        SectionText::HeaderFields(names) => {
            out.extend_from_slice(b"HEADER.FIELDS ");
            list(out, names, |out, n| astring(out, n));
        }
        SectionText::HeaderFieldsNot(names) => {
            out.extend_from_slice(b"HEADER.FIELDS.NOT ");
            list(out, names, |out, n| astring(out, n));
        }
    }
}

fn search(out: &mut Vec<u8>, s: &SearchCommand) {
    returns(out, s);
    if let Some(charset) = &s.charset {
        out.extend_from_slice(b" CHARSET ");
        astring(out, charset.as_bytes());
    }
    keys(out, &s.key);
}

fn source(out: &mut Vec<u8>, source: &Source) {
    let (name, names) = match source {
        Source::Selected => ("selected", None),
        Source::Inboxes => ("inboxes", None),
        Source::Personal => ("personal", None),
        Source::Subscribed => ("subscribed", None),
        Source::Subtree(names) => ("subtree ", Some(names)),
        Source::SubtreeOne(names) => ("subtree-one ", Some(names)),
        Source::Mailboxes(names) => ("mailboxes ", Some(names)),
    };
    out.extend_from_slice(name.as_bytes());
    if let Some(names) = names {
        list(out, names, |out, name| astring(out, name.as_bytes()));
    }
}

/// Charset and keys of SORT and THREAD.
fn search_criteria(out: &mut Vec<u8>, s: &SearchCommand) {
    out.push(b' ');
    astring(out, s.charset.as_deref().unwrap_or("UTF-8").as_bytes());
    keys(out, &s.key);
}

fn criterion(out: &mut Vec<u8>, criterion: &Criterion) {
    if criterion.reverse {
        out.extend_from_slice(b"REVERSE ");
    }
    let name = KEYS.iter().find(|(_, by)| *by == criterion.by).map_or("", |(name, _)| name);
    out.extend_from_slice(name.as_bytes());
}

fn returns(out: &mut Vec<u8>, s: &SearchCommand) {
    if let Some(r) = s.returns {
        let names = [
            (r.min, "MIN"),
            (r.max, "MAX"),
            (r.all, "ALL"),
            (r.count, "COUNT"),
            (r.save, "SAVE"),
            (r.relevancy, "RELEVANCY"),
        ];
        let names = names.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned());
        let partial = r.partial.map(|partial| format!("PARTIAL {partial}"));
        let contexts = [(r.update, "UPDATE"), (r.context, "CONTEXT")];
        let contexts = contexts.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned());
        out.extend_from_slice(b" RETURN ");
        let names: Vec<String> = names.chain(partial).chain(contexts).collect();
        list(out, &names, |out, name| out.extend_from_slice(name.as_bytes()));
    }
}

fn keys(out: &mut Vec<u8>, key: &SearchKey) {
    match key {
        SearchKey::And(keys) => {
            for key in keys {
                out.push(b' ');
                search_key(out, key);
            }
        }
        key => {
            out.push(b' ');
            search_key(out, key);
        }
    }
}

/// A search program; `parse` takes it behind SEARCH.
pub fn program(key: &SearchKey) -> Vec<u8> {
    let mut out = Vec::new();
    keys(&mut out, key);
    // Without the space in front.
    out.drain(..out.len().min(1));
    out
}

/// Depth is bounded by the parser, so recursion is.
fn search_key(out: &mut Vec<u8>, key: &SearchKey) {
    use SearchKey as K;
    let name: &[u8] = match key {
        K::And(keys) => return list(out, keys, search_key),
        K::Or(..) => b"OR",
        K::Not(_) => b"NOT",
        K::Fuzzy(_) => b"FUZZY",
        K::Sequence(set) => return set_arg(out, set),
        K::All => b"ALL",
        K::Uid(_) => b"UID",
        K::Answered => b"ANSWERED",
        K::Deleted => b"DELETED",
        K::Draft => b"DRAFT",
        K::Flagged => b"FLAGGED",
        K::Seen => b"SEEN",
        K::Unanswered => b"UNANSWERED",
        K::Undeleted => b"UNDELETED",
        K::Undraft => b"UNDRAFT",
        K::Unflagged => b"UNFLAGGED",
        K::Unseen => b"UNSEEN",
        K::New => b"NEW",
        K::Old => b"OLD",
        K::Recent => b"RECENT",
        K::Keyword(_) => b"KEYWORD",
        K::Unkeyword(_) => b"UNKEYWORD",
        K::Before(_) => b"BEFORE",
        K::On(_) => b"ON",
        K::Since(_) => b"SINCE",
        K::SentBefore(_) => b"SENTBEFORE",
        K::SentOn(_) => b"SENTON",
        K::SentSince(_) => b"SENTSINCE",
        K::SavedBefore(_) => b"SAVEDBEFORE",
        K::SavedOn(_) => b"SAVEDON",
        K::SavedSince(_) => b"SAVEDSINCE",
        K::SaveDateSupported => b"SAVEDATESUPPORTED",
        K::EmailId(_) => b"EMAILID",
        K::ThreadId(_) => b"THREADID",
        K::Older(_) => b"OLDER",
        K::Younger(_) => b"YOUNGER",
        K::Larger(_) => b"LARGER",
        K::Smaller(_) => b"SMALLER",
        K::Bcc(_) => b"BCC",
        K::Cc(_) => b"CC",
        K::From(_) => b"FROM",
        K::To(_) => b"TO",
        K::Subject(_) => b"SUBJECT",
        K::Body(_) => b"BODY",
        K::Text(_) => b"TEXT",
        K::Header { .. } => b"HEADER",
        K::Filter(_) => b"FILTER",
        K::Query(_) | K::Attachment | K::FileName(_) | K::In(_) => b"X-TRAWL-QUERY",
    };
    out.extend_from_slice(name);
    match key {
        K::Or(a, b) => {
            out.push(b' ');
            search_key(out, a);
            out.push(b' ');
            search_key(out, b);
        }
        K::Not(a) | K::Fuzzy(a) => {
            out.push(b' ');
            search_key(out, a);
        }
        K::Uid(set) => set_argument(out, set),
        K::Keyword(k) | K::Unkeyword(k) => word(out, k.as_str().as_bytes()),
        K::Before(d)
        | K::On(d)
        | K::Since(d)
        | K::SentBefore(d)
        | K::SentOn(d)
        | K::SentSince(d)
        | K::SavedBefore(d)
        | K::SavedOn(d)
        | K::SavedSince(d) => {
            out.push(b' ');
            encode::date(out, *d);
        }
        K::EmailId(id) | K::ThreadId(id) => word(out, id.as_str().as_bytes()),
        K::Older(n) | K::Younger(n) => word(out, n.to_string().as_bytes()),
        K::Larger(n) | K::Smaller(n) => word(out, n.to_string().as_bytes()),
        K::Bcc(n) | K::Cc(n) | K::From(n) | K::To(n) | K::Subject(n) | K::Body(n) | K::Text(n) => {
            argument(out, n)
        }
        K::Filter(name) => word(out, name.as_str().as_bytes()),
        K::Header { field, needle } => {
            argument(out, field);
            argument(out, needle);
        }
        K::Query(query) => argument(out, query.text.as_bytes()),
        K::Attachment => argument(out, b"has:attachment"),
        K::FileName(n) => {
            argument(out, format!("filename:{}", quoted(&String::from_utf8_lossy(n))).as_bytes());
        }
        K::In(name) => argument(out, format!("in:{}", quoted(name)).as_bytes()),
        _ => {}
    }
}
