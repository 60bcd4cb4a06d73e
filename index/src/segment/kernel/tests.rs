use proptest::prelude::*;

use super::*;

fn octets() -> impl Strategy<Value = Octets> {
    prop_oneof![Just(Octets::default()), (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Octets(a.min(b), b))]
}

fn twos() -> impl Strategy<Value = Twos> {
    prop::collection::vec((0..Twos::PAIRS, octets(), octets()), 0..6).prop_map(|all| {
        let mut twos = Twos::default();
        all.into_iter().for_each(|(pair, first, second)| twos.add(pair, first, second));
        twos
    })
}

/// Octets of which many are marks, literals and ends.
fn run() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![any::<u8>(), 0x7e..0x84u8, Just(END)];
    prop::collection::vec(octet, 0..200)
}

proptest! {
    #[test]
    fn both_ways_are_the_same(run in run(), n in prop_oneof![0..80usize, 0..8usize]) {
        prop_assert_eq!(count_literals(&run), plain::count_literals(&run, 0, 255));
        let codes = (0..run.len()).filter(|&at| run[at] >= 128).map(|at| at + 1);
        let expected = std::iter::once(0).chain(codes).nth(n);
        prop_assert_eq!(behind_codes(&run, n as u32), expected);
        prop_assert_eq!(plain::behind_codes(&run, 0, n as u32), expected);
        prop_assert_eq!(behind_literals(&run, n), plain::behind_literals(&run, 0, n));
        let all: Vec<&[u8]> = run.split(|&octet| octet == END).collect();
        let expected = all[..all.len() - 1].get(n).copied();
        prop_assert_eq!(nth(&run, n).map(|range| &run[range]), expected);
        prop_assert_eq!(plain::nth(&run, 0, 0, n).map(|range| &run[range]), expected);
    }
}

proptest! {
    #[test]
    fn meetings_are_the_same_both_ways(run in run(), left in twos(), right in twos(), stop in 0..40usize) {
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        let ended = find_meetings(&run, &left, &right, |at| {
            fast.push(at);
            fast.len() == stop
        });
        let expected = plain::find_meetings(&run, 2, &left, &right, &mut |at| {
            slow.push(at);
            slow.len() == stop
        });
        prop_assert_eq!((ended, fast), (expected, slow));
    }

    #[test]
    fn what_was_added_is_allowed(
        added in prop::collection::vec((0..12usize, octets(), octets()), 1..20),
        first: u8,
        second: u8,
    ) {
        let mut twos = Twos::default();
        added.iter().for_each(|&(pair, first, second)| twos.add(pair, first, second));
        let inside = added.iter().any(|(_, a, b)| a.contains(first) && b.contains(second));
        prop_assert!(!inside || twos.allow(first, second));
        if let [(_, a, b)] = added[..] {
            let halves = |octets: Octets, octet: u8| {
                let mut all = octets.0..=octets.1;
                all.clone().any(|other| other & 15 == octet & 15) && all.any(|other| other >> 4 == octet >> 4)
            };
            prop_assert_eq!(twos.allow(first, second), halves(a, first) && halves(b, second));
        }
    }
}

#[test]
fn numbers_are_taken_apart() {
    let numbers: Vec<[u8; 2]> = (0..=u16::MAX).map(u16::to_le_bytes).collect();
    let never = Units(1, 0);
    let any = Units(0, u16::MAX);
    let none = Symbols { first: never, second: never, behind_second: any, third: 99, behind_third: any };
    let all = |symbols: Symbols| {
        let mut all = Vec::new();
        find_symbols(&numbers, &symbols, |at| {
            all.push(at);
            false
        });
        all
    };
    for part in [0, 1, 39] {
        let last = all(Symbols { third: part, ..none });
        assert!(last.iter().copied().eq((0..65_536).filter(|n| n % 40 == usize::from(part))));
    }
    for (from, to) in [(0, 0), (40, 79), (1599, 1599)] {
        let last_two = all(Symbols { second: Units(from, to), ..none });
        let range = usize::from(from)..=usize::from(to);
        assert!(last_two.iter().copied().eq((0..65_536).filter(|n| range.contains(&(n % 1600)))));
    }
}

proptest! {
    #[test]
    fn symbols_are_the_same_both_ways(
        numbers in prop::collection::vec(prop_oneof![0..200u16, any::<u16>(), 63_900..=u16::MAX], 0..80),
        units in prop::array::uniform4((0..200u16, any::<u16>())),
        third in 0..42u16,
        stop in 0..40usize,
    ) {
        let numbers: Vec<[u8; 2]> = numbers.into_iter().map(u16::to_le_bytes).collect();
        let [first, second, behind_second, behind_third] = units.map(|(from, to)| Units(from, to));
        let symbols = Symbols { first, second, behind_second, third, behind_third };
        prop_assert_eq!(count_symbols(&numbers, third), numbers::plain::count_symbols(&numbers, third));
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        let ended = find_symbols(&numbers, &symbols, |at| {
            fast.push(at);
            fast.len() == stop
        });
        let expected = numbers::plain::find_symbols(&numbers, 0, &symbols, &mut |at| {
            slow.push(at);
            slow.len() == stop
        });
        prop_assert_eq!((ended, fast), (expected, slow));
    }

    #[test]
    fn three_symbols_are_the_same_both_ways(
        numbers in prop::collection::vec(prop_oneof![0..3300u16, any::<u16>(), 63_900..=u16::MAX], 0..150),
        symbols in prop::array::uniform3(prop_oneof![0..2u16, 0..40u16]),
        stop in 0..40usize,
    ) {
        let numbers: Vec<[u8; 2]> = numbers.into_iter().map(u16::to_le_bytes).collect();
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        let ended = find_three(&numbers, symbols, |at| {
            fast.push(at);
            fast.len() == stop
        });
        let expected = numbers::plain::find_three(&numbers, 0, &numbers::Three::new(symbols), &mut |at| {
            slow.push(at);
            slow.len() == stop
        });
        prop_assert_eq!((ended, fast), (expected, slow));
    }

    #[test]
    fn numbers_of_ranges_are_the_same_both_ways(
        numbers in prop::collection::vec(prop_oneof![0..9u16, any::<u16>(), 65_530..=u16::MAX], 0..150),
        ranges in prop::array::uniform3((prop_oneof![0..9u16, any::<u16>()], 0..3u16)),
        stop in 0..40usize,
    ) {
        let numbers: Vec<[u8; 2]> = numbers.into_iter().map(u16::to_le_bytes).collect();
        let wide = ranges.map(|(from, width)| Units(from, from.saturating_add(width)));
        for ranges in [wide, wide.map(|range| Units(range.0, range.0))] {
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            let ended = find_any(&numbers, &ranges, |at| {
                fast.push(at);
                fast.len() == stop
            });
            let expected = numbers::plain::find_any(&numbers, 0, &ranges, &mut |at| {
                slow.push(at);
                slow.len() == stop
            });
            prop_assert_eq!((ended, fast), (expected, slow));
        }
    }
}

#[test]
fn cases() {
    // Mark, literal, a code of two octets that ends as a literal does, literal.
    let codes = [0x80, 0x81, 0x05, 0x81, 0x82];
    assert_eq!(count_literals(&codes), 2);
    assert_eq!(behind_literals(b"AB\xffC\xffD\xff", 2), Some(5));
    assert_eq!(behind_literals(b"AB\xffC", 2), None);
}
