//! The rules of users.

use super::record::User;
use crate::{
    definitions::Definitions,
    rules::{Rules, Settle},
    schema::Record,
    value::{Id, Time},
};

impl Rules for User {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, _: &mut Settle<'_>) {
        if before.is_none() {
            after.is_active = true;
        }
    }

    fn stamp(&mut self, changed: &dyn Fn(&str) -> bool, occurred_at: Time, _: Option<Id>) {
        if changed("is_active") {
            self.deactivated_at = (!self.is_active).then_some(occurred_at);
        }
    }

    fn derive(&mut self, _: Time, _: &Definitions) {
        self.name = full_name(self.first_name.as_deref(), self.last_name.as_deref())
            .or_else(|| self.email.clone())
            .unwrap_or_default();
    }
}

/// "Ada Lovelace" from its parts; `None` from nothing.
pub(crate) fn full_name(first: Option<&str>, last: Option<&str>) -> Option<String> {
    match (first, last) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (Some(first), Some(last)) => Some(cut(format!("{first} {last}"))),
    }
}

/// Two names of the greatest length together would be longer than a name may be.
fn cut(mut name: String) -> String {
    if let Some((end, _)) = name.char_indices().nth(crate::schema::MAX_TEXT) {
        name.truncate(end);
    }
    name
}
