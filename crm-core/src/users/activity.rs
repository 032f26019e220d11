//! Deactivating users, which hands over what is theirs, and activating them again.

use crate::{
    engine::{
        collection::Collection,
        draft::{Draft, Pending, Sets, Step, Stop, asked_for},
    },
    model::{
        error::Error,
        records::{
            job::{Job, Moved},
            user::{User, UserFields},
        },
        schema::Record,
        value::{Id, Kind, Ref, Value},
    },
};

/// What becomes of a deactivated user's open records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Handover {
    /// They go to this user.
    TransferTo(Id),
    /// They stay as they are, on purpose.
    Leave,
}

impl Collection<'_, User> {
    /// Deactivates a user: they may no longer act, and nothing new may be given to them from this moment on. Then
    /// their leads, contacts, companies, open deals and open tasks go to another user; what has been given to
    /// somebody else meanwhile stays with them. The last administrator stays. This is the job
    /// [`Collection::deactivate_user`], done to its end.
    ///
    /// # Errors
    /// As [`Collection::deactivate_user`] and [`Collection::resume`]; [`Error::Invalid`] where the job fails.
    pub async fn deactivate(&self, id: Id, handover: Handover) -> Result<Moved, Error> {
        let jobs = Collection::<Job>::new(self.engine, self.actor);
        jobs.complete(jobs.deactivate_user(id, handover, None).await?).await
    }

    /// Lets a user act again.
    pub fn activate(&self, id: Id) -> Pending<Record<User>> {
        self.set_active(id, true, Handover::Leave)
    }

    pub(crate) fn set_active(&self, id: Id, active: bool, handover: Handover) -> Pending<Record<User>> {
        let record = Ref::new(Kind::User, id);
        let action = if active { "activate" } else { "deactivate" };
        let asked = asked_for(&(id, handover));
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

/// Makes a user active or not; whoever is to have what is theirs must be active.
pub(crate) fn set_active(
    draft: &mut Draft<'_>,
    id: Id,
    active: bool,
    handover: Handover,
    step: Step,
) -> Result<(), Stop> {
    if let Handover::TransferTo(to) = handover {
        if to == id {
            return Err(Error::invalid("transfer_to", "same", "must be another user").into());
        }
        let target = draft.peek(Ref::new(Kind::User, to))?.ok_or(Stop::not_found(Kind::User))?;
        if target.is_archived() || target.at(UserFields::is_active) != &Value::Bool(true) {
            return Err(Error::invalid("transfer_to", "inactive", "must be an active user").into());
        }
    }
    let own = [(UserFields::is_active as usize, Value::Bool(active))];
    draft.update(Ref::new(Kind::User, id), Sets::own(&own), step)
}
