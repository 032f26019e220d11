//! The rules of users.

use super::rights;
use crate::{
    engine::{
        access::escalation::hold_own_rights,
        definitions::Definitions,
        draft::{Draft, Step, Stop},
        rules::{Rules, Settle},
    },
    model::{
        error::Faults,
        records::user::{User, UserFields},
        schema::{Image, Record, common},
        value::{FaultCode, Id, Time},
    },
};

impl Rules for User {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, _: &mut Settle<'_>) {
        if before.is_none() {
            after.is_active = true;
        }
    }

    fn stamp(&mut self, changed: &dyn Fn(&str) -> bool, occurred_at: Time, _: Option<Id<User>>) {
        if changed("is_active") {
            self.deactivated_at = (!self.is_active).then_some(occurred_at);
        }
    }

    fn derive(&mut self, _: Time, _: &Definitions) {
        self.name = full_name(self.first_name.as_deref(), self.last_name.as_deref())
            .or_else(|| self.email.clone())
            .unwrap_or_default();
    }

    fn complete(_: &mut Draft<'_>, _: Option<&Image>, after: &mut Image, faults: &mut Faults) -> Result<(), Stop> {
        let is_known = !after.at(UserFields::email).is_null() || !after.values[common::EXTERNAL_ID].is_null();
        if !is_known && !faults.all().iter().any(|fault| fault.field == "email") {
            faults.push("email", FaultCode::Required, "is required unless the user has an external_id");
        }
        Ok(())
    }

    fn permit(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image) -> Result<(), Stop> {
        rights::check_roles(draft, before, after)?;
        before.map_or(Ok(()), |before| rights::keep_own_rights(draft, before, after))?;
        hold_own_rights(draft, after)
    }

    fn follow(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image, step: Step) -> Result<(), Stop> {
        rights::end_sessions(draft, before, after, step)?;
        rights::keep_admins(draft, before, after, step)
    }
}

/// Joins first and last name, such as "Ada Lovelace"; `None` if both are missing.
pub(crate) fn full_name(first: Option<&str>, last: Option<&str>) -> Option<String> {
    match (first, last) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (Some(first), Some(last)) => Some(cut(format!("{first} {last}"))),
    }
}

/// Cuts a name: two names of maximum length together would exceed it.
fn cut(mut name: String) -> String {
    if let Some((end, _)) = name.char_indices().nth(crate::model::schema::MAX_TEXT) {
        name.truncate(end);
    }
    name
}
