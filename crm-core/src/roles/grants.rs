//! The effective grants of roles. The program defines the grants of built-in roles: a role's record contains only what
//! its organization changed, so that a new kind or action is granted in every organization as soon as the program knows
//! it.

use crate::{
    engine::{collection::Collection, draft},
    model::{
        access::{Action, Grant, Permission},
        error::Error,
        records::role::{Role, RoleFields},
        schema::Image,
        value::{Id, Kind, Ref},
    },
};

impl Role {
    /// `true` if a stored grant could not be read, because a newer program stored it for an unknown action or kind.
    pub(crate) fn has_unread(&self, stored: &Image) -> bool {
        stored.at(RoleFields::grants).items().len() > self.grants.len()
    }
}

impl Collection<'_, Role> {
    /// Returns the effective grants of a role, by permission: those that the program gives to a built-in role and the
    /// organization does not withhold, the added ones, and the inherited ones. An archived role grants nothing. Costs
    /// one read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the actor may not read the role; [`Error::Forbidden`] if a field that shows its grants is
    /// hidden from the actor.
    pub async fn grants(&self, id: Id<Role>) -> Result<Vec<Grant>, Error> {
        let (_, outcome) = draft::read_record(self.engine, self.actor, Ref::new(Kind::Role, id)).await?;
        let access = outcome.access(self.actor);
        if ["grants", "withheld", "inherits"].iter().any(|field| access.is_hidden(Kind::Role, field)) {
            return Err(Error::forbidden(Permission::new(Kind::Role, Action::Read)));
        }
        let mut grants: Vec<Grant> = outcome.definitions.role_set(&[id]).all().cloned().collect();
        // Within a permission they are already in order: the widest first.
        grants.sort_by_key(|grant| Permission::new(grant.resource, grant.action));
        Ok(grants)
    }
}
