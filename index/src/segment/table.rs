//! A table from keys of eight octets to numbers that is looked into without waiting twice: open addressing, key, hash and number
//! side by side.

use super::kernel::prefetch_one;

/// Slots of a new table.
const SLOTS: usize = 1 << 10;

/// Nothing stands in a slot of zeros.
#[derive(Clone, Copy, Default)]
#[repr(align(16))]
struct Slot {
    key: u64,
    hash: u32,
    /// Plus one.
    number: u32,
}

/// Keys need not be whole: a lookup asks whether the number is the right one.
pub struct Table {
    /// A power of two, at most two thirds of them taken.
    slots: Vec<Slot>,
    len: usize,
}

impl Default for Table {
    fn default() -> Table {
        Table { slots: vec![Slot::default(); SLOTS], len: 0 }
    }
}

/// The room that something takes which doubles as it grows.
pub fn grown(len: usize) -> usize {
    len.next_power_of_two()
}

impl Table {
    /// Asks for what a lookup of this hash reads first, so that it does not wait for it.
    #[inline]
    pub fn look_ahead(&self, hash: u32) {
        if let Some(slot) = self.slots.get(hash as usize & (self.slots.len() - 1)) {
            prefetch_one(slot);
        }
    }

    /// What a lookup of this hash comes upon first, if anything; mostly it is the right one.
    #[inline]
    pub fn first(&self, hash: u32) -> Option<u32> {
        self.slots[hash as usize & (self.slots.len() - 1)].number.checked_sub(1)
    }

    /// The same if it has this key.
    #[inline]
    pub fn first_of(&self, hash: u32, key: u64) -> Option<u32> {
        let slot = &self.slots[hash as usize & (self.slots.len() - 1)];
        if slot.key == key && slot.hash == hash { slot.number.checked_sub(1) } else { None }
    }

    /// The number of a key for which `is` holds.
    #[inline]
    pub fn find(&self, hash: u32, key: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = &self.slots[at];
            let number = slot.number.checked_sub(1)?;
            if slot.key == key && slot.hash == hash && is(number) {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a key that is not there.
    pub fn insert(&mut self, hash: u32, key: u64, number: u32) {
        if (self.len + 1) * 3 > self.slots.len() * 2 {
            let slots = vec![Slot::default(); self.slots.len() * 2];
            let old = std::mem::replace(&mut self.slots, slots);
            old.into_iter().filter(|slot| slot.number != 0).for_each(|slot| self.place(slot));
        }
        self.len += 1;
        self.place(Slot { key, hash, number: number + 1 });
    }

    fn place(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = slot.hash as usize & mask;
        while self.slots[at].number != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    /// Forgets everything and keeps its memory.
    pub fn clear(&mut self) {
        self.slots.fill(Slot::default());
        self.len = 0;
    }

    /// Octets of memory that is held.
    pub fn held(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    /// Octets of a table that has grown to what is in it.
    pub fn memory(&self) -> usize {
        grown(self.len * 3 / 2 + 1) * size_of::<Slot>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_put_in_even_where_hashes_and_keys_are_alike() {
        let mut table = Table::default();
        for number in 0..5000u32 {
            let (hash, key) = (number / 3 % 700, u64::from(number / 2));
            assert_eq!(table.find(hash, key, |found| found == number), None);
            table.insert(hash, key, number);
        }
        (0..9000).for_each(|hash| table.look_ahead(hash));
        for number in 0..5000u32 {
            let (hash, key) = (number / 3 % 700, u64::from(number / 2));
            assert_eq!(table.find(hash, key, |found| found == number), Some(number));
        }
        assert_eq!(table.find(1, 2, |_| false), None);
        assert_eq!((table.first_of(0, 0), table.first_of(0, 1), table.first_of(3, 0)), (Some(0), None, None));
        assert!(table.memory() >= 5000 * 16);
        table.clear();
        assert_eq!((table.find(0, 0, |_| true), table.first(0)), (None, None));
    }
}
