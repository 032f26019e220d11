//! A sorted list that grows at its end, as logs and indexes by time do: chunks of consecutive items, each full before
//! the next one begins. A tree would leave its nodes half empty and touch one at every level; this touches the last
//! chunk, and takes little more room than the items. Inserting elsewhere moves half a chunk.

use std::cmp::Ordering;

/// How many items a chunk holds at most.
const CHUNK: usize = 128;

/// A sorted list. Every call says how its items are ordered; no two are equal.
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

/// A gap between two items: before the item of a chunk at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    chunk: usize,
    at: usize,
}

impl<T> Sorted<T> {
    /// The gap before the first item of which `less` is false; `less` holds of all items before it and of none after.
    pub(super) fn gap(&self, mut less: impl FnMut(&T) -> bool) -> Gap {
        // Most often asked by who appends.
        if let Some((last, rest)) = self.chunks.split_last()
            && last.last().is_some_and(&mut less)
        {
            return Gap { chunk: rest.len(), at: last.len() };
        }
        let chunk = self.chunks.partition_point(|chunk| chunk.last().is_some_and(&mut less));
        let at = self.chunks.get(chunk).map_or(0, |items| items.partition_point(less));
        Gap { chunk, at }
    }

    /// Inserts an item where `order`, of each other item to this one, has it; over the one that is equal.
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

    /// Takes out the item that `order` says is equal, where there is one.
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

    /// Makes one chunk of two that have become small.
    fn join(&mut self, first: usize) {
        if let Some([one, next]) = self.chunks.get(first..first + 2)
            && one.len() + next.len() <= CHUNK / 2
        {
            let next = self.chunks.remove(first + 1);
            self.chunks[first].extend(next);
        }
    }

    /// The items after a gap, in order.
    pub(super) fn after(&self, gap: Gap) -> impl Iterator<Item = &T> {
        let (first, rest) = self.chunks.get(gap.chunk..).unwrap_or_default().split_first().unzip();
        let first = first.map_or(&[][..], |items| &items[gap.at..]);
        first.iter().chain(rest.unwrap_or_default().iter().flatten())
    }

    /// The items before a gap, the last one first.
    pub(super) fn before(&self, gap: Gap) -> impl Iterator<Item = &T> {
        let first = self.chunks.get(gap.chunk).map_or(&[][..], |items| &items[..gap.at]);
        first.iter().rev().chain(self.chunks[..gap.chunk].iter().rev().flat_map(|items| items.iter().rev()))
    }

    /// All items, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// The gap after the last item.
    pub(super) fn end(&self) -> Gap {
        Gap { chunk: self.chunks.len(), at: 0 }
    }

    /// True where nothing is in it.
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

    /// Items, and whether they are put in or taken out: so many of them put in.
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
