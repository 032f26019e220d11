//! The security log: events that are not changes of a record.

use super::{Auth, AuthError};
use crate::{
    auth::records::security_events::{SecurityEventFields, SecurityEventType},
    engine::draft::{Draft, Input, Step, Stop},
    model::{
        access::Actor,
        schema::MAX_TEXT,
        value::{FieldValue, Id, Kind, Value},
    },
};

/// Adds an entry, with the address and user agent of the actor.
pub(super) fn add(
    draft: &mut Draft<'_>,
    event: SecurityEventType,
    user: Option<Id>,
    detail: Option<&str>,
) -> Result<(), Stop> {
    let origin = draft.cx.actor.origin().cloned();
    let address = origin.as_ref().and_then(|origin| origin.address.clone());
    let user_agent = origin.as_ref().and_then(|origin| origin.user_agent.clone());
    let detail = detail.map(|text| text.chars().filter(|&c| c != '\0').take(MAX_TEXT).collect::<String>());
    let own = [
        (SecurityEventFields::event as usize, event.into_value()),
        (SecurityEventFields::user_id as usize, user.map_or(Value::Null, Value::Id)),
        (SecurityEventFields::address as usize, address.into_value()),
        (SecurityEventFields::user_agent as usize, user_agent.into_value()),
        (SecurityEventFields::detail as usize, detail.into_value()),
    ];
    let id = draft.new_id();
    draft.create(Kind::SecurityEvent, id, Input::system(&own), Step::new("log", None)).map(drop)
}

impl Auth<'_> {
    /// Records in the security log that an actor was refused. `what` describes the refusal, such as the missing
    /// permission. For an unauthenticated request, pass [`Actor::system`] of the tenant it was sent to.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn record_refusal(&self, actor: &Actor, what: &str) -> Result<(), AuthError> {
        // Written as the system, so that it succeeds for an actor who may not write (the organization is suspended).
        let mut system = self.system(actor.tenant());
        if let Some(origin) = self.acting(actor).origin() {
            system = system.through(origin.as_ref().clone());
        }
        let user = actor.user().map(Id::erase);
        self.decide(&system, &[], |draft| add(draft, SecurityEventType::AccessRefused, user, Some(what))).await?;
        Ok(())
    }
}
