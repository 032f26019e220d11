//! What a role grants in effect. The grants of built-in roles are the program's: a role's record holds only what its
//! organization changed, so that a new kind or action is granted in every organization as soon as the program knows it.

use crate::{
    engine::{access::Access, collection::Collection, draft},
    model::{
        access::{Action, Grant, Permission},
        error::Error,
        records::role::{Role, RoleFields},
        schema::Image,
        value::{Id, Kind, Ref},
    },
};

impl Role {
    /// True where a stored grant could not be read: a newer program's, of an action or kind that this one does not know.
    pub(crate) fn has_unread(&self, stored: &Image) -> bool {
        stored.at(RoleFields::grants).items().len() > self.grants.len()
    }
}

impl Collection<'_, Role> {
    /// What a role grants in effect, by permission: what the program gives to a built-in one and the organization does
    /// not withhold, what is added, and what is inherited. Nothing while the role is archived. One read.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the actor may not read the role; [`Error::Forbidden`] where a field that tells what it
    /// grants is hidden from them.
    pub async fn grants(&self, id: Id) -> Result<Vec<Grant>, Error> {
        let record = Ref::new(Kind::Role, id);
        let outcome = draft::decide_only(self.engine, self.actor, &[record.into()], &move |draft| {
            draft.read(record)?;
            Ok(vec![record])
        })
        .await?;
        let access = Access::new(self.actor, &outcome.definitions, outcome.now);
        if ["grants", "withheld", "inherits"].iter().any(|field| access.is_hidden(Kind::Role, field)) {
            return Err(Error::forbidden(Permission::new(Kind::Role, Action::Read)));
        }
        let mut grants: Vec<Grant> = outcome.definitions.role_set(&[id]).all().cloned().collect();
        // Within a permission they are in order already: the widest first.
        grants.sort_by_key(|grant| Permission::new(grant.resource, grant.action));
        Ok(grants)
    }
}
