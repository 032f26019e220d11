//! The draft as embedders use it: in their own atomic use cases ([`Crm::decide`]) and in commit hooks.

use std::{fmt, marker::PhantomData, sync::Arc};

use serde::Serialize;

use super::{Answer, Draft, Input, Pending, Step, Stop, fingerprint};
use crate::{
    engine::{collection::key_by, crm::Crm, definitions::Definitions},
    model::{
        access::Actor,
        error::Error,
        schema::{Image, Patch, Record, RecordKind},
        value::{FaultCode, Id, Ref, Time},
    },
};

impl Answer for () {
    fn build(_: &[Arc<Image>]) -> Result<Self, Error> {
        Ok(())
    }
}

impl Answer for Vec<Ref> {
    fn build(images: &[Arc<Image>]) -> Result<Self, Error> {
        Ok(images.iter().map(|image| image.reference()).collect())
    }
}

impl Crm {
    /// Runs an atomic use case of the embedder: it reads records, decides, and writes any number of records in one
    /// commit that is stored completely or not at all. All gates, rules and permissions of the built-in use cases
    /// apply.
    ///
    /// The decision is a pure function of the draft and the arguments. It is called again each time it requests a
    /// record that has not been read yet, and after a concurrent change. It must therefore do no I/O, read no clock
    /// except [`Draft::now`] and keep no state between calls. It passes every [`Stop`] on with `?` and returns the
    /// references of the records to return to the caller.
    ///
    /// `action` is the name of the use case in the log. It must contain a dot (`acme.hand_over`); names without one are
    /// reserved for the CRM. `arguments` are serialized for the fingerprint of an idempotency key.
    ///
    /// Costs one read for each level of records that the decision requests, and one commit. A commit holds at most 100
    /// items and 4 MB.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an action without a dot; errors of the decision and of any write.
    ///
    /// ```
    /// # use crm_core::{Crm, Error, MemoryStore, organizations::NewOrganization, leads::{Lead, LeadPatch, NewLead}, tasks::{NewTask, Task}};
    /// # use crm_core::{schema::Record, value::{Kind, Ref}};
    /// # futures::executor::block_on(async {
    /// # let crm = Crm::new(MemoryStore::new());
    /// # let admin = crm.bootstrap(NewOrganization { name: "Acme".into(), ..Default::default() }).await?;
    /// # let lead = crm.leads(&admin).create(NewLead { name: "Ada".into(), ..Default::default() }).await?.id;
    /// // Updates the lead and creates a task, both or neither.
    /// let called = crm
    ///     .decide::<Record<Lead>, _, _>(&admin, "acme.call_back", lead, |draft, &lead| {
    ///         let name = draft.of::<Lead>().get(lead)?.name.clone();
    ///         draft.of::<Lead>().update(lead, LeadPatch::new().source("phone"))?;
    ///         let about = Ref::new(Kind::Lead, lead);
    ///         draft.of::<Task>().create(NewTask { title: format!("Call {name}"), links: vec![about], ..Default::default() })?;
    ///         Ok(vec![about])
    ///     })
    ///     .await?;
    /// assert_eq!(called.source.as_deref(), Some("phone"));
    /// assert_eq!(crm.leads(&admin).history(lead).await?.last().unwrap().action, "acme.call_back");
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    pub fn decide<T, A, D>(&self, actor: &Actor, action: &'static str, arguments: A, decide: D) -> Pending<T>
    where
        T: Answer,
        A: Serialize + Clone + Send + Sync + 'static,
        D: Fn(&mut Draft<'_>, &A) -> Result<Vec<Ref>, Stop> + Send + Sync + Clone + 'static,
    {
        let asked = fingerprint(&arguments);
        Pending::new(&self.engine, actor, action, asked, Vec::new(), move |draft, _| {
            if !action.contains('.') {
                let message = "must have a dot in it, such as `acme.hand_over`: other names are the CRM's own";
                return Err(Error::invalid("action", FaultCode::Reserved, message).into());
            }
            decide(draft, &arguments)
        })
    }
}

impl<'a> Draft<'a> {
    /// Returns the time of the decision, by the CRM's clock.
    pub fn now(&self) -> Time {
        self.cx.now
    }

    /// Returns the actor.
    pub fn actor(&self) -> &'a Actor {
        self.cx.actor
    }

    /// Returns the definitions under which the decision is made.
    pub fn definitions(&self) -> &'a Definitions {
        self.cx.definitions
    }

    /// Returns the records of a kind in this draft.
    pub fn of<K: RecordKind>(&mut self) -> DraftOf<'_, 'a, K> {
        DraftOf { draft: self, kind: PhantomData }
    }

    /// Returns the records of a kind that this commit creates or changes, as decided so far. Records with changes of
    /// computed fields only are not included. The records are complete, also where fields are hidden from the actor.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a stored value does not have the type of its field.
    pub fn changed<K: RecordKind>(&self) -> Result<Vec<Changed<K>>, Stop> {
        let of_kind = self.moved().into_iter().filter(|moved| moved.after.kind() == K::KIND);
        of_kind
            .map(|moved| {
                let before = moved.before.as_deref().map(Record::from_image).transpose()?;
                let fields = moved.fields.iter().map(ToString::to_string).collect();
                Ok(Changed { before, after: Record::from_image(&moved.after)?, fields })
            })
            .collect()
    }
}

impl fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("action", &self.step.action).finish_non_exhaustive()
    }
}

/// A record that a commit creates or changes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Changed<K> {
    /// The record before the commit; `None` for a new one.
    pub before: Option<Record<K>>,
    /// The record after the commit.
    pub after: Record<K>,
    /// The fields that changed.
    pub fields: Vec<String>,
}

/// The records of one kind in a draft. Every method reads the records it needs, or stops with [`Stop::Need`], which the
/// decision passes on.
#[derive(Debug)]
pub struct DraftOf<'d, 'a, K> {
    draft: &'d mut Draft<'a>,
    kind: PhantomData<K>,
}

impl<K: RecordKind> DraftOf<'_, '_, K> {
    /// Returns the record as it is in this draft, without fields that the actor may not see.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist or the actor may not see it.
    pub fn get(&mut self, id: Id<K>) -> Result<Record<K>, Stop> {
        let image = self.draft.read(Ref::new(K::KIND, id))?;
        Ok(Record::from_image(&self.draft.cx.access.mask(&image))?)
    }

    /// Returns the complete record as it is in this draft, regardless of the actor's permissions, for rules of the
    /// program. `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a stored value does not have the type of its field.
    pub fn peek(&mut self, id: Id<K>) -> Result<Option<Record<K>>, Stop> {
        let image = self.draft.peek(Ref::new(K::KIND, id))?;
        Ok(image.as_deref().map(Record::from_image).transpose()?)
    }

    /// Returns the active record that has a unique value, if the actor may see it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a field that is not unique.
    pub fn find(&mut self, field: &str, value: &str) -> Result<Option<Record<K>>, Stop> {
        let cx = self.draft.cx;
        let claim = key_by::<K>(&cx.access, cx.definitions, field, value)?.claim;
        let Some(found) = self.draft.peek_claimed(&claim)? else { return Ok(None) };
        match self.get(found.id.typed()) {
            Err(Stop::Refuse(Error::NotFound(_))) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Creates a record and returns it as it will be stored.
    ///
    /// # Errors
    /// As [`Collection::create`](crate::engine::collection::Collection::create); [`Error::Invalid`] for a kind whose records
    /// are created only by use cases of the CRM, such as sessions.
    pub fn create(&mut self, new: K::New) -> Result<Record<K>, Stop> {
        if K::decl().behavior.made_by_use_cases || K::KIND.is_internal() {
            let message = format!("{} records are created only by their own use cases: call those", K::KIND);
            return Err(Error::invalid("kind", FaultCode::NotCreated, message).into());
        }
        let patch: Patch<K> = new.into();
        let (id, step) = (self.draft.new_id(), self.draft.step);
        self.draft.create(K::KIND, id, Input::user(patch.sets()), step)?;
        self.get(id.typed())
    }

    /// Updates a record and returns it as it will be stored.
    ///
    /// # Errors
    /// As [`Collection::update`](crate::engine::collection::Collection::update).
    pub fn update(&mut self, id: Id<K>, patch: Patch<K>) -> Result<Record<K>, Stop> {
        let (sets, step) = (patch.into_sets(), self.draft.step);
        self.draft.update(Ref::new(K::KIND, id), Input::user(&sets), step)?;
        self.get(id)
    }

    /// Archives a record. Does nothing if it is already archived.
    ///
    /// # Errors
    /// As [`Collection::archive`](crate::engine::collection::Collection::archive).
    pub fn archive(&mut self, id: Id<K>) -> Result<(), Stop> {
        let step = self.draft.step;
        self.draft.archive(Ref::new(K::KIND, id), step)
    }

    /// Restores an archived record.
    ///
    /// # Errors
    /// As [`Collection::restore`](crate::engine::collection::Collection::restore).
    pub fn restore(&mut self, id: Id<K>) -> Result<(), Stop> {
        let step = self.draft.step;
        self.draft.restore(Ref::new(K::KIND, id), &[], step)
    }

    /// Makes the commit depend on a record that was read: if the record changes concurrently, the decision is made
    /// again. Records that this draft writes are guarded anyway.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the record does not exist.
    pub fn hold(&mut self, id: Id<K>) -> Result<(), Stop> {
        let image = self.draft.peek(Ref::new(K::KIND, id))?.ok_or(Stop::not_found(K::KIND))?;
        self.draft.guard(&image);
        Ok(())
    }
}

/// The step of a draft before a use case has set one.
pub(super) const NO_STEP: Step = Step::new("decide", None);
