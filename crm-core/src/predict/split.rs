//! The split of rows into those that a model is trained on and those that are held out to evaluate it.

use serde::{Deserialize, Serialize};

use super::{random::Random, table::Table};

/// The method of the split: seven tenths are training rows, three tenths are held out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The oldest seven tenths are the training rows, as in production. The order of the table must be known.
    Time,
    /// Random, from a seed.
    Random {
        /// The seed. It splits the same number of rows in the same way.
        seed: u64,
    },
    /// By the FNV-1a hash of the row's number in decimal, modulo 10: rows below 7 are training rows. It requires no
    /// seed, and any program can reproduce it.
    Fnv,
}

/// The rows on both sides, each in the table's order (by time: oldest first).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) training: Vec<usize>,
    pub(super) held_back: Vec<usize>,
}

impl Split {
    /// Splits the rows. Returns `None` if the split is by time and the order is unknown.
    pub(super) fn divide(self, table: &Table) -> Option<Sides> {
        let rows = table.rows();
        let first = rows * 7 / 10;
        Some(match self {
            Self::Time => {
                let mut training = table.by_time()?;
                let held_back = training.split_off(first);
                Sides { training, held_back }
            }
            Self::Random { seed } => {
                let mut random = Random::new(seed);
                let mut all: Vec<usize> = (0..rows).collect();
                for at in (1..rows).rev() {
                    all.swap(at, random.below(at + 1));
                }
                let mut held_back = all.split_off(first);
                all.sort_unstable();
                held_back.sort_unstable();
                Sides { training: all, held_back }
            }
            Self::Fnv => {
                let (training, held_back) = (0..rows).partition(|row| fnv(*row) % 10 < 7);
                Sides { training, held_back }
            }
        })
    }
}

/// FNV-1a, 64 bits, of a number written in decimal.
fn fnv(number: usize) -> u64 {
    number
        .to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::{Cell, Kind, Order, TableBuilder};

    fn table(rows: usize, order: Order) -> Table {
        let mut builder = TableBuilder::new([("x", Kind::Number)]).unwrap();
        for _ in 0..rows {
            builder.push(&[Cell::Missing], true).unwrap();
        }
        builder.order(order).build()
    }

    #[test]
    fn fnv_is_the_published_one() {
        assert_eq!(fnv(0), 0xaf63_ad4c_8601_9caf);
        let sides = Split::Fnv.divide(&table(9240, Order::Unknown)).unwrap();
        assert_eq!((sides.training.len(), sides.held_back.len()), (6481, 2759));
        assert_eq!(sides.held_back[..4], [0, 1, 6, 8]);
    }

    #[test]
    fn time_trains_on_the_oldest() {
        assert_eq!(Split::Time.divide(&table(10, Order::Unknown)), None);
        let sides = Split::Time.divide(&table(10, Order::OldestFirst)).unwrap();
        assert_eq!((sides.training, sides.held_back), ((0..7).collect(), vec![7, 8, 9]));
        let sides = Split::Time.divide(&table(10, Order::NewestFirst)).unwrap();
        assert_eq!((sides.training, sides.held_back), ((3..10).rev().collect(), vec![2, 1, 0]));
    }

    #[test]
    fn chance_is_the_seeds() {
        let table = table(100, Order::Unknown);
        let (one, two) = (Split::Random { seed: 1 }.divide(&table), Split::Random { seed: 2 }.divide(&table));
        assert_eq!(one, Split::Random { seed: 1 }.divide(&table));
        assert_ne!(one, two);
        let sides = one.unwrap();
        assert_eq!(sides.training.len(), 70);
        let mut all = [sides.training, sides.held_back].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }
}
