//! The rules of companies. The draft checks for every kind with a parent that parents form no cycle.

use super::{
    name::{NameKeys, places},
    record::{Company, CompanyFields},
};
use crate::{
    engine::{
        definitions::Definitions,
        draft::{self, Draft, Stop},
        rules::{Rules, Settle},
    },
    model::{
        error::Faults,
        schema::{Image, Record},
        store::Claim,
        value::{FaultCode, Id, Kind, Time, Value},
    },
};

impl Rules for Company {
    fn settle(_: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if after.annual_revenue.is_some_and(|revenue| revenue.amount.is_negative()) {
            cx.faults.push("annual_revenue", FaultCode::TooSmall, "must not be negative");
        }
    }

    fn derive(&mut self, _: Time, _: &Definitions) {
        self.size = self.employee_count.map(|count| {
            match count {
                ..=10 => "1-10",
                11..=50 => "11-50",
                51..=200 => "51-200",
                201..=1000 => "201-1000",
                1001..=5000 => "1001-5000",
                _ => "5001+",
            }
            .to_owned()
        });
    }

    fn keys(tenant: Id, sets: &[(usize, Value)]) -> Vec<Claim> {
        let name = sets.iter().find(|(at, _)| *at == CompanyFields::name as usize);
        let Some(name) = name.and_then(|(_, value)| value.as_text()) else { return Vec::new() };
        let NameKeys { whole, stem } = NameKeys::of(name);
        let keys = [("name_claim", Some(whole)), ("stem_claim", stem)].into_iter();
        let claim = |field, key: String| draft::claim_of_value(tenant, Kind::Company, field, &Value::text(key));
        keys.filter_map(|(field, key)| claim(field, key?)).collect()
    }

    fn complete(draft: &mut Draft<'_>, before: Option<&Image>, after: &mut Image, _: &mut Faults) -> Result<(), Stop> {
        hold_name(draft, before, after)
    }
}

/// Claims the keys of a company's name, so that a conversion finds the company with strongly consistent reads and
/// without a list. The keys are not unique values: each company of the same name claims another of the few places of a
/// key, and a company that finds none left is not found by name.
fn hold_name(draft: &mut Draft<'_>, before: Option<&Image>, after: &mut Image) -> Result<(), Stop> {
    use CompanyFields as F;
    // A company that keeps its name keeps its places: nothing is read.
    if before
        .is_some_and(|before| !before.is_archived() && !after.is_archived() && before.at(F::name) == after.at(F::name))
    {
        return Ok(());
    }
    let NameKeys { whole, stem } = NameKeys::of(after.at(F::name).as_text().unwrap_or_default());
    for (field, key) in [(F::name_claim, Some(whole)), (F::stem_claim, stem)] {
        let at = field as usize;
        after.values[at] = match key.filter(|_| !after.is_archived()) {
            Some(key) => place_of_name(draft, before, after, at, &key)?,
            None => Value::Null,
        };
    }
    Ok(())
}

/// Returns the first place of a key that no other company holds; `None` if all are taken.
fn place_of_name(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &Image,
    at: usize,
    key: &str,
) -> Result<Value, Stop> {
    let places = places(key);
    let held = before.filter(|before| !before.is_archived()).map(|before| &before.values[at]);
    if let Some(held) = held.filter(|held| places.iter().any(|place| held.as_text() == Some(place))) {
        return Ok(held.clone());
    }
    for place in places {
        if is_free(draft, after, at, &place)? {
            return Ok(Value::text(place));
        }
    }
    Ok(Value::Null)
}

fn is_free(draft: &mut Draft<'_>, after: &Image, at: usize, key: &str) -> Result<bool, Stop> {
    let has = |image: &Image| !image.is_archived() && image.values[at].as_text() == Some(key);
    if draft.written().any(|other| other.kind() == after.kind() && other.id != after.id && has(other)) {
        return Ok(false);
    }
    let field = after.decl.fields[at].name;
    let Some(claim) = draft::claim_of_value(after.tenant, Kind::Company, field, &Value::text(key)) else {
        return Ok(true);
    };
    match draft.peek_claimed(&claim) {
        Ok(holder) => Ok(holder.is_none_or(|holder| holder.id == after.id)),
        Err(Stop::Need(lookups)) => {
            draft.want_all(lookups);
            Ok(false)
        }
        Err(refuse) => Err(refuse),
    }
}
