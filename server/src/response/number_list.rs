//! Lists of many numbers, as SEARCH and SORT answer with.
//!
//! Most lists ascend, and what stands above the last three digits is the same for many numbers: it is written down once and copied. An
//! answer of a hundred thousand hits is written in one go on its executor, which nobody else should notice.

/// The last three digits of a number, and the space behind it.
static ENDS: [[u8; 4]; 1000] = {
    let mut table = [[b' '; 4]; 1000];
    let mut n = 0;
    while n < 1000 {
        table[n][0] = b'0' + (n / 100) as u8;
        table[n][1] = b'0' + (n / 10 % 10) as u8;
        table[n][2] = b'0' + (n % 10) as u8;
        n += 1;
    }
    table
};

/// Octets that are appended at once.
const BLOCK: usize = 4096;
/// Digits above the last three: 4,294,967 has seven of them; one is never used.
const START: usize = 8;
/// Octets that writing a number touches, the space behind it included.
const TOUCHED: usize = START + 4;

/// Octets of most numbers of a large mailbox, with the space before each.
const NUMBER_BYTES: usize = 7;
/// Numbers that room is made for before they are written.
const AT_ONCE_MAX: usize = 1 << 20;

/// `* NAME n n … CRLF`
pub fn number_list(out: &mut Vec<u8>, name: &str, numbers: impl IntoIterator<Item = u32>) {
    out.extend_from_slice(b"* ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    let numbers = numbers.into_iter();
    out.reserve(numbers.size_hint().1.unwrap_or(0).min(AT_ONCE_MAX) * NUMBER_BYTES);
    let mut block = [0; BLOCK];
    let mut used = 0;
    // The number of thousands that `start` is, and how many digits that are.
    let (mut thousands, mut start, mut digits) = (0, [0; START], 0);
    for n in numbers {
        if n / 1000 != thousands {
            thousands = n / 1000;
            let mut buffer = itoa::Buffer::new();
            let text = buffer.format(thousands).as_bytes();
            digits = if thousands == 0 { 0 } else { text.len().min(START) };
            start[..digits].copy_from_slice(&text[..digits]);
        }
        if used + TOUCHED > BLOCK {
            out.extend_from_slice(&block[..used]);
            used = 0;
        }
        let mut end = &ENDS[(n % 1000) as usize][..];
        if digits == 0 {
            let zeros = usize::from(n < 100) + usize::from(n < 10);
            end = &end[zeros..];
            block[used..used + end.len()].copy_from_slice(end);
        } else {
            block[used..used + START].copy_from_slice(&start);
            block[used + digits..used + digits + 4].copy_from_slice(end);
        }
        used += digits + end.len();
    }
    out.extend_from_slice(&block[..used]);
    // The space behind the last of them, or behind the name.
    out.pop();
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(numbers: &[u32]) -> String {
        let mut out = b"before ".to_vec();
        number_list(&mut out, "SEARCH", numbers.iter().copied());
        String::from_utf8(out).unwrap()
    }

    fn expected(numbers: &[u32]) -> String {
        let numbers: String = numbers.iter().map(|n| format!(" {n}")).collect();
        format!("before * SEARCH{numbers}\r\n")
    }

    #[test]
    fn every_length_of_number_and_none() {
        let mut numbers = vec![0, 1, 9, 10, 99, 100, 999, 1000, 1001, 1000, 999, 0, u32::MAX, 0, u32::MAX];
        numbers
            .extend((0..10).flat_map(|power| [10u32.pow(power) - 1, 10u32.pow(power), 10u32.pow(power) + 1]));
        assert_eq!(listed(&numbers), expected(&numbers));
        assert_eq!(listed(&[]), expected(&[]));
        for n in numbers {
            assert_eq!(listed(&[n]), expected(&[n]));
        }
    }

    proptest! {
        #[test]
        fn as_they_are_written_one_by_one(
            steps in prop::collection::vec(prop_oneof![0..3u32, 0..2000u32, any::<u32>()], 0..3000),
        ) {
            let mut last = 0u32;
            let ascending: Vec<u32> = steps.iter().map(|step| { last = last.wrapping_add(*step); last }).collect();
            prop_assert_eq!(listed(&ascending), expected(&ascending));
            prop_assert_eq!(listed(&steps), expected(&steps));
        }
    }
}
