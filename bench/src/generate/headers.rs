//! The header of a message as it lies in a modern mailbox: what its writer sent, and what every hop added on top.

use crate::chance::{Chance, Purpose};
use crate::compose::{self, Person};
use crate::corpus::{Corpus, LISTS, SizeProfile, Topic};
use crate::dates;
use crate::limits::REFERENCES_MAX;
use crate::mime::{encoded_words, fold};
use crate::words::Vocabulary;

const RECIPIENT: &str = "you@trawl.example";

/// Header lines in order, without CRLF; folded ones hold CRLF inside. Without the Content fields of the body.
pub fn of(
    corpus: &Corpus,
    n: u64,
    topic: &Topic,
    vocabulary: &Vocabulary,
    writer: &Person,
    charset: &'static str,
    people: u64,
) -> Vec<String> {
    let mut chance = corpus.chance(Purpose::Headers, n | 1 << 62);
    let (seconds, zone) = corpus.date(n);
    let mut lines = Vec::with_capacity(64);
    let traced = corpus.options.profile != SizeProfile::Small;
    if traced {
        let hops = if topic.internal { chance.between(1, 2) } else { chance.between(4, 8) };
        trace(&mut lines, &mut chance, writer, seconds, hops);
        if !topic.internal {
            authentication(&mut lines, &mut chance, writer, seconds);
        }
    }
    written(
        &mut lines,
        &mut chance,
        &Context { corpus, n, topic, vocabulary, writer, charset, people, seconds, zone },
    );
    if traced && topic.internal {
        exchange(&mut lines, &mut chance, &EXCHANGE[..6]);
    } else if traced {
        if let Some(list) = topic.list {
            listed(&mut lines, list);
        } else if topic.bulk {
            bulk(&mut lines, &mut chance, writer);
        }
        extensions(&mut lines, &mut chance, seconds);
    }
    lines
}

/// What each relay put on top (RFC 5321 4.4).
fn trace(lines: &mut Vec<String>, chance: &mut Chance, writer: &Person, seconds: i64, hops: u64) {
    lines.push(format!("Return-Path: <{}>", writer.address));
    lines.push(format!("Delivered-To: {RECIPIENT}"));
    for hop in (0..hops).rev() {
        let from = if hop == 0 {
            format!("[10.{}.{}.{}]", chance.below(256), chance.below(256), chance.below(256))
        } else {
            format!("mx{hop}.{}", writer.host)
        };
        let by = if hop + 1 == hops {
            "mx.trawl.example".to_owned()
        } else {
            format!("mx{}.{}", hop + 1, writer.host)
        };
        let value = format!(
            "from {from} ({from} [203.0.113.{}]) by {by} (Postfix) with {} id {} (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256) for <{RECIPIENT}>; {}",
            chance.below(256),
            chance.pick(&["ESMTPS", "ESMTP", "SMTP", "ESMTPSA"]),
            chance.token(14),
            dates::rfc5322(seconds + hop as i64 * 2, *chance.pick(&[0, 60, -480]))
        );
        lines.push(fold("Received", &value));
    }
}

fn signature(chance: &mut Chance, bits: usize) -> String {
    let token = chance.token(bits / 6);
    let pieces: Vec<&str> =
        token.as_bytes().chunks(60).map(|c| std::str::from_utf8(c).unwrap_or_default()).collect();
    pieces.join(" ")
}

/// DKIM (RFC 6376), ARC (RFC 8617), Authentication-Results (RFC 8601).
fn authentication(lines: &mut Vec<String>, chance: &mut Chance, writer: &Person, seconds: i64) {
    let host = &writer.host;
    let signed = "h=to:subject:message-id:date:from:mime-version:content-type:from:to:cc:subject:date:message-id:reply-to";
    for instance in (1..=chance.between(1, 2)).rev() {
        let seal = format!(
            "i={instance}; a=rsa-sha256; t={}; cv={}; d=mail.example; s=arc-20160816; b={}",
            seconds,
            if instance == 1 { "none" } else { "pass" },
            signature(chance, 2048)
        );
        lines.push(fold("ARC-Seal", &seal));
        let message = format!(
            "i={instance}; a=rsa-sha256; c=relaxed/relaxed; d=mail.example; s=arc-20160816; {signed}; bh={}=; b={}",
            chance.token(43),
            signature(chance, 2048)
        );
        lines.push(fold("ARC-Message-Signature", &message));
        let results = format!(
            "i={instance}; mx.mail.example; dkim=pass header.i=@{host} header.s=sel1; spf=pass (mail.example: domain of {} designates 203.0.113.{} as permitted sender) smtp.mailfrom={}; dmarc=pass (p=NONE sp=NONE dis=NONE) header.from={host}",
            writer.address,
            chance.below(256),
            writer.address
        );
        lines.push(fold("ARC-Authentication-Results", &results));
    }
    lines.push(fold("Received-SPF", &format!("pass (mx.trawl.example: domain of {} designates 203.0.113.{} as permitted sender) client-ip=203.0.113.{};", writer.address, chance.below(256), chance.below(256))));
    lines.push(fold("Authentication-Results", &format!("mx.trawl.example; dkim=pass header.i=@{host} header.s=sel1 header.b={}; spf=pass smtp.mailfrom={}; dmarc=pass (p=REJECT) header.from={host}", chance.token(8), writer.address)));
    for selector in 1..=chance.between(1, 2) {
        lines.push(fold("DKIM-Signature", &format!("v=1; a=rsa-sha256; c=relaxed/relaxed; d={host}; s=sel{selector}; t={seconds}; x={}; {signed}; bh={}=; b={}", seconds + 604_800, chance.token(43), signature(chance, 2048))));
    }
}

struct Context<'a> {
    corpus: &'a Corpus,
    n: u64,
    topic: &'a Topic,
    vocabulary: &'a Vocabulary,
    writer: &'a Person,
    charset: &'static str,
    people: u64,
    seconds: i64,
    zone: i16,
}

fn mailbox(person: &Person, charset: &'static str, chance: &mut Chance) -> String {
    match chance.below(10) {
        0 => person.address.clone(),
        1 if person.name.is_ascii() => {
            format!("\"{}, {}\" <{}>", person.name.replace(' ', ", "), person.host, person.address)
        }
        // Some programs write raw UTF-8 (RFC 6532) without being asked.
        2 if !person.name.is_ascii() => format!("\"{}\" <{}>", person.name, person.address),
        _ => format!("{} <{}>", encoded_words(&person.name, charset, chance), person.address),
    }
}

/// What the writer's program wrote.
fn written(lines: &mut Vec<String>, chance: &mut Chance, c: &Context<'_>) {
    let person = |chance: &mut Chance| {
        let number = chance.zipf(c.people);
        let person = compose::person(c.corpus, c.vocabulary, number);
        mailbox(&person, c.charset, chance)
    };
    lines.push("MIME-Version: 1.0".into());
    lines.push(fold("From", &mailbox(c.writer, c.charset, chance)));
    let mut to = match c.topic.list {
        Some(list) => vec![format!("{}@{}", LISTS[list].1, LISTS[list].2)],
        None => vec![if chance.permille(500) { RECIPIENT.to_owned() } else { format!("You <{RECIPIENT}>") }],
    };
    for _ in 0..chance.magnitude(1, 6) - 1 {
        to.push(person(chance));
    }
    lines.push(fold("To", &to.join(", ")));
    if chance.permille(350) {
        let cc: Vec<String> = (0..chance.magnitude(1, 8)).map(|_| person(chance)).collect();
        lines.push(fold("Cc", &cc.join(", ")));
    }
    if chance.permille(80) {
        lines.push(fold("Reply-To", &person(chance)));
    }
    let subject = compose::subject(c.corpus, c.topic);
    let ancestors = c.corpus.ancestors(c.n);
    let prefix = match (ancestors.is_empty() || c.topic.bulk, chance.below(20)) {
        (true, _) => "",
        (false, 0) => "Fwd: ",
        (false, 1) => "AW: ",
        (false, 2) => "RE: ",
        _ => "Re: ",
    };
    let encoded = encoded_words(&subject, c.charset, chance);
    lines.push(fold("Subject", &format!("{prefix}{encoded}")));
    lines.push(format!("Date: {}", dates::rfc5322(c.seconds, c.zone)));
    lines.push(fold("Message-ID", &compose::message_id(c.corpus, c.n)));
    if let Some(parent) = ancestors.first() {
        lines.push(fold("In-Reply-To", &compose::message_id(c.corpus, *parent)));
        let references: Vec<String> =
            ancestors.iter().take(REFERENCES_MAX).rev().map(|n| compose::message_id(c.corpus, *n)).collect();
        lines.push(fold("References", &references.join(" ")));
    }
    match chance.below(4) {
        0 => lines.push("User-Agent: Mozilla Thunderbird".into()),
        1 => lines.push("X-Mailer: Apple Mail (2.3445.104.11)".into()),
        2 => lines.push("X-Mailer: git-send-email 2.34.1".into()),
        _ => {}
    }
}

/// RFC 2369 and RFC 2919.
fn listed(lines: &mut Vec<String>, list: usize) {
    let (_, name, host) = LISTS[list];
    lines.push("Precedence: list".into());
    lines.push(format!("List-Id: <{name}.{host}>"));
    lines.push(fold(
        "List-Unsubscribe",
        &format!("<https://{host}/options/{name}>, <mailto:{name}-request@{host}?subject=unsubscribe>"),
    ));
    lines.push(format!("List-Archive: <https://{host}/archive/{name}>"));
    lines.push(format!("List-Post: <mailto:{name}@{host}>"));
    lines.push(format!("List-Help: <mailto:{name}-request@{host}?subject=help>"));
    lines.push(fold(
        "List-Subscribe",
        &format!("<https://{host}/listinfo/{name}>, <mailto:{name}-request@{host}?subject=subscribe>"),
    ));
    lines.push(format!("X-BeenThere: {name}@{host}"));
    lines.push("X-Mailman-Version: 2.1.39".into());
    lines.push(format!("Errors-To: {name}-bounces@{host}"));
    lines.push(format!("Sender: {name}-bounces@{host}"));
}

/// Newsletters and notifications.
fn bulk(lines: &mut Vec<String>, chance: &mut Chance, writer: &Person) {
    lines.push("Precedence: bulk".into());
    lines.push("Auto-Submitted: auto-generated".into());
    lines.push(fold(
        "List-Unsubscribe",
        &format!("<https://{}/u/{}>, <mailto:unsubscribe@{}>", writer.host, chance.token(32), writer.host),
    ));
    lines.push("List-Unsubscribe-Post: List-Unsubscribe=One-Click".into());
    lines.push(format!("Feedback-ID: {}:{}:newsletter", chance.below(1_000_000), chance.token(10)));
    lines.push(format!("X-CampaignID: {}", chance.hex(24)));
    lines.push(fold(
        "X-Report-Abuse",
        &format!("Please report abuse here: https://{}/abuse/{}", writer.host, chance.hex(20)),
    ));
}

const EXCHANGE: [&str; 14] = [
    "X-MS-Exchange-Organization-AuthSource",
    "X-MS-Exchange-Organization-AuthAs",
    "X-MS-Exchange-Organization-SCL",
    "X-MS-Exchange-Organization-Network-Message-Id",
    "X-MS-Exchange-CrossTenant-Id",
    "X-MS-Exchange-CrossTenant-Network-Message-Id",
    "X-MS-Exchange-CrossTenant-OriginalArrivalTime",
    "X-MS-Exchange-CrossTenant-FromEntityHeader",
    "X-MS-Exchange-Transport-CrossTenantHeadersStamped",
    "X-MS-Exchange-Transport-EndToEndLatency",
    "X-MS-Exchange-Processed-By-BccFoldering",
    "X-MS-Office365-Filtering-Correlation-Id",
    "X-MS-TrafficTypeDiagnostic",
    "X-MS-PublicTrafficType",
];

/// Products that put fields of their own on mail.
const PRODUCTS: u64 = 240;
const MAKERS: [&str; 20] = [
    "Barrel",
    "Beacon",
    "Cloudpost",
    "Courier",
    "Dray",
    "Envoy",
    "Ferry",
    "Gatekeep",
    "Haul",
    "Inspect",
    "Kite",
    "Ledger",
    "Mailgate",
    "Notify",
    "Outpost",
    "Parcel",
    "Quill",
    "Relay",
    "Sift",
    "Track",
];
const WHAT: [&str; 12] = [
    "Id",
    "Queue-Id",
    "Message-Info",
    "Report",
    "Tenant",
    "Route",
    "Signature",
    "Scan-Result",
    "Session",
    "Client",
    "Reputation",
    "Trace",
];
const _: () = assert!(PRODUCTS as usize == MAKERS.len() * WHAT.len());

fn exchange(lines: &mut Vec<String>, chance: &mut Chance, names: &[&str]) {
    for name in names {
        let value = match chance.below(3) {
            0 => format!("{}-{}-{}-{}", chance.hex(8), chance.hex(4), chance.hex(4), chance.hex(12)),
            1 => format!("{}.prod.outlook.example", chance.token(16).to_uppercase()),
            _ => chance.below(100).to_string(),
        };
        lines.push(fold(name, &value));
    }
}

/// Filters, providers, tools.
fn extensions(lines: &mut Vec<String>, chance: &mut Chance, seconds: i64) {
    let score = chance.below(90) as f64 / 10.0 - 4.0;
    lines.push(format!("X-Spam-Flag: {}", if score > 4.0 { "YES" } else { "NO" }));
    lines.push(format!("X-Spam-Score: {score:.1}"));
    lines.push(format!("X-Spam-Level: {}", "*".repeat(score.max(0.0) as usize)));
    lines.push(fold("X-Spam-Status", &format!("No, score={score:.1} required=5.0 tests=[BAYES_00=-1.9, DKIM_SIGNED=0.1, DKIM_VALID=-0.1, DKIM_VALID_AU=-0.1, SPF_PASS=-0.001, T_SCC_BODY_TEXT_LINE=-0.01] autolearn=ham")));
    lines.push("X-Virus-Scanned: Debian amavisd-new at mx.trawl.example".into());
    lines.push(format!("X-Original-To: {RECIPIENT}"));
    lines.push(fold(
        "X-Google-DKIM-Signature",
        &format!(
            "v=1; a=rsa-sha256; c=relaxed/relaxed; d=1e100.example; s=20230601; t={seconds}; b={}",
            signature(chance, 2048)
        ),
    ));
    lines.push(format!("X-Gm-Message-State: {}", chance.token(64)));
    lines.push(format!("X-Google-Smtp-Source: {}", chance.token(76)));
    lines.push(format!(
        "X-Received: by 2002:a05:{}:b0:{} with SMTP id {}",
        chance.hex(4),
        chance.hex(3),
        chance.token(24)
    ));
    lines.push(format!("X-Rspamd-Queue-Id: {}", chance.token(11)));
    lines.push("X-Rspamd-Server: rspamd-1".into());
    lines.push(format!("X-Migadu-Flow: FLOW_{}", chance.pick(&["IN", "OUT"])));
    if chance.permille(550) {
        exchange(lines, chance, &EXCHANGE);
        lines.push("X-OriginatorOrg: outlook.example".into());
        lines.push("Thread-Index: ".to_owned() + &chance.token(30));
        lines.push("Accept-Language: en-GB, en-US, de-DE".into());
        lines.push("Content-Language: en-US".into());
        lines.push("X-MS-Has-Attach:".into());
        lines.push("X-MS-TNEF-Correlator:".into());
    }
    for _ in 0..chance.between(3, 9) {
        // Fields of some hundred products, the first ones in most mail.
        let product = chance.zipf(PRODUCTS);
        let (maker, field) =
            (MAKERS[product as usize % MAKERS.len()], WHAT[product as usize / MAKERS.len() % WHAT.len()]);
        lines.push(format!("X-{maker}-{field}: {}", chance.token(20)));
    }
    if chance.permille(60) {
        lines.push(format!("X-Priority: {}", chance.between(1, 5)));
    }
}
