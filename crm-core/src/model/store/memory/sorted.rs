//! A sorted list that grows mostly at its end, like logs and indexes by time: chunks of consecutive items, filled one
//! after the other. A B-tree would leave nodes half empty and touch one per level; this touches the last chunk only and
//! needs little more memory than the items. Inserting elsewhere moves half a chunk.

use std::cmp::Ordering;

/// The maximum number of items in a chunk.
const CHUNK: usize = 128;

/// A sorted list without equal items. Every call passes the ordering of the items.
#[derive(Debug)]
pub(super) struct Sorted<T> {
    /// No chunk is empty.
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

/// A gap between two items: before item `at` of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    chunk: usize,
    at: usize,
}

impl<T> Sorted<T> {
    /// Returns the gap before the first item for which `less` is `false`; `less` must be `true` for all items before it
    /// and for none after.
    pub(super) fn gap(&self, mut less: impl FnMut(&T) -> bool) -> Gap {
        // Appending is the most frequent case.
        if let Some((last, rest)) = self.chunks.split_last()
            && last.last().is_some_and(&mut less)
        {
            return Gap { chunk: rest.len(), at: last.len() };
        }
        let chunk = self.chunks.partition_point(|chunk| chunk.last().is_some_and(&mut less));
        let at = self.chunks.get(chunk).map_or(0, |items| items.partition_point(less));
        Gap { chunk, at }
    }

    /// Inserts an item at the position given by `order`, which compares another item with this one; replaces an equal
    /// item.
    pub(super) fn insert(&mut self, item: T, mut order: impl FnMut(&T) -> Ordering) {
        let Gap { mut chunk, mut at } = self.gap(|other| order(other).is_lt());
        if let Some(other) = self.chunks.get_mut(chunk).and_then(|items| items.get_mut(at))
            && order(other).is_eq()
        {
            *other = item;
            return;
        }
        if self.chunks.get(chunk).is_none_or(|items| items.len() == CHUNK && at == CHUNK) {
            self.chunks.push(vec![item]);
            return;
        }
        if self.chunks[chunk].len() == CHUNK {
            let upper = self.chunks[chunk].split_off(CHUNK / 2);
            self.chunks[chunk].shrink_to_fit();
            self.chunks.insert(chunk + 1, upper);
            if at > CHUNK / 2 {
                chunk += 1;
                at -= CHUNK / 2;
            }
        }
        self.chunks[chunk].insert(at, item);
    }

    /// Removes the item for which `order` returns equal, if any.
    pub(super) fn remove(&mut self, mut order: impl FnMut(&T) -> Ordering) {
        let Gap { chunk, at } = self.gap(|other| order(other).is_lt());
        let Some(items) = self.chunks.get_mut(chunk) else { return };
        if !items.get(at).is_some_and(|item| order(item).is_eq()) {
            return;
        }
        items.remove(at);
        if items.is_empty() {
            self.chunks.remove(chunk);
        }
        for first in [chunk, chunk.saturating_sub(1)] {
            self.join(first);
        }
    }

    /// Merges two small chunks.
    fn join(&mut self, first: usize) {
        if let Some([one, next]) = self.chunks.get(first..first + 2)
            && one.len() + next.len() <= CHUNK / 2
        {
            let next = self.chunks.remove(first + 1);
            self.chunks[first].extend(next);
        }
    }

    /// Returns the items after a gap, in order.
    pub(super) fn after(&self, gap: Gap) -> impl Iterator<Item = &T> {
        let (first, rest) = self.chunks.get(gap.chunk..).unwrap_or_default().split_first().unzip();
        let first = first.map_or(&[][..], |items| &items[gap.at..]);
        first.iter().chain(rest.unwrap_or_default().iter().flatten())
    }

    /// Returns the items before a gap, in reverse order.
    pub(super) fn before(&self, gap: Gap) -> impl Iterator<Item = &T> {
        let first = self.chunks.get(gap.chunk).map_or(&[][..], |items| &items[..gap.at]);
        first.iter().rev().chain(self.chunks[..gap.chunk].iter().rev().flat_map(|items| items.iter().rev()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    pub(super) fn end(&self) -> Gap {
        Gap { chunk: self.chunks.len(), at: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn insert(sorted: &mut Sorted<u16>, item: u16) {
        sorted.insert(item, |other| other.cmp(&item));
    }

    /// Items to insert or remove, with `puts` as the share of insertions.
    fn ops(puts: f64) -> impl Strategy<Value = Vec<(u16, bool)>> {
        prop::collection::vec((0_u16..2000, prop::bool::weighted(puts)), 0..3000)
    }

    proptest! {
        #[test]
        fn is_a_set_in_order(grows in ops(0.9), shrinks in ops(0.1), ask: u16) {
            let mut sorted = Sorted::default();
            let mut set = BTreeSet::new();
            for (item, puts) in grows.into_iter().chain(shrinks) {
                if puts {
                    insert(&mut sorted, item);
                    set.insert(item);
                } else {
                    sorted.remove(|other| other.cmp(&item));
                    set.remove(&item);
                }
            }
            prop_assert_eq!(sorted.is_empty(), set.is_empty());
            prop_assert!(sorted.iter().eq(set.iter()));
            prop_assert!(sorted.before(sorted.end()).eq(set.iter().rev()));
            prop_assert!(sorted.chunks.windows(2).all(|pair| pair[0].len() + pair[1].len() > CHUNK / 2));
            let ask = ask % 2001;
            let gap = sorted.gap(|item| *item < ask);
            prop_assert!(sorted.after(gap).eq(set.range(ask..)));
            prop_assert!(sorted.before(gap).eq(set.range(..ask).rev()));
        }
    }

    #[test]
    fn what_comes_in_order_fills_its_chunks() {
        let mut sorted = Sorted::default();
        for item in 0..10_000 {
            insert(&mut sorted, item);
        }
        assert_eq!(sorted.chunks.len(), 10_000_usize.div_ceil(CHUNK));
    }
}
