//! Time and identifiers, injected: nothing else in the core looks at a clock or rolls a die.

use std::sync::{Mutex, PoisonError};

use crate::value::{Id, Time};

/// What time it is.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Time;
}

/// Where ids and secrets come from.
pub trait IdSource: Send + Sync {
    /// A new id, later in order than those made before.
    fn id(&self, now: Time) -> Id;
    /// Thirty-two bytes that nobody can guess.
    fn secret(&self) -> [u8; 32];
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place that looks at the machine's clock
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)).unwrap_or(Time::EPOCH)
    }
}

/// UUIDv7 from the operating system's randomness. Ids made by one source within one millisecond count up, so that they
/// sort in the order in which they were made.
#[derive(Debug, Default)]
pub struct RandomIds {
    last: Mutex<Last>,
}

/// The last id that was made, and randomness for the next ones: asking the system for four bytes costs as much as
/// making the id. It is asked anew in every millisecond, so that two halves of a process that has been split go on with
/// ids of their own.
#[derive(Debug)]
struct Last {
    millis: u64,
    counter: u128,
    pool: [u8; POOL],
    used: usize,
}

const POOL: usize = 128;

impl Default for Last {
    fn default() -> Self {
        Self { millis: 0, counter: 0, pool: [0; POOL], used: POOL }
    }
}

impl Last {
    fn draw<const N: usize>(&mut self) -> [u8; N] {
        if self.used + N > POOL {
            fill(&mut self.pool);
            self.used = 0;
        }
        let mut drawn = [0; N];
        drawn.copy_from_slice(&self.pool[self.used..self.used + N]);
        self.used += N;
        drawn
    }
}

impl IdSource for RandomIds {
    fn id(&self, now: Time) -> Id {
        let millis = u64::try_from(now.micros() / 1000).unwrap_or_default();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if millis > last.millis {
            last.millis = millis;
            last.used = POOL;
            let mut bytes = [0_u8; 16];
            bytes[6..].copy_from_slice(&last.draw::<10>());
            // The top bit stays clear, so that counting up never overflows.
            last.counter = u128::from_be_bytes(bytes) & (u128::MAX >> 49);
        } else {
            let step = u32::from_be_bytes(last.draw());
            last.counter = last.counter.wrapping_add(u128::from(step) + 1);
        }
        let bytes = last.counter.to_be_bytes();
        let mut tail = [0_u8; 10];
        tail.copy_from_slice(&bytes[6..]);
        Id::from_parts(last.millis, spread(tail))
    }

    fn secret(&self) -> [u8; 32] {
        let mut bytes = [0_u8; 32];
        fill(&mut bytes);
        bytes
    }
}

/// UUIDv7 overwrites the version (4 bits of byte 0) and the variant (2 bits of byte 2) of its tail: the counter's 74
/// bits are laid around them, so that counting up stays in order.
fn spread(counter: [u8; 10]) -> [u8; 10] {
    let mut wide = [0_u8; 16];
    wide[6..].copy_from_slice(&counter);
    let number = u128::from_be_bytes(wide);
    let low = number & ((1 << 62) - 1);
    let high = (number >> 62) & 0xFFF;
    let laid = (high << 64) | low;
    let bytes = laid.to_be_bytes();
    let mut tail = [0_u8; 10];
    tail.copy_from_slice(&bytes[6..]);
    tail
}

fn fill(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        // Without randomness an id may still be unique by time and place; a secret may not be made, and stays all
        // zero, which every user of secrets refuses.
        bytes.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_source_sort_in_the_order_they_were_made() {
        let ids = RandomIds::default();
        let now = Time::from_micros(1_700_000_000_000_000).unwrap();
        let made: Vec<Id> = (0..10_000).map(|n| ids.id(now.plus_micros(n / 100))).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
