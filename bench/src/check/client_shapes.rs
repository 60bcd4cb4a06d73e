//! Programs as mail programs send them, and other mixes of AND, OR, NOT, flags and dates.

use super::draw::Drawer;
use super::oracle::FLAGS;
use super::program::{Key, Scope};
use crate::corpus::Flag;

fn text(scope: Scope, needle: &str) -> Key {
    Key::Text(scope, needle.to_owned())
}

fn or(one: Key, other: Key) -> Key {
    Key::Or(Box::new(one), Box::new(other))
}

fn named(name: &'static str, needle: &str) -> Key {
    text(Scope::Named(name), needle)
}

fn header(name: &str, needle: &str) -> Key {
    text(Scope::Header(name.to_owned()), needle)
}

/// One program of the class `boolean`.
pub fn program(draw: &mut Drawer) -> Key {
    let x = if draw.chance.permille(600) { draw.word() } else { draw.phrase() };
    match draw.chance.below(10) {
        // Thunderbird's quick search over sender, recipients, subject and body.
        0 | 1 => Key::And(vec![
            Key::Flag(Flag::Deleted, false),
            Key::Group(vec![or(
                Key::Group(vec![or(
                    Key::Group(vec![or(named("from", &x), named("to", &x))]),
                    named("subject", &x),
                )]),
                text(Scope::Body, &x),
            )]),
        ]),
        // Roundcube's default search.
        2 => or(header("SUBJECT", &x), header("FROM", &x)),
        // Webmail, whole message.
        3 => Key::And(vec![text(Scope::Text, &x), Key::Flag(Flag::Deleted, false)]),
        // iOS Mail.
        4 => Key::And(vec![
            Key::Everything,
            Key::Not(Box::new(Key::Flag(Flag::Deleted, true))),
            or(or(named("from", &x), named("subject", &x)), text(Scope::Body, &x)),
        ]),
        // What is new about x.
        5 => Key::And(vec![Key::Flag(Flag::Seen, false), text(Scope::Body, &x)]),
        // imapsync, offlineimap: is it there already?
        6 => {
            let (name, value) = draw.field(&["message-id"]);
            header(&name, &value)
        }
        // Within some months.
        7 => {
            let from = *draw.chance.pick(&draw.seconds) / 86_400 * 86_400;
            let to = from + 86_400 * draw.chance.between(30, 400) as i64;
            Key::And(vec![Key::Since(from), Key::Before(to), text(Scope::Text, &x)])
        }
        // One word without the other.
        8 => {
            let y = draw.word();
            Key::And(vec![text(Scope::Body, &x), Key::Not(Box::new(text(Scope::Body, &y)))])
        }
        // From someone, with a flag, of a size.
        _ => {
            let (_, value) = draw.field(&["from"]);
            let who = draw.piece(&value, 10);
            let flag = *draw.chance.pick(&FLAGS);
            let size = draw.chance.magnitude(2_000, 60_000) as u32;
            Key::And(vec![named("from", &who), Key::Flag(flag, true), Key::Larger(size)])
        }
    }
}
