//! Bytes of payloads: little-endian base-128 numbers, counted strings. Writing cannot fail; reading never panics and
//! never reserves more than the bytes could hold.
//!
//! Not here: framing and checksums (`log`), the meaning of a field.

use crate::log::Address;
use crate::types::{Flags, ModSeq, Uid, UidValidity, ZonedTime};
use crate::uid_set::UidSet;

/// Bytes that nothing writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("bytes that this format does not have")]
pub struct BadBytes;

type Decoded<T> = Result<T, BadBytes>;

/// Appends fields to a buffer.
#[derive(Default)]
pub struct Writer {
    pub bytes: Vec<u8>,
}

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }
    pub fn number(&mut self, value: impl Into<u64>) {
        let mut rest = value.into();
        while rest >= 0x80 {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }
    pub fn signed(&mut self, value: i64) {
        self.number((value << 1 ^ value >> 63) as u64);
    }
    pub fn count(&mut self, value: usize) {
        self.number(value as u64);
    }
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }
    pub fn str(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
    pub fn uid(&mut self, uid: Uid) {
        self.number(uid.get());
    }
    pub fn modseq(&mut self, modseq: ModSeq) {
        self.number(modseq.get());
    }
    pub fn flags(&mut self, flags: Flags) {
        self.number(flags.0 as u64);
        self.number((flags.0 >> 64) as u64);
    }
    pub fn address(&mut self, address: Address) {
        self.number(address.segment);
        self.number(address.offset);
    }
    pub fn zoned(&mut self, time: ZonedTime) {
        self.signed(time.seconds);
        self.signed(i64::from(time.zone_minutes));
    }
    pub fn day(&mut self, day: Option<i32>) {
        // 0 is "none", so days move up by one, away from it on their side.
        self.signed(day.map_or(0, |day| if day >= 0 { i64::from(day) + 1 } else { i64::from(day) }));
    }
    pub fn uids(&mut self, uids: &UidSet) {
        self.count(uids.ranges().len());
        let mut at = 0;
        for range in uids.ranges() {
            self.number(range.start().get() - at);
            self.number(range.end().get() - range.start().get());
            at = range.end().get();
        }
    }
}

/// Takes fields from the front of a slice.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
    /// Fails unless everything was read.
    pub fn end(&self) -> Decoded<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(BadBytes) }
    }
    pub fn raw(&mut self, len: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(BadBytes)?;
        self.rest = rest;
        Ok(taken)
    }
    pub fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        self.raw(N)?.try_into().map_err(|_| BadBytes)
    }
    pub fn u8(&mut self) -> Decoded<u8> {
        Ok(self.array::<1>()?[0])
    }
    pub fn u64(&mut self) -> Decoded<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    pub fn number(&mut self) -> Decoded<u64> {
        let mut value = 0u64;
        for shift in (0..).step_by(7).take(10) {
            let byte = self.u8()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                return Err(BadBytes);
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                // One form for each value: no padding with zero groups.
                return if byte == 0 && shift > 0 { Err(BadBytes) } else { Ok(value) };
            }
        }
        Err(BadBytes)
    }
    pub fn u32(&mut self) -> Decoded<u32> {
        u32::try_from(self.number()?).map_err(|_| BadBytes)
    }
    pub fn u16(&mut self) -> Decoded<u16> {
        u16::try_from(self.number()?).map_err(|_| BadBytes)
    }
    pub fn signed(&mut self) -> Decoded<i64> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }
    /// A number of things that take at least `bytes_each` bytes; more than can follow is refused.
    pub fn count(&mut self, bytes_each: usize) -> Decoded<usize> {
        let count = usize::try_from(self.number()?).map_err(|_| BadBytes)?;
        if count > self.rest.len() / bytes_each.max(1) { Err(BadBytes) } else { Ok(count) }
    }
    pub fn bytes(&mut self) -> Decoded<&'a [u8]> {
        let len = self.count(1)?;
        self.raw(len)
    }
    pub fn str(&mut self) -> Decoded<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| BadBytes)
    }
    pub fn uid(&mut self) -> Decoded<Uid> {
        Uid::new(self.u32()?).ok_or(BadBytes)
    }
    pub fn uid_validity(&mut self) -> Decoded<UidValidity> {
        UidValidity::new(self.u32()?).ok_or(BadBytes)
    }
    pub fn modseq(&mut self) -> Decoded<ModSeq> {
        ModSeq::new(self.number()?).ok_or(BadBytes)
    }
    pub fn flags(&mut self) -> Decoded<Flags> {
        Ok(Flags(u128::from(self.number()?) | u128::from(self.number()?) << 64))
    }
    pub fn address(&mut self) -> Decoded<Address> {
        Ok(Address { segment: self.u32()?, offset: self.u32()? })
    }
    pub fn zoned(&mut self) -> Decoded<ZonedTime> {
        let seconds = self.signed()?;
        let zone_minutes = i16::try_from(self.signed()?).map_err(|_| BadBytes)?;
        if zone_minutes.unsigned_abs() > 1439 {
            return Err(BadBytes);
        }
        Ok(ZonedTime { seconds, zone_minutes })
    }
    pub fn day(&mut self) -> Decoded<Option<i32>> {
        let day = match self.signed()? {
            0 => return Ok(None),
            above @ 1.. => above - 1,
            below => below,
        };
        i32::try_from(day).map(Some).map_err(|_| BadBytes)
    }
    pub fn uids(&mut self) -> Decoded<UidSet> {
        let mut uids = UidSet::new();
        let mut at = 0u32;
        for nth in 0..self.count(2)? {
            let gap = self.u32()?;
            // Ranges neither overlap nor touch: one form for each set.
            if gap < 1 + u32::from(nth > 0) {
                return Err(BadBytes);
            }
            let low = at.checked_add(gap).and_then(Uid::new).ok_or(BadBytes)?;
            let high = low.get().checked_add(self.u32()?).and_then(Uid::new).ok_or(BadBytes)?;
            uids.insert_range(low, high);
            at = high.get();
        }
        Ok(uids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            number: u64, signed: i64, flags: u128, seconds: i64, zone in -1439i16..=1439, day: Option<i32>,
            text: String, ranges in prop::collection::vec((1u32.., 1u32..), 0..9), segment: u32, offset: u32,
        ) {
            let mut uids = UidSet::new();
            for (a, b) in ranges {
                uids.insert_range(Uid::new(a).unwrap(), Uid::new(b).unwrap());
            }
            let (flags, zoned) = (Flags(flags), ZonedTime { seconds, zone_minutes: zone });
            let address = Address { segment, offset };
            let mut out = Writer::new();
            out.number(number);
            out.signed(signed);
            out.flags(flags);
            out.zoned(zoned);
            out.day(day);
            out.str(&text);
            out.uids(&uids);
            out.address(address);
            let mut input = Reader::new(&out.bytes);
            prop_assert_eq!(input.number(), Ok(number));
            prop_assert_eq!(input.signed(), Ok(signed));
            prop_assert_eq!(input.flags(), Ok(flags));
            prop_assert_eq!(input.zoned(), Ok(zoned));
            prop_assert_eq!(input.day(), Ok(day));
            prop_assert_eq!(input.str(), Ok(text.as_str()));
            prop_assert_eq!(input.uids(), Ok(uids));
            prop_assert_eq!(input.address(), Ok(address));
            prop_assert_eq!(input.end(), Ok(()));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            let _ = Reader::new(&bytes).uids();
            let _ = Reader::new(&bytes).bytes();
            let _ = Reader::new(&bytes).zoned();
            if let Ok(number) = Reader::new(&bytes).number() {
                let mut out = Writer::new();
                out.number(number);
                prop_assert!(bytes.starts_with(&out.bytes), "a number has one form");
            }
        }
    }
}
