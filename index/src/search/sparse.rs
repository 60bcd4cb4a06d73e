//! Numbers by template, of which most searches set few: pages of them come into being when they are written to, so that no table for all
//! templates of a segment is cleared.

/// Numbers of a page.
const PAGE: usize = if cfg!(test) { 4 } else { 256 };

/// Numbers that are 0 unless they were set.
#[derive(Default)]
pub(super) struct Sparse {
    pages: Vec<Vec<u32>>,
    len: usize,
}

impl Sparse {
    /// For so many of them.
    pub fn new(len: u32) -> Sparse {
        Sparse { pages: Vec::new(), len: len as usize }
    }

    #[inline]
    pub fn get(&self, at: u32) -> u32 {
        let page = self.pages.get(at as usize / PAGE);
        page.and_then(|page| page.get(at as usize % PAGE)).copied().unwrap_or_default()
    }

    /// Where it is set; `None` if there is no such one.
    #[inline]
    pub fn get_mut(&mut self, at: u32) -> Option<&mut u32> {
        if at as usize >= self.len {
            return None;
        }
        if self.pages.is_empty() {
            self.pages.resize_with(self.len.div_ceil(PAGE), Vec::new);
        }
        let page = self.pages.get_mut(at as usize / PAGE)?;
        if page.is_empty() {
            page.resize(PAGE, 0);
        }
        page.get_mut(at as usize % PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_zero() {
        let mut sparse = Sparse::new(10);
        assert_eq!((sparse.get(0), sparse.get(9), sparse.get(u32::MAX)), (0, 0, 0));
        for (at, number) in [(9, 1), (0, 2), (4, 3)] {
            *sparse.get_mut(at).unwrap() = number;
        }
        let all: Vec<u32> = (0..12).map(|at| sparse.get(at)).collect();
        assert_eq!(all, [2, 0, 0, 0, 3, 0, 0, 0, 0, 1, 0, 0]);
        assert!(sparse.get_mut(10).is_none());
    }
}
