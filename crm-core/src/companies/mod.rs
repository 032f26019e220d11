//! Companies: the businesses one sells to.

pub(crate) mod name;
pub mod record;
mod rules;
pub(crate) mod shared_hosts;

pub use record::*;

use crate::{
    draft::{self, Lookup},
    store::Want,
    value::{Id, Kind, Value},
};

/// The holders of the keys of a company's name, which a write that names it reads.
pub(crate) fn holders_of_name(tenant: Id, sets: &[(usize, Value)]) -> Vec<Lookup> {
    let Some(name) = sets.iter().find(|(at, _)| *at == CompanyFields::name as usize).and_then(|(_, v)| v.as_text())
    else {
        return Vec::new();
    };
    let name::NameKeys { whole, stem } = name::NameKeys::of(name);
    let keys = [("name_claim", Some(whole)), ("stem_claim", stem)].into_iter();
    let claims = keys.filter_map(|(field, key)| {
        draft::claim_of_value(tenant, Kind::Company, field, &Value::text(key?)).map(Want::Claimed)
    });
    claims.map(Lookup::Want).collect()
}
