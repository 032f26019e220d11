//! Deactivating users with a handover of their records, and activating them again.

use crate::{
    engine::{
        collection::Collection,
        draft::{Draft, Input, Pending, Step, Stop, fingerprint},
    },
    model::{
        error::Error,
        records::{
            job::{Job, Moved},
            user::{User, UserFields},
        },
        schema::Record,
        value::{FaultCode, Id, Kind, Ref, Value},
    },
};

/// The handover of a deactivated user's open records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Handover {
    /// They are transferred to this user.
    TransferTo(Id<User>),
    /// They stay as they are.
    Leave,
}

impl Collection<'_, User> {
    /// Deactivates a user, who immediately may neither act nor be assigned anything new. The user's leads, contacts,
    /// companies, open deals and open tasks are then transferred to another user, except records that were reassigned
    /// meanwhile. The last administrator cannot be deactivated. Runs the job [`Collection::deactivate_user`] to its
    /// end.
    ///
    /// # Errors
    /// As [`Collection::deactivate_user`] and [`Collection::resume`]; [`Error::Invalid`] if the job fails.
    pub async fn deactivate(&self, id: Id<User>, handover: Handover) -> Result<Moved, Error> {
        let jobs = Collection::<Job>::new(self.engine, self.actor);
        jobs.complete(jobs.deactivate_user(id, handover, None).await?).await
    }

    /// Activates a user.
    pub fn activate(&self, id: Id<User>) -> Pending<Record<User>> {
        self.set_active(id, true, Handover::Leave)
    }

    pub(crate) fn set_active(&self, id: Id<User>, active: bool, handover: Handover) -> Pending<Record<User>> {
        let record = Ref::new(Kind::User, id);
        let action = if active { "activate" } else { "deactivate" };
        let asked = fingerprint(&(id, handover));
        Pending::new(
            self.engine,
            self.actor,
            action,
            asked,
            vec![record.into(), Ref::new(Kind::Credential, id).into()],
            move |draft: &mut Draft<'_>, step: Step| {
                set_active(draft, id, active, handover, step)?;
                Ok(vec![record])
            },
        )
        .on(record, vec!["is_active".to_owned()])
    }
}

/// Sets whether a user is active; the recipient of a handover must be active.
pub(crate) fn set_active(
    draft: &mut Draft<'_>,
    id: Id<User>,
    active: bool,
    handover: Handover,
    step: Step,
) -> Result<(), Stop> {
    if let Handover::TransferTo(to) = handover {
        if to == id {
            return Err(Error::invalid("transfer_to", FaultCode::Same, "must be another user").into());
        }
        let target = draft.peek(Ref::new(Kind::User, to))?.ok_or(Stop::not_found(Kind::User))?;
        if target.is_archived() || target.at(UserFields::is_active) != &Value::Bool(true) {
            return Err(Error::invalid("transfer_to", FaultCode::Inactive, "must be an active user").into());
        }
    }
    let own = [(UserFields::is_active as usize, Value::Bool(active))];
    draft.update(Ref::new(Kind::User, id), Input::system(&own), step)
}
