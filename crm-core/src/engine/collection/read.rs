//! Reading one record, and what the actor may do with it.

use std::sync::Arc;

use super::{Collection, key_by};
use crate::{
    engine::{
        access::{Access, Explanation},
        draft::{self, Lookup, Stop},
        view::View,
    },
    model::{
        access::{Action, Permission},
        error::Error,
        schema::{Image, Record, RecordKind, Visibility},
        value::Id,
    },
};

/// The form in which a read returns a record, as the actor sees it: typed, as a view or erased.
pub(crate) trait Projection: Sized + Send {
    /// # Errors
    /// [`Error::Damaged`] if a typed record cannot be read.
    fn project(image: &Arc<Image>, access: &Access<'_>) -> Result<Self, Error>;
}

impl<K: RecordKind> Projection for Record<K> {
    fn project(image: &Arc<Image>, access: &Access<'_>) -> Result<Self, Error> {
        Ok(Self::from_image(&access.mask(image))?)
    }
}

impl Projection for View {
    fn project(image: &Arc<Image>, access: &Access<'_>) -> Result<Self, Error> {
        Ok(Self::new(image, access))
    }
}

impl Projection for Arc<Image> {
    fn project(image: &Arc<Image>, access: &Access<'_>) -> Result<Self, Error> {
        Ok(access.mask(image))
    }
}

impl<K: RecordKind> Collection<'_, K> {
    /// Returns the record with this id, archived or not. One round trip (two if it is visible only through a linked
    /// record).
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, the actor may not see it, or it belongs to another tenant.
    pub async fn get(&self, id: Id<K>) -> Result<Record<K>, Error> {
        self.read(id).await
    }

    /// Like [`Collection::get`], as a view.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub async fn view(&self, id: Id<K>) -> Result<View, Error> {
        self.read(id).await
    }

    async fn read<T: Projection>(&self, id: Id<K>) -> Result<T, Error> {
        let (image, outcome) = draft::read_record(self.engine, self.actor, Self::reference(id)).await?;
        T::project(&image, &outcome.access(self.actor))
    }

    /// Returns the active record that has a unique value: `find("external_id", "42")`, `find("email",
    /// "ada@example.com")`, `find("properties.vat", "DE1")`. One strongly consistent call of the store.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no record that the actor may see has it, [`Error::Invalid`] for a field that is not
    /// unique.
    pub async fn find(&self, field: &str, value: &str) -> Result<Record<K>, Error> {
        self.read_by(field, value).await
    }

    /// Like [`Collection::find`], as a view.
    ///
    /// # Errors
    /// As [`Collection::find`].
    pub async fn view_by(&self, field: &str, value: &str) -> Result<View, Error> {
        self.read_by(field, value).await
    }

    async fn read_by<T: Projection>(&self, field: &str, value: &str) -> Result<T, Error> {
        let hints: Vec<Lookup> = self.likely_claim(field, value).into_iter().collect();
        let outcome = draft::decide_only(self.engine, self.actor, &hints, &mut |draft| {
            let claim = key_by::<K>(&draft.cx.access, draft.cx.definitions, field, value)?.claim;
            let found = draft.peek_claimed(&claim)?.ok_or(Stop::not_found(K::KIND))?;
            draft.read(found.reference())?;
            Ok(vec![found.reference()])
        })
        .await?;
        let image = outcome.images.first().ok_or(Error::NotFound(K::KIND))?;
        T::project(image, &outcome.access(self.actor))
    }

    /// Returns the grant that allows the actor an action on a record, or the reason why none does. The record must be
    /// readable.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub async fn explain(&self, id: Id<K>, action: Action) -> Result<Explanation, Error> {
        let (image, outcome) = draft::read_record(self.engine, self.actor, Self::reference(id)).await?;
        let explanation = outcome.access(self.actor).explain(action, &image);
        let visibility = K::decl().behavior.visibility;
        let by_ends = matches!(visibility, Visibility::ByEnds(..)) && !self.actor.is_system();
        if action == Action::Read && (!explanation.allowed || by_ends) {
            // The record was read, so a rule other than a grant on the record makes it visible.
            let reason = match visibility {
                _ if image.private_to().is_some() => "it is private, and the actor's own or to audit",
                Visibility::ByEnds(..) => "the actor may read both its ends",
                Visibility::BySelf => "everybody may read who they are themselves",
                Visibility::ByUser(_) => "it is the actor's own",
                Visibility::ByGrant | Visibility::ByLinks(_) => "it is linked to a record that the actor may read",
            };
            return Ok(Explanation { allowed: true, grant: None, reason: reason.to_owned(), ..explanation });
        }
        Ok(explanation)
    }

    /// Returns whether any grant gives the actor this permission on this kind.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn may(&self, action: Action) -> Result<bool, Error> {
        let definitions = self.definitions().await?;
        Ok(Access::new(self.actor, &definitions, self.engine.clock.now()).has(Permission::new(K::KIND, action)))
    }

    /// Returns the names of the fields visible to the actor, in declared order, without hidden, secret and internal
    /// fields. One read of the epoch.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn shown_fields(&self) -> Result<Vec<&'static str>, Error> {
        let definitions = self.definitions().await?;
        let access = Access::new(self.actor, &definitions, self.engine.clock.now());
        Ok(crate::engine::view::shown(K::decl(), &access))
    }
}
