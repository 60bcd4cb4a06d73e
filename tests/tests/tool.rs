//! The tool as a program among others; what it tells of searches, beside what the same searches answer over IMAP.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server, binary};

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

/// More than the first step from an end looks at, and than a tail holds.
const INBOX: u32 = 4_500;
const LISTS: u32 = 40;
const STEP: u64 = 4_096;

/// Message `n` answers one of its topic; few have the phrase, and some a word that is spelled nearly like another.
fn message(n: u32) -> String {
    let answers =
        n.checked_sub(100).map_or_else(String::new, |parent| format!("References: <{parent}@x>\r\n"));
    let phrase = if n.is_multiple_of(50) { "the food cart" } else { "a cart of food, the cart" };
    let word = if n.is_multiple_of(3) { "conference" } else { "conferense" };
    format!(
        "Date: Sat, 1 Jan 2000 00:{:02}:{:02} +0000\r\nSubject: topic {:02}\r\nMessage-ID: <{n}@x>\r\n{answers}\r\ncommon {word} {phrase}\r\n",
        n / 60 % 60,
        n % 60,
        n % 100
    )
}

fn fill(client: &mut Client, mailbox: &str, count: u32) {
    for first in (0..count).step_by(500) {
        let mut append = format!("APPEND {mailbox}");
        for message in (first..count.min(first + 500)).map(message) {
            append.push_str(&format!(" {{{}+}}\r\n{message}", message.len()));
        }
        assert!(client.try_command(append.as_bytes()).unwrap().is_ok());
    }
}

fn filled() -> (Server, Client) {
    let server = Server::start();
    server.user("anna");
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    client.ok("CREATE Lists/one");
    client.ok("CREATE Lists/two");
    fill(&mut client, "INBOX", INBOX);
    fill(&mut client, "Lists/one", LISTS);
    server.tool(&["reindex", "anna", "--keep", "--wait"]);
    // What no segment has.
    fill(&mut client, "Lists/two", LISTS / 2);
    client.ok("SELECT INBOX");
    client.ok("STORE 1:1000 +FLAGS.SILENT (\\Seen)");
    (server, client)
}

fn explained(server: &Server, words: &[&str]) -> Value {
    let told = server.tool(&[&["explain", "anna"], words, &["--json"]].concat());
    serde_json::from_str(told.trim()).unwrap_or_else(|error| panic!("{words:?}: {error}: {told}"))
}

fn told(server: &Server, words: &[&str]) -> String {
    server.tool(&[&["explain", "anna"], words].concat())
}

fn number(of: &Value, name: &str) -> u64 {
    of[name].as_u64().unwrap_or_else(|| panic!("{name} of {of}"))
}

fn steps<'a>(of: &'a Value, kind: &str) -> Vec<&'a Value> {
    of["steps"].as_array().unwrap().iter().filter(|step| step["step"] == kind).collect()
}

fn step<'a>(of: &'a Value, kind: &str) -> &'a Value {
    let found = steps(of, kind);
    assert_eq!(found.len(), 1, "{kind} in {of}");
    found[0]
}

fn count(client: &mut Client, program: &str) -> u64 {
    let lines = client.ok(&format!("UID SEARCH RETURN (COUNT) {program}")).lines();
    lines[0].rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn explain_agrees_with_search() {
    let (server, mut client) = filled();
    let explain = |words: &[&str]| explained(&server, words);
    // Texts: in segments, where a phrase is verified, and what no segment has.
    let phrase = explain(&["INBOX", "UNSEEN BODY \"food cart\""]);
    let found = count(&mut client, "UNSEEN BODY \"food cart\"");
    assert_eq!(number(&phrase, "found"), found);
    assert_eq!(
        (number(&phrase, "messages"), number(&phrase, "left_by_state"), number(&phrase, "indexed")),
        (u64::from(INBOX), u64::from(INBOX) - 1000, u64::from(INBOX) - 1000)
    );
    let look = step(&phrase, "look");
    assert_eq!((number(look, "found"), number(look, "matched"), number(look, "read")), (found, found, 0));
    assert!(number(look, "verified") >= found && number(&look["index"], "pieces") > 0, "{look}");
    assert_eq!(number(&look["log"], "pieces"), 0);
    let tail = explain(&["Lists/two", "BODY common"]);
    let looked = ["indexed", "in_memory", "read"].map(|way| number(&tail, way));
    assert_eq!((looked[0], looked[1] + looked[2]), (0, u64::from(LISTS / 2)));
    assert_eq!(number(&tail, "found"), u64::from(LISTS / 2));
    // State alone.
    let state = explain(&["INBOX", "SEEN"]);
    assert_eq!((number(&state, "found"), number(&state, "left_by_state")), (1000, 1000));
    assert!(steps(&state, "look").is_empty());
    assert!(told(&server, &["INBOX", "SEEN"]).contains("mailbox state alone answers it"));
    // Filters and queries are shown as what they stand for.
    client.ok("SETMETADATA \"\" (/private/filters/values/carts \"OR SUBJECT topic BODY cart\")");
    assert_eq!(explain(&["INBOX", "NOT FILTER carts"])["program"], "NOT OR SUBJECT topic BODY cart");
    let query = explain(&["INBOX", "-q", "from:anna -cart"]);
    assert_eq!(query["program"], "FROM anna NOT TEXT cart");
    assert_eq!(number(&query, "found"), count(&mut client, "FROM anna NOT TEXT cart"));
}

#[test]
fn explain_of_fuzzy_keys_shows_every_tier() {
    let (server, mut client) = filled();
    let program = "FUZZY TEXT \"conferense common\"";
    let fuzzy = explained(&server, &["INBOX", program]);
    assert_eq!(fuzzy["program"], program);
    assert_eq!(number(&fuzzy, "found"), count(&mut client, program));
    // Each tier is an exact program, which finds what it and those before it found.
    let tiers = steps(&fuzzy, "tier");
    assert_eq!((tiers.len(), number(&fuzzy, "searches")), (4, 4));
    let mut so_far = 0;
    for tier in &tiers {
        so_far += number(tier, "found");
        let exact = tier["program"].as_str().unwrap();
        assert!(!exact.contains("FUZZY"), "{exact}");
        assert_eq!(count(&mut client, exact), so_far, "{exact}");
        let looked: u64 = steps(tier, "look").iter().map(|look| number(look, "found")).sum();
        assert_eq!(looked, number(tier, "found"));
    }
    assert_eq!(so_far, u64::from(INBOX));
    let words = step(&fuzzy, "words")["words"].as_array().unwrap();
    let like = |word: &str| &words.iter().find(|known| known["word"] == word).unwrap()["like"];
    assert!(like("CONFERENSE").as_array().unwrap().contains(&"CONFERENCE".into()), "{words:?}");
    // The scores are those that a client is told.
    let lines = client.ok(&format!("UID SEARCH RETURN (RELEVANCY) {program}")).lines();
    let scores = lines[0].rsplit_once('(').unwrap().1.trim_end_matches(')').split(' ');
    let scores: BTreeSet<u64> = scores.map(|score| score.parse().unwrap()).collect();
    let ends = tiers.iter().filter_map(|tier| tier["relevancy"].as_array());
    let ends: Vec<u64> = ends.flatten().map(|score| score.as_u64().unwrap()).collect();
    assert_eq!((scores.first(), scores.last()), (ends.iter().min(), ends.iter().max()));
    let text = told(&server, &["INBOX", program]);
    assert!(
        text.contains("FUZZY words spelled like them: ") && text.contains("CONFERENSE: CONFERENCE"),
        "{text}"
    );
    assert!(text.contains("searched for: TEXT CONFERENSE TEXT COMMON"), "{text}");
}

#[test]
fn explain_tells_of_early_ends() {
    let (server, mut client) = filled();
    let unread = u64::from(INBOX) - STEP;
    for (returns, program, looks, all, left) in [
        ("MIN", "BODY common", 1, false, unread),
        ("MAX", "BODY \"food cart\"", 1, false, unread),
        ("PARTIAL -1:-50", "BODY common", 1, false, unread),
        ("MIN MAX", "BODY nothing-like-this", 1, true, 0),
        ("PARTIAL 1:4200", "BODY common", 1, true, 0),
    ] {
        let told = explained(&server, &["INBOX", program, "--return", returns]);
        let ends = step(&told, "ends");
        assert_eq!(
            (number(ends, "looks"), ends["all"].as_bool(), number(ends, "unread")),
            (looks, Some(all), left)
        );
        let looked: u64 = steps(&told, "look").iter().map(|look| number(look, "candidates")).sum();
        assert_eq!(looked, u64::from(INBOX) - left, "{returns}");
        let lines = client.ok(&format!("UID SEARCH RETURN ({returns}) {program}")).lines();
        let answer = lines[0].split_once(") ").map_or("", |(_, answer)| answer);
        assert_eq!(told["answer"], answer, "{returns}");
    }
    // Rows are looked at from that end as well, where nothing is asked about texts.
    for (returns, program) in
        [("MIN", "UNDELETED"), ("PARTIAL -1:-50", "SINCE 1-Jan-2000 UNDELETED"), ("MIN MAX", "DELETED")]
    {
        let told = explained(&server, &["INBOX", program, "--return", returns]);
        assert_eq!((steps(&told, "ends").len(), number(&told, "searches")), (1, 1), "{returns}");
        let lines = client.ok(&format!("UID SEARCH RETURN ({returns}) {program}")).lines();
        assert_eq!(told["answer"], lines[0].split_once(") ").map_or("", |(_, answer)| answer), "{returns}");
    }
    // Who wants to know how many has to look at all.
    let counted = explained(&server, &["INBOX", "BODY common", "--return", "MIN COUNT"]);
    assert!(steps(&counted, "ends").is_empty());
    assert_eq!(counted["answer"], format!("UID MIN 1 COUNT {INBOX}"));
    let text = told(&server, &["INBOX", "BODY common", "--return", "MIN"]);
    assert!(text.contains(&format!("early end: looks 1, {unread} messages not looked at")), "{text}");
    assert!(text.contains("of those looked at") && text.contains("answer         UID MIN 1"), "{text}");
}

#[test]
fn explain_of_sort_and_thread_tells_what_was_read() {
    let (server, mut client) = filled();
    let all = u64::from(INBOX);
    let gathered = |told: &Value| {
        let [messages, in_memory, read, saved] =
            ["messages", "in_memory", "read", "saved"].map(|name| number(step(told, "gathered"), name));
        // How many are in a segment by now, and saved with it, differs.
        [messages, in_memory, read + saved]
    };
    let arranged = |told: &Value| {
        let step = step(told, "arranged");
        (number(step, "messages"), step["on_lane"].as_bool().unwrap())
    };
    // What the mailbox knows itself is not read.
    let arrival = explained(&server, &["INBOX", "ALL", "--sort", "REVERSE ARRIVAL"]);
    assert_eq!((gathered(&arrival), arranged(&arrival)), ([all, 0, 0], (all, true)));
    // Others are read once, a few of them first.
    let few = explained(&server, &["INBOX", "UID 1:20", "--sort", "SUBJECT DATE"]);
    assert_eq!((gathered(&few), arranged(&few)), ([20, 0, 20], (20, false)));
    let first = explained(&server, &["INBOX", "BODY common", "--sort", "REVERSE DATE SUBJECT"]);
    assert_eq!((gathered(&first), arranged(&first)), ([all, 20, all - 20], (all, true)));
    assert_eq!(number(step(&first, "look"), "found"), all);
    let again = explained(&server, &["INBOX", "ALL", "--sort", "DATE", "--return", "MIN MAX COUNT"]);
    assert_eq!(gathered(&again), [all, all, 0]);
    let lines = client.ok("UID SORT RETURN (MIN MAX COUNT) (DATE) UTF-8 ALL").lines();
    assert_eq!(again["answer"], lines[0].split_once(") ").unwrap().1);
    // No more is sorted than is answered, and for a number alone nothing is compared.
    let ordered = |told: &Value| number(step(told, "arranged"), "ordered");
    assert_eq!((ordered(&again), ordered(&first)), (2, all));
    let part = explained(&server, &["INBOX", "ALL", "--sort", "SUBJECT", "--return", "PARTIAL -1:-50"]);
    assert_eq!(ordered(&part), 50);
    let counted = explained(&server, &["INBOX", "ALL", "--sort", "FROM", "--return", "COUNT"]);
    assert_eq!((ordered(&counted), steps(&counted, "gathered").len()), (0, 0));
    assert_eq!(counted["answer"], format!("UID COUNT {all}"));
    let text = told(&server, &["INBOX", "ALL", "--sort", "FROM", "--return", "COUNT"]);
    assert!(text.contains("not sorted: no order is asked for"), "{text}");
    // Threads are as many as THREAD answers.
    let threaded = explained(&server, &["INBOX", "UID 1:1000", "--thread", "REFERENCES"]);
    let answer = client.ok("UID THREAD REFERENCES UTF-8 UID 1:1000").lines().remove(0);
    let (mut depth, mut threads) = (0, 0);
    for c in answer.chars() {
        threads += u64::from(c == '(' && depth == 0);
        depth += i32::from(c == '(') - i32::from(c == ')');
    }
    assert_eq!(number(step(&threaded, "arranged"), "threads"), threads);
    assert_eq!((gathered(&threaded), number(&threaded, "found")), ([1000, 1000, 0], 1000));
    let text = told(&server, &["INBOX", "UID 1:1000", "--thread", "REFS"]);
    assert!(
        text.contains("1000 in memory, 0 read from the log") && text.contains("threads on a lane"),
        "{text}"
    );
}

#[test]
fn explain_of_several_mailboxes_tells_how_they_are_searched() {
    let (server, mut client) = filled();
    // UIDs of all mailboxes, as ESEARCH answers.
    let mut esearch = |source: &str, program: &str| -> u64 {
        let lines = client.ok(&format!("ESEARCH IN ({source}) RETURN (COUNT) {program}")).lines();
        lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let how = |told: &Value| -> BTreeMap<String, String> {
        let name = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
        steps(told, "mailbox").iter().map(|step| (name(step, "name"), name(step, "how"))).collect()
    };
    let together = explained(&server, &["*", "BODY common"]);
    assert_eq!(number(&together, "found"), esearch("personal", "BODY common"));
    assert!(how(&together).is_empty());
    let joined = step(&together, "joined");
    assert_eq!(number(joined, "mailboxes"), number(&together, "mailboxes"));
    let step_of_all = step(&together, "together");
    assert_eq!(
        (number(step_of_all, "mailboxes"), number(step_of_all, "messages")),
        (number(&together, "mailboxes"), u64::from(INBOX + LISTS + LISTS / 2))
    );
    // What was found out is used again.
    let [_, again] = [(); 2].map(|()| explained(&server, &["*", "BODY common"]));
    assert_eq!(number(step(&again, "joined"), "made"), 0);
    // What is a number of the mailbox itself is looked at mailbox by mailbox, and texts together all the same.
    let numbered = explained(&server, &["*", "UID 1:3 BODY common"]);
    assert_eq!(number(&numbered, "found"), esearch("personal", "UID 1:3 BODY common"));
    let mailboxes = how(&numbered);
    assert_eq!(mailboxes.len() as u64, number(&numbered, "mailboxes"));
    assert_eq!(
        ["INBOX", "Lists/one", "Lists/two", "Trash"].map(|name| mailboxes[name].as_str()),
        ["together", "together", "together", "state"]
    );
    assert_eq!(steps(step_of_all, "look").len(), 1);
    let alone = explained(&server, &["Lists/*", "OR UID 1:3 BODY cart"]);
    assert_eq!(number(&alone, "found"), esearch("subtree Lists", "OR UID 1:3 BODY cart"));
    assert_eq!(
        how(&alone).into_iter().collect::<Vec<_>>(),
        ["one", "two"].map(|name| (format!("Lists/{name}"), "alone".to_owned()))
    );
    let fuzzy = explained(&server, &["Lists/*", "FUZZY BODY conferense"]);
    assert_eq!(number(&fuzzy, "found"), esearch("subtree Lists", "FUZZY BODY conferense"));
    assert!(steps(&fuzzy, "mailbox").iter().all(|mailbox| steps(mailbox, "tier").len() == 3));
    assert!(told(&server, &["*", "BODY common"]).contains("small mailboxes as one"));
    // The search of the tool names mailboxes in the same way.
    let found = server.tool(&["search", "anna", "BODY common", "--mailbox", "Lists/*", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(found.trim()).unwrap().as_array().unwrap().len(), 50);
    for (words, why) in [
        (&["Nowhere", "ALL"][..], "there is no mailbox \"Nowhere\""),
        (&["Nowhere/*", "ALL"], "there is no mailbox"),
        (&["*", "ALL", "--sort", "DATE"], "SORT and THREAD are for one mailbox"),
        (&["INBOX", "ALL", "--sort", "NEVER"], "not understood"),
        (&["INBOX", "ALL", "--return", "MIN", "--thread", "REFS"], "cannot be used with"),
    ] {
        let output = server.try_tool(&[&["explain", "anna"], words].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(why), "{words:?}: {text}");
    }
}

/// A sample: name, labels, value.
type Sample = (String, BTreeMap<String, String>, f64);

/// The samples of a text of Prometheus by metric, each with its kind; panics where the text is not what the format says.
fn prometheus(text: &str) -> BTreeMap<String, (String, Vec<Sample>)> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    assert!(text.ends_with('\n'));
    let mut metrics: BTreeMap<String, (String, Vec<Sample>)> = BTreeMap::new();
    let (mut helped, mut current) = (String::new(), String::new());
    let mut series = BTreeSet::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(is_name(name) && help.ends_with('.') && !metrics.contains_key(name), "{line}");
            helped = name.to_owned();
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, helped, "{line}");
            assert!(["gauge", "counter", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            metrics.insert(name.to_owned(), (kind.to_owned(), Vec::new()));
            current = name.to_owned();
            continue;
        }
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        let mut labels = BTreeMap::new();
        let mut rest = rest.strip_prefix('{').unwrap_or(rest);
        while !rest.starts_with(' ') {
            let (label, value) = rest.split_once("=\"").unwrap();
            assert!(is_name(label), "{line}");
            // No value here needs an escape.
            let (value, behind) = value.split_once('"').unwrap();
            assert!(!value.contains('\\'), "{line}");
            assert!(labels.insert(label.to_owned(), value.to_owned()).is_none(), "{line}");
            let is_next = behind.starts_with(',');
            rest = behind.strip_prefix([',', '}']).unwrap();
            assert!(is_next != rest.starts_with(' '), "{line}");
        }
        let value: f64 = rest[1..].parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(series.insert((name.to_owned(), labels.clone())), "twice: {line}");
        let (kind, samples) = metrics.get_mut(&current).unwrap();
        let suffix = name.strip_prefix(current.as_str()).unwrap_or_else(|| panic!("{line} below {current}"));
        let allowed: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(allowed.contains(&suffix) && labels.contains_key("le") == (suffix == "_bucket"), "{line}");
        samples.push((name.to_owned(), labels, value));
    }
    for (name, (kind, samples)) in &metrics {
        if kind == "histogram" {
            check_histogram(name, samples);
        }
    }
    metrics
}

/// Buckets rise to what is counted.
fn check_histogram(name: &str, samples: &[Sample]) {
    let mut buckets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for (_, labels, value) in samples.iter().filter(|(sample, _, _)| sample.ends_with("_bucket")) {
        let mut labels = labels.clone();
        let le = labels.remove("le").unwrap().replace("+Inf", "inf").parse().unwrap();
        buckets.entry(labels).or_default().push((le, *value));
    }
    for (labels, buckets) in buckets {
        assert!(
            buckets.is_sorted() && buckets.is_sorted_by_key(|(_, count)| *count),
            "{name} {labels:?} {buckets:?}"
        );
        let of = |suffix: &str| {
            let named = |(sample, its, _): &&Sample| *sample == format!("{name}{suffix}") && *its == labels;
            samples.iter().find(named).unwrap().2
        };
        let (last, count) = *buckets.last().unwrap();
        assert!(last.is_infinite() && count == of("_count") && of("_sum") >= 0.0, "{name} {labels:?}");
    }
}

/// What is answered to these octets, up to the end of the connection.
fn http(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn figures_are_served_over_http_where_they_are_asked_for() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = Server::start_with(&format!("[metrics]\nlisten = [\"127.0.0.1:{port}\"]\n"));
    server.user("anna");
    // Who connects and says nothing, or too little, holds up nobody.
    let silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut half = TcpStream::connect(("127.0.0.1", port)).unwrap();
    half.write_all(b"GET /metrics HT").unwrap();
    let answer = http(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Connection: close"), "{head}");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", text.len())), "{head}");
    assert_eq!(value(&prometheus(text), "trawl_users", &[]), 1);
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"\x16\x03\x01\r\n\r\n", "400"),
    ] {
        assert!(http(port, request).starts_with(&format!("HTTP/1.1 {status} ")), "{status}");
    }
    assert!(server.tool(&["status"]).contains(&format!("metrics 127.0.0.1:{port}")));
    // The server stops all the same.
    assert_eq!(server.stop(), Some(0));
    drop((silent, half));
}

/// The value of a sample with these labels; 0 if there is none.
fn value(metrics: &BTreeMap<String, (String, Vec<Sample>)>, name: &str, labels: &[(&str, &str)]) -> u64 {
    let mut found = 0.0;
    for (_, samples) in metrics.values() {
        for (sample, its, value) in samples {
            let same = its.len() == labels.len()
                && labels.iter().all(|(label, wanted)| its.get(*label).is_some_and(|is| is == wanted));
            if sample == name && same {
                found = *value;
            }
        }
    }
    found as u64
}

#[test]
fn metrics_count_the_searches_that_were_made() {
    let (server, mut client) = filled();
    for command in ["SEARCH BODY common", "UID SEARCH UNSEEN", "UID SEARCH RETURN (MIN) BODY common"] {
        client.ok(command);
    }
    assert!(client.command("SEARCH FILTER nobody").status.starts_with("NO"));
    assert!(client.command("SEARCH CHARSET X-NONE BODY x").status.starts_with("NO [BADCHARSET"));
    client.ok("SORT (SUBJECT) UTF-8 BODY common");
    client.ok("UID SORT (ARRIVAL) UTF-8 1:10");
    client.ok("THREAD REFS UTF-8 1:10");
    client.ok("ESEARCH IN (personal) BODY common");
    client.ok("ESEARCH IN (selected) SEEN");
    client.ok("SEARCH FUZZY BODY conferense");
    client.ok("UID SORT (RELEVANCY) UTF-8 FUZZY BODY conferense");
    // A result that is kept up to date is judged when something comes, and only then.
    client.ok("UID SEARCH RETURN (COUNT UPDATE) BODY xylograph");
    client.ok("NOOP");
    assert!(client.try_append("INBOX", b"Subject: x\r\n\r\nxylograph\r\n").unwrap().is_ok());
    client.ok("NOOP");
    client.ok("NOOP");
    client.ok("STORE 1 +FLAGS (\\Flagged)");
    server.tool(&["search", "anna", "BODY common"]);
    server.tool(&["explain", "anna", "INBOX", "BODY common", "--repeat", "3"]);

    let text = server.tool(&["metrics"]);
    let metrics = prometheus(&text);
    let families = ["search", "sort", "thread", "esearch", "fuzzy", "context", "tool"];
    let searches = |outcome: &str| {
        families.map(|family| {
            value(&metrics, "trawl_searches_total", &[("family", family), ("outcome", outcome)])
        })
    };
    assert_eq!(searches("found"), [4, 2, 1, 2, 2, 1, 4]);
    assert_eq!(searches("failed"), [2, 0, 0, 0, 0, 0, 0]);
    for outcome in ["limit", "cancelled", "timed_out"] {
        assert_eq!(searches(outcome), [0; 7], "{outcome}");
    }
    let whole = families.map(|family| value(&metrics, "trawl_search_seconds_count", &[("family", family)]));
    assert_eq!(whole, [6, 2, 1, 2, 2, 1, 4]);
    let phase = |family: &str, phase: &str| {
        value(&metrics, "trawl_search_phase_seconds_count", &[("family", family), ("phase", phase)])
    };
    // Of six searches one has a filter that is not there, and one is not understood.
    assert_eq!(["state", "index", "end_step", "gather"].map(|of| phase("search", of)), [4, 3, 1, 0]);
    assert_eq!(["state", "index", "gather", "arrange"].map(|of| phase("sort", of)), [2, 1, 2, 2]);
    assert_eq!(["state", "gather", "arrange"].map(|of| phase("thread", of)), [1, 1, 1]);
    // Each has a look at the vocabularies, and three tiers.
    assert_eq!(["words", "state", "arrange"].map(|of| phase("fuzzy", of)), [2, 6, 1]);
    assert_eq!(["state", "index"].map(|of| phase("context", of)), [1, 0]);
    assert_eq!(phase("context", "memory") + phase("context", "log"), 1);
    let messages =
        ["index", "memory", "log"].map(|by| value(&metrics, "trawl_search_messages_total", &[("by", by)]));
    assert!(messages[0] > u64::from(INBOX) && messages[1] + messages[2] > 0, "{messages:?}");
    assert_eq!(value(&metrics, "trawl_logins_total", &[("result", "failed")]), 0);
    let shards = &metrics["trawl_shard_messages"].1;
    assert_eq!(shards.iter().map(|(_, _, value)| *value as u32).sum::<u32>(), INBOX + 1 + LISTS + LISTS / 2);

    // The status tells the same.
    let status: Value = serde_json::from_str(server.tool(&["status", "--json"]).trim()).unwrap();
    let of = status["searches"]["families"].as_array().unwrap();
    let counts: Vec<(&str, u64)> = of
        .iter()
        .map(|family| (family["family"].as_str().unwrap(), number(&family["whole"], "count")))
        .collect();
    assert_eq!(counts, families.into_iter().zip(whole).collect::<Vec<_>>());
    let sort = of.iter().find(|family| family["family"] == "sort").unwrap();
    for phase in sort["phases"].as_array().unwrap().iter().chain([&sort["whole"]]) {
        assert!(
            number(phase, "p50_us") <= number(phase, "p99_us")
                && number(phase, "p99_us") <= number(phase, "max_us")
        );
    }
    let told = server.tool(&["status"]);
    assert!(told.contains("searches") && told.contains("2 failed") && told.contains("  esearch "), "{told}");

    // Every name is documented, and no other.
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md")).unwrap();
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<&str> =
        rows.map(|name| name.split('{').next().unwrap()).filter(|name| name.starts_with("trawl_")).collect();
    assert_eq!(documented, metrics.keys().map(String::as_str).collect::<BTreeSet<_>>());
}
