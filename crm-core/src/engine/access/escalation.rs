//! Prevention of privilege escalation: no actor can give themselves or others more rights than they have. Used by the
//! rules of users, roles, teams and API keys.

use super::RoleSet;
use crate::{
    engine::draft::{Draft, Stop},
    model::{
        access::{Action, FieldAccess, FieldRule, Grant, Permission, Scope},
        error::Error,
        schema::Image,
        value::{FaultCode, Kind, Ref},
    },
};

/// Checks that the actor has all granted permissions, and that every field rule of the actor also applies to `whole`,
/// the roles that the grants are part of.
pub(crate) fn demand_no_more(draft: &Draft<'_>, granted: &RoleSet, whole: &RoleSet) -> Result<(), Stop> {
    let own = draft.cx.access.roles();
    if let Some(grant) = granted.all().find(|grant| !own.covers(grant)) {
        return Err(Error::forbidden(Permission::new(grant.resource, grant.action)).into());
    }
    if !own.covers_unread(granted) {
        let message = "the role has a grant stored by a newer version of the program that this version cannot read: \
                       only users who have the role or `admin` may assign it";
        return Err(Error::invalid("grants", FaultCode::UnknownGrant, message).into());
    }
    if let Some(rule) = own.rules().find(|rule| whole.touches(rule.kind) && !whole.has_rule(rule)) {
        return Err(of_rule(rule).into());
    }
    Ok(())
}

/// Returns the error for a write that would exempt a user from a field rule.
pub(crate) fn of_rule(rule: &FieldRule) -> Error {
    let action = if rule.access == FieldAccess::ReadOnly { Action::Update } else { Action::Read };
    Error::Forbidden { permission: Permission::new(rule.kind, action), field: Some(rule.field.clone()), scope: None }
}

/// Returns `true` if the second set grants a permission, or shows a field, that the first does not.
pub(crate) fn raises(now: &RoleSet, then: &RoleSet) -> bool {
    then.all().any(|grant| !now.covers(grant))
        || !now.covers_unread(then)
        || now.rules().any(|rule| !then.has_rule(rule))
}

/// Returns `true` if the records that these roles cover depend on the teams of the user.
pub(crate) fn depends_on_teams(roles: &RoleSet) -> bool {
    let everywhere = |grant: &Grant| {
        let all = roles.grants(Permission::new(grant.resource, grant.action)).iter();
        grant.scope == Scope::All || all.into_iter().any(|one| one.scope == Scope::All && one.condition.is_none())
    };
    !roles.all().all(everywhere)
}

/// Guards the actor's own user record when they change rights, so that the write is decided again if their own rights
/// are revoked concurrently.
pub(crate) fn hold_own_rights(draft: &mut Draft<'_>, after: &Image) -> Result<(), Stop> {
    let Some((user, _)) = draft.cx.actor.looked_up() else { return Ok(()) };
    let me = Ref::new(Kind::User, user);
    if me != after.reference()
        && let Some(mine) = draft.peek(me)?
    {
        draft.guard(&mine);
    }
    Ok(())
}
