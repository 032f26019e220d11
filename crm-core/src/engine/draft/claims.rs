//! Claims: the unique values of records, and the operations of a commit on them.

use std::collections::BTreeMap;

use crate::{
    engine::{
        definitions::Definitions,
        rules,
        typing::{claim_text, map_of},
    },
    model::{
        error::Error,
        schema::{Image, common},
        store::{Claim, ClaimOp},
        value::{Id, Kind, Ref, Value, WrongType, fold},
    },
};

/// Returns every claim of an active record: one per unique field, one per unique custom property, and those of its
/// kind's rules. An archived record has none.
///
/// Text values are folded, so that "ACME" and "acme" are the same value.
///
/// # Errors
/// [`WrongType`] if a stored value does not have the type of its field.
pub(crate) fn claims(image: &Image, definitions: &Definitions) -> Result<Vec<Claim>, WrongType> {
    let mut claims = Vec::new();
    if image.is_archived() {
        return Ok(claims);
    }
    for (field, value) in image.decl.fields.iter().zip(&image.values) {
        if field.marks.unique
            && let Some(text) = value.as_text()
        {
            claims.push(claim_of(image.tenant, image.kind(), field.name, text));
        }
    }
    let properties = definitions.properties(image.kind());
    if properties.iter().any(|property| property.unique) {
        let values = map_of(&image.values[common::PROPERTIES]);
        for property in properties.iter().filter(|property| property.unique) {
            if let Some(text) = values.get(&property.key).and_then(claim_text) {
                claims.push(Claim::new(image.tenant, image.kind(), format!("properties.{}", property.key), &text));
            }
        }
    }
    for (name, value) in rules::claims(image, definitions)? {
        let tenant = if image.kind() == Kind::Organization && name == "slug" { Id::NIL } else { image.tenant };
        claims.push(Claim::new(tenant, image.kind(), name, &value));
    }
    Ok(claims)
}

/// Returns the claim for a value of a unique text field. External ids are keys of another system and are not folded;
/// other text is.
pub(crate) fn claim_of(tenant: Id, kind: Kind, field: &str, text: &str) -> Claim {
    if field == "external_id" {
        Claim::new(tenant, kind, field, text)
    } else {
        Claim::new(tenant, kind, field, &fold(text))
    }
}

/// Returns the claim for a unique value of a kind, as given by a caller.
pub(crate) fn claim_of_value(tenant: Id, kind: Kind, field: &str, value: &Value) -> Option<Claim> {
    if field.starts_with("properties.") {
        return claim_text(value).map(|text| Claim::new(tenant, kind, field, &text));
    }
    value.as_text().map(|text| claim_of(tenant, kind, field, text))
}

/// Collects the claims of a commit, with previous and new holder, to derive the operations: take, release, transfer.
#[derive(Debug, Default)]
pub(crate) struct ClaimBook {
    held: BTreeMap<Claim, (Option<Ref>, Option<Ref>)>,
}

impl ClaimBook {
    /// Records the claims of a record before and after the commit.
    ///
    /// # Errors
    /// [`Error::Duplicate`] if two records of the commit claim the same value.
    pub(crate) fn record(&mut self, record: Ref, before: Vec<Claim>, after: Vec<Claim>) -> Result<(), Error> {
        for claim in before {
            self.held.entry(claim).or_default().0 = Some(record);
        }
        for claim in after {
            let (kind, name) = (claim.kind, claim.name.clone());
            let holder = &mut self.held.entry(claim).or_default().1;
            if holder.is_some_and(|other| other != record) {
                return Err(Error::Duplicate { kind, field: name });
            }
            *holder = Some(record);
        }
        Ok(())
    }

    pub(crate) fn operations(self) -> Vec<ClaimOp> {
        self.held
            .into_iter()
            .filter_map(|(claim, held)| match held {
                (None, Some(holder)) => Some(ClaimOp::Take { claim, holder }),
                (Some(holder), None) => Some(ClaimOp::Release { claim, holder }),
                (Some(from), Some(to)) if from != to => Some(ClaimOp::Transfer { claim, from, to }),
                _ => None,
            })
            .collect()
    }
}
