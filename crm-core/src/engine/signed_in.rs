//! The actor of a user: looks up a user's record and checks that the user may act.

use crate::{
    engine::{
        draft::{self, Lookup, Stop},
        runtime::Engine,
    },
    model::{
        access::Actor,
        error::Error,
        records::user::User,
        schema::Record,
        store::Want,
        value::{Id, Kind},
    },
};

/// Returns the user that a lookup finds as an actor, whose permissions are looked up in each use case. One round trip.
///
/// # Errors
/// [`Error::NotFound`] if there is no such active user.
pub(crate) async fn actor_of(engine: &Engine, tenant: Id, lookup: Lookup) -> Result<Actor, Error> {
    let system = Actor::system(tenant);
    let wanted = lookup.clone();
    let outcome = draft::decide_only(engine, &system, &[lookup], &mut move |draft| {
        let found = match &wanted {
            Lookup::Want(Want::Claimed(claim)) => draft.peek_claimed(claim)?,
            Lookup::Want(Want::Record(record)) => draft.peek(*record)?,
            _ => None,
        };
        Ok(vec![found.ok_or(Stop::not_found(Kind::User))?.reference()])
    })
    .await?;
    let image = outcome.images.first().ok_or(Error::NotFound(Kind::User))?;
    let user = Record::<User>::from_image(image)?;
    if !user.is_active || user.archived_at.is_some() {
        return Err(Error::NotFound(Kind::User));
    }
    Ok(Actor::signed_in(tenant, user.id))
}
