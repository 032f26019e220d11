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
    listing::ListQuery,
    pipelines::moves::{Moved, Stint},
    schema::{Patch, Record, RecordKind},
    tasks::record::{Task, TaskPatch},
    value::{Id, Kind, Ref, Value},
};

/// What becomes of a deactivated user's open records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// They go to this user.
    TransferTo(Id),
    /// They stay as they are, on purpose.
    Leave,
}

impl Collection<'_, User> {
    /// Deactivates a user: they may no longer act, and nothing new may be given to them from this moment on. Then
    /// their leads, contacts, companies, open deals and open tasks go to another user, one by one. Resumable: called
    /// again, it goes on. The last administrator stays.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a target that is not active, or the user themselves.
    pub async fn deactivate(&self, id: Id, handover: Handover) -> Result<Moved, Error> {
        if handover == Handover::TransferTo(id) {
            return Err(Error::invalid("transfer_to", "same", "must be another user"));
        }
        self.set_active(id, false, handover).await?;
        match handover {
            Handover::TransferTo(to) => self.hand_over_all(id, to, &Stint::whole()).await,
            Handover::Leave => Ok(Moved::default()),
        }
    }

    /// Gives what is a user's to another.
    pub(crate) async fn hand_over_all(&self, id: Id, to: Id, stint: &Stint) -> Result<Moved, Error> {
        let mut moved = Moved::default();
        let owner = || Filter::eq("owner_id", id.to_string());
        let open = || owner().and(Filter::eq("stage_kind", "open"));
        self.hand_over::<Lead>(owner(), "created_at", &LeadPatch::new().owner_id(to), stint, &mut moved).await?;
        self.hand_over::<Contact>(owner(), "created_at", &ContactPatch::new().owner_id(to), stint, &mut moved).await?;
        self.hand_over::<Company>(owner(), "name", &CompanyPatch::new().owner_id(to), stint, &mut moved).await?;
        self.hand_over::<Deal>(open(), "close_date", &DealPatch::new().owner_id(to), stint, &mut moved).await?;
        let tasks = Filter::eq("assignee_id", id.to_string()).and(Filter::eq("is_open", true));
        self.hand_over::<Task>(tasks, "due_at", &TaskPatch::new().assignee_id(to), stint, &mut moved).await?;
        Ok(moved)
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
                if let Handover::TransferTo(to) = handover {
                    let target = draft.peek(Ref::new(Kind::User, to))?.ok_or(Stop::not_found(Kind::User))?;
                    if target.is_archived() || target.get("is_active") != &Value::Bool(true) {
                        return Err(Error::invalid("transfer_to", "inactive", "must be an active user").into());
                    }
                }
                let own = [(UserFields::is_active as usize, Value::Bool(active))];
                draft.update(record, Sets::own(&own), step)?;
                Ok(vec![record])
            },
        )
        .on(record, vec!["is_active".to_owned()])
    }

    async fn hand_over<K: RecordKind>(
        &self,
        filter: Filter,
        sort: &str,
        patch: &Patch<K>,
        stint: &Stint,
        moved: &mut Moved,
    ) -> Result<(), Error> {
        let records = Collection::<K>::new(self.engine, self.actor);
        if moved.unfinished {
            return Ok(());
        }
        let mut ids = Vec::new();
        records
            .for_each(ListQuery::new().filter(filter).sort(sort), |record| {
                ids.push(record.id);
                Ok(())
            })
            .await?;
        for id in ids {
            if stint.skips(id) {
                continue;
            }
            if stint.is_over(self.engine) {
                moved.unfinished = true;
                return Ok(());
            }
            match records.change(id, "hand_over", patch.clone()).await {
                Ok(_) => moved.moved += 1,
                Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. } | Error::Damaged(_))) => {
                    return Err(error);
                }
                Err(error) => moved.held_back.push((id, error)),
            }
        }
        Ok(())
    }
}
