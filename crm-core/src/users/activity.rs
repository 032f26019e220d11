//! Deactivating users, which hands over what is theirs, and activating them again.

use super::record::{User, UserFields};
use crate::{
    collection::Collection,
    companies::record::{Company, CompanyPatch},
    contacts::record::{Contact, ContactPatch},
    deals::record::{Deal, DealPatch},
    draft::{Draft, Pending, Sets, Step, Stop, asked_for},
    error::Error,
    filter::Filter,
    leads::record::{Lead, LeadPatch},
    schema::{Patch, Record, RecordKind},
    tasks::record::{Task, TaskPatch},
    value::{Id, Kind, Ref, Value},
    walk::{Moved, Walk},
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
    /// their leads, contacts, companies, open deals and open tasks go to another user, one by one; what has been given to
    /// somebody else meanwhile stays with them. Resumable: called again, it goes on. The last administrator stays.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a target that is not active, or the user themselves.
    pub async fn deactivate(&self, id: Id, handover: Handover) -> Result<Moved, Error> {
        self.set_active(id, false, handover).await?;
        let mut walk = Walk::whole();
        if let Handover::TransferTo(to) = handover {
            self.hand_over_all(id, to, &mut walk).await?;
        }
        Ok(walk.moved)
    }

    /// Gives what is a user's to another.
    pub(crate) async fn hand_over_all(&self, id: Id, to: Id, walk: &mut Walk) -> Result<(), Error> {
        let owner = || Filter::eq("owner_id", id.to_string());
        let open = || owner().and(Filter::eq("stage_kind", "open"));
        let assigned = || Filter::eq("assignee_id", id.to_string()).and(Filter::eq("is_open", true));
        loop {
            self.hand_over::<Lead>(0, owner(), "created_at", &LeadPatch::new().owner_id(to), walk).await?;
            self.hand_over::<Contact>(1, owner(), "created_at", &ContactPatch::new().owner_id(to), walk).await?;
            self.hand_over::<Company>(2, owner(), "name", &CompanyPatch::new().owner_id(to), walk).await?;
            self.hand_over::<Deal>(3, open(), "close_date", &DealPatch::new().owner_id(to), walk).await?;
            self.hand_over::<Task>(4, assigned(), "due_at", &TaskPatch::new().assignee_id(to), walk).await?;
            if !walk.passes_again() {
                return Ok(());
            }
        }
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

    async fn hand_over<K: RecordKind>(
        &self,
        number: usize,
        filter: Filter,
        sort: &str,
        patch: &Patch<K>,
        walk: &mut Walk,
    ) -> Result<(), Error> {
        let records = Collection::<K>::new(self.engine, self.actor);
        walk.list(number, &records, filter, sort, |id| records.change(id, "hand_over", patch.clone())).await
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
