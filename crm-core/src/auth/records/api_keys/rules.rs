//! The rules of API keys: they are created by their use cases only, which check who may create one, and a revoked key
//! stays revoked.

use crate::{
    auth::records::sessions::rules::stay_over,
    engine::{
        access::escalation::hold_own_rights,
        draft::{self, Draft, Step, Stop},
        rules::Rules,
    },
    model::{access::Action, error::Faults, records::api_key::ApiKey, schema::Image},
};

impl Rules for ApiKey {
    fn complete(draft: &mut Draft<'_>, before: Option<&Image>, after: &mut Image, _: &mut Faults) -> Result<(), Stop> {
        if before.is_none() { draft::demand(draft, Action::Create, after) } else { Ok(()) }
    }

    fn permit(draft: &mut Draft<'_>, _: Option<&Image>, after: &Image) -> Result<(), Stop> {
        hold_own_rights(draft, after)
    }

    fn follow(_: &mut Draft<'_>, before: Option<&Image>, after: &Image, _: Step) -> Result<(), Stop> {
        stay_over(before, after)
    }
}
