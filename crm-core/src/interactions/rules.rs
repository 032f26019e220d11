//! The rules of interactions.

use super::record::{BUILT_IN_TYPES, Interaction};
use crate::{
    engine::{
        definitions::Definitions,
        rules::{Rules, Settle},
    },
    model::{
        schema::Record,
        value::{FaultCode, Time},
    },
};

impl Rules for Interaction {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        let own = cx.definitions.organization().map_or(&[][..], |org| org.interaction_types.as_slice());
        let known = BUILT_IN_TYPES.contains(&after.r#type.as_str()) || own.contains(&after.r#type);
        let is_new = !cx.verbatim && before.is_none_or(|before| before.r#type != after.r#type);
        if !after.r#type.is_empty() && !known && is_new {
            let own = own.iter().map(String::as_str).filter(|name| !BUILT_IN_TYPES.contains(name));
            let names: Vec<&str> = BUILT_IN_TYPES.iter().copied().chain(own).collect();
            cx.faults.push("type", FaultCode::UnknownChoice, format!("must be one of {}", names.join(", ")));
        }
        if matches!(after.r#type.as_str(), "email" | "call" | "sms") && after.direction.is_none() {
            cx.faults.push(
                "direction",
                FaultCode::Required,
                "is required for an email, call or SMS: inbound or outbound",
            );
        }
        if before.is_none() && after.user_id.is_none() {
            after.user_id = cx.user;
        }
        // An interaction that is not planned has been held, by default now.
        if after.scheduled_at.is_none() && after.completed_at.is_none() {
            if before.is_none() {
                after.completed_at = Some(cx.occurred_at);
            } else {
                let message = "is required, unless the interaction is planned with scheduled_at";
                cx.faults.push("completed_at", FaultCode::Required, message);
            }
        }
        if after.user_id.is_none() {
            cx.faults.push("user_id", FaultCode::Required, "is required: the user who had the interaction");
        }
        for (at, participant) in after.participants.iter().enumerate() {
            if participant.reference.is_none() && participant.address.as_deref().is_none_or(|a| a.trim().is_empty()) {
                cx.faults.push(format!("participants[{at}]"), FaultCode::Required, "requires a ref or an address");
            }
        }
    }

    fn choices(field: &str, definitions: &Definitions) -> Option<Vec<String>> {
        let own = definitions.organization().map_or(&[][..], |org| org.interaction_types.as_slice());
        let names = BUILT_IN_TYPES.iter().map(|&name| name.to_owned());
        (field == "type").then(|| names.chain(own.iter().cloned()).collect())
    }

    fn derive(&mut self, created_at: Time, _: &Definitions) {
        self.happens_at = Some(self.completed_at.or(self.scheduled_at).unwrap_or(created_at));
        self.is_open = self.scheduled_at.is_some() && self.completed_at.is_none();
    }
}
