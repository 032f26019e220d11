//! The rules of associations.

use super::record::Association;
use crate::{
    engine::rules::{ClaimsOf, Rules, Settle},
    model::{
        schema::Record,
        value::{FaultCode, Kind, fold},
    },
};

/// The pairs of kinds that can be linked, in either direction.
const PAIRS: [(Kind, Kind); 5] = [
    (Kind::Lead, Kind::Contact),
    (Kind::Contact, Kind::Company),
    (Kind::Contact, Kind::Deal),
    (Kind::Contact, Kind::Contact),
    (Kind::Company, Kind::Company),
];

impl Rules for Association {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if let Some(before) = before
            && (before.from != after.from || before.to != after.to)
        {
            cx.faults.push(
                "from",
                FaultCode::Fixed,
                "the ends of an association cannot be changed: archive it and create another",
            );
        }
        if let Some((from, to)) = after.from.zip(after.to) {
            let fits = PAIRS.iter().any(|&(a, b)| (from.kind, to.kind) == (a, b) || (from.kind, to.kind) == (b, a));
            if !fits {
                let message = format!("a {} cannot be associated with a {}", from.kind, to.kind);
                cx.faults.push("to", FaultCode::WrongKind, message);
            }
            if from == to {
                cx.faults.push("to", FaultCode::Same, "a record cannot be associated with itself");
            }
        }
        if after.started_on.zip(after.ended_on).is_some_and(|(start, end)| start > end) {
            cx.faults.push("ended_on", FaultCode::TooSmall, "must not be before started_on");
        }
    }

    const CLAIMS: Option<ClaimsOf<Self>> = Some(|association, _| match (association.from, association.to) {
        (Some(from), Some(to)) => vec![("label", format!("{from} {to} {}", fold(&association.label)))],
        _ => Vec::new(),
    });
}
