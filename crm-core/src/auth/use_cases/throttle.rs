//! Lockout. Attempts are counted in the store *before* a password is checked, so that concurrent attempts on any number
//! of machines cannot exceed the limit.

use std::net::{IpAddr, Ipv6Addr};

use super::{policy::Limit, token::Seal};
use crate::{
    auth::records::throttles::{Throttle, ThrottleFields},
    engine::draft::{Draft, Input, Step, Stop},
    model::{
        schema::Record,
        value::{FieldValue, Id, Kind, Ref, Time, Value, fold},
    },
};

/// A counter of attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter {
    pub(super) record: Ref,
    limit: Limit,
}

impl Counter {
    /// Returns the counter of a name or an address, for one kind of attempt. The id is derived from a keyed hash, so
    /// that it is found by one read and does not reveal whose attempts it counts.
    pub(super) fn new(seal: &Seal, of: &str, text: &str, limit: Limit) -> Self {
        let hash = seal.derive("throttle", format!("{of}\n{}", fold(text)).as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        let id: Id = Id::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid());
        Self { record: Ref::new(Kind::Throttle, id), limit }
    }

    /// Returns the counter of sign-ins under a name.
    pub(super) fn name(seal: &Seal, name: &str, limit: Limit) -> Self {
        Self::new(seal, "name", name, limit)
    }

    /// Returns the counter of an address; for IPv6, of its /64 network, which is the allocation of one household.
    pub(super) fn address(seal: &Seal, of: &str, address: &str, limit: Limit) -> Self {
        let network = match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V6(v6)) => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
            }
            Ok(v4) => v4.to_string(),
            Err(_) => address.to_owned(),
        };
        Self::new(seal, of, &network, limit)
    }
}

/// Counts an attempt on every counter, or returns the latest end of a lockout. The attempt that exceeds the limit
/// locks.
pub(super) fn count(draft: &mut Draft<'_>, counters: &[Counter]) -> Result<Verdict, Stop> {
    let now = draft.cx.now;
    for counter in counters {
        draft.want(counter.record);
    }
    draft.stop_if_missing()?;
    let mut found = Vec::with_capacity(counters.len());
    for counter in counters {
        let image = draft.peek(counter.record)?;
        found.push(image.map(|image| Record::<Throttle>::from_image(&image)).transpose()?);
    }
    let mut locked = None;
    for (counter, throttle) in counters.iter().zip(&found) {
        let Some(until) = throttle.as_ref().and_then(|throttle| throttle.locked_until).filter(|until| *until > now)
        else {
            continue;
        };
        // Locked by a clock that is ahead by more than the allowed skew: the lockout is restarted with its regular
        // length.
        let latest = now.plus_micros(micros(counter.limit.lock));
        if until > latest.plus_micros(draft.cx.max_clock_skew) {
            let failures = throttle.as_ref().map_or(0, |throttle| throttle.failures);
            write(draft, counter, failures, Some(now), Some(latest))?;
        }
        locked = locked.max(Some(until.min(latest.plus_micros(draft.cx.max_clock_skew))));
    }
    if let Some(until) = locked {
        return Ok(Verdict::Locked { until, just_now: false });
    }
    let mut until = None;
    for (counter, throttle) in counters.iter().zip(&found) {
        // A window that begins in the future comes from another machine's clock. It continues, beginning now.
        let began = throttle.as_ref().and_then(|throttle| {
            let over = throttle.locked_until.is_some()
                || throttle.window_began_at.is_none_or(|began| began.plus_micros(micros(counter.limit.window)) <= now);
            throttle.window_began_at.filter(|_| !over).map(|began| began.min(now))
        });
        let failures = throttle.as_ref().filter(|_| began.is_some()).map_or(0, |throttle| throttle.failures);
        if failures >= i64::from(counter.limit.times) {
            let lock = now.plus_micros(micros(counter.limit.lock));
            until = until.max(Some(lock));
            write(draft, counter, failures, began, Some(lock))?;
        } else {
            write(draft, counter, failures + 1, began.or(Some(now)), None)?;
        }
    }
    Ok(until.map_or(Verdict::Counted, |until| Verdict::Locked { until, just_now: true }))
}

/// Whether an attempt is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The attempt is allowed and counted.
    Counted,
    /// The attempt is refused.
    Locked {
        /// When the lockout ends.
        until: Time,
        /// `true` if this attempt caused the lockout.
        just_now: bool,
    },
}

/// Clears a counter: the name has signed in.
pub(super) fn clear(draft: &mut Draft<'_>, counter: &Counter) -> Result<(), Stop> {
    match draft.peek(counter.record)? {
        Some(_) => write(draft, counter, 0, None, None),
        None => Ok(()),
    }
}

/// Takes back one attempt: one of many users of an address has signed in.
pub(super) fn forgive(draft: &mut Draft<'_>, counter: &Counter) -> Result<(), Stop> {
    let Some(image) = draft.peek(counter.record)? else { return Ok(()) };
    let failures = i64::from_value(image.at(ThrottleFields::failures))?;
    draft.compute(counter.record, &[(ThrottleFields::failures as usize, Value::Int((failures - 1).max(0)))])
}

fn write(
    draft: &mut Draft<'_>,
    counter: &Counter,
    failures: i64,
    began: Option<Time>,
    locked: Option<Time>,
) -> Result<(), Stop> {
    let keep = micros(counter.limit.window).saturating_add(micros(counter.limit.lock));
    let values = [
        (ThrottleFields::failures as usize, Value::Int(failures)),
        (ThrottleFields::window_began_at as usize, began.into_value()),
        (ThrottleFields::locked_until as usize, locked.into_value()),
        (ThrottleFields::expires_at as usize, Value::Time(draft.cx.now.plus_micros(keep))),
    ];
    if draft.peek(counter.record)?.is_some() {
        return draft.compute(counter.record, &values);
    }
    draft.create(Kind::Throttle, counter.record.id, Input::system(&values), Step::new("count_try", None)).map(drop)
}

pub(super) fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
