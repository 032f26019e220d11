//! The rules of contacts.

use super::record::{Contact, ContactEmail, ContactFields};
use crate::{
    engine::{
        definitions::Definitions,
        rules::{ClaimsOf, Rules, Settle},
    },
    model::{
        schema::Record,
        value::{FaultCode, FieldValue, Time, Value, normalize_email, normalize_phone, normalize_url},
    },
    users::rules::full_name,
};

impl Rules for Contact {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        // The name follows first and last name unless a different one was given, now or earlier.
        let made = full_name(after.first_name.as_deref(), after.last_name.as_deref());
        let followed = before.is_none_or(|before| {
            full_name(before.first_name.as_deref(), before.last_name.as_deref()).as_deref()
                == Some(before.name.as_str())
        });
        if let Some(made) = made
            && (after.name.is_empty()
                || (before.is_some_and(|before| before.name == after.name)
                    && followed
                    && !(cx.named)(ContactFields::name as usize)))
        {
            after.name = made;
        }
        // Stored values are in the normal form of the time at which they were written.
        let (emails, phones, social) = before.map_or((&[][..], &[][..], &[][..]), |before| {
            (before.emails.as_slice(), before.phones.as_slice(), before.social.as_slice())
        });
        let new_emails = after.emails.iter_mut().enumerate();
        for (at, entry) in new_emails.filter(|(_, new)| emails.iter().all(|old| old.email != new.email)) {
            match normalize_email(&entry.email) {
                Ok(email) => entry.email = email,
                Err(fault) => cx.faults.add(format!("emails[{at}].email"), fault),
            }
        }
        let new_phones = after.phones.iter_mut().enumerate();
        for (at, entry) in new_phones.filter(|(_, new)| phones.iter().all(|old| old.phone != new.phone)) {
            match normalize_phone(&entry.phone, cx.definitions.default_country()) {
                Ok(phone) => entry.phone = phone,
                Err(fault) => cx.faults.add(format!("phones[{at}].phone"), fault),
            }
        }
        let new_social = after.social.iter_mut().enumerate();
        for (at, link) in new_social.filter(|(_, new)| social.iter().all(|old| old.url != new.url)) {
            match normalize_url(&link.url) {
                Ok(url) => link.url = url,
                Err(fault) => cx.faults.add(format!("social[{at}].url"), fault),
            }
        }
        let mut emails: Vec<&str> = after.emails.iter().map(|entry| entry.email.as_str()).collect();
        emails.sort_unstable();
        if emails.windows(2).any(|pair| pair[0] == pair[1]) {
            cx.faults.push("emails", FaultCode::Duplicate, "must be unique");
        }
        if after.emails.iter().filter(|entry| entry.primary).count() > 1 {
            cx.faults.push("emails", FaultCode::TooMany, "must contain at most one primary address");
        }
        if after.phones.iter().filter(|entry| entry.primary).count() > 1 {
            cx.faults.push("phones", FaultCode::TooMany, "must contain at most one primary number");
        }
    }

    fn derive(&mut self, _: Time, _: &Definitions) {
        let email = self.emails.iter().find(|entry| entry.primary).or(self.emails.first());
        self.email = email.map(|entry| entry.email.clone());
        let phone = self.phones.iter().find(|entry| entry.primary).or(self.phones.first());
        self.phone = phone.map(|entry| entry.phone.clone());
    }

    fn place_key(key: &str, value: &str, definitions: &Definitions) -> Option<(usize, Value)> {
        let shared = definitions.organization().is_some_and(|org| org.allow_shared_emails);
        let emails = vec![ContactEmail { primary: true, ..value.into() }];
        (key == "email" && !shared).then(|| (ContactFields::emails as usize, emails.into_value()))
    }

    const CLAIMS: Option<ClaimsOf<Self>> = Some(|contact, definitions| {
        if definitions.organization().is_some_and(|org| org.allow_shared_emails) {
            return Vec::new();
        }
        contact.emails.iter().map(|entry| ("email", entry.email.clone())).collect()
    });
}
