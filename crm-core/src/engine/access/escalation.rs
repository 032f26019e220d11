//! Nobody makes themselves, or anybody, more than they are. What a user, a role, a team and an API key may become, their rules
//! say in these words.

use super::RoleSet;
use crate::{
    engine::draft::{Draft, Stop},
    model::{
        access::{Action, FieldAccess, FieldRule, Grant, Permission, Scope},
        error::Error,
        schema::Image,
        value::{Kind, Ref},
    },
};

/// Nothing where the actor holds all that is granted, and `whole`, of which it is a part, is held to every field rule
/// that the actor is held to.
pub(crate) fn demand_no_more(draft: &Draft<'_>, granted: &RoleSet, whole: &RoleSet) -> Result<(), Stop> {
    let own = draft.cx.access.roles();
    if let Some(grant) = granted.all().find(|grant| !own.covers(grant)) {
        return Err(Error::forbidden(Permission::new(grant.resource, grant.action)).into());
    }
    if !own.covers_unread(granted) {
        let message = "the role has a grant stored by a newer version of the program that this version cannot read: \
                       only users who have the role or `admin` may assign it";
        return Err(Error::invalid("grants", "unknown_grant", message).into());
    }
    if let Some(rule) = own.rules().find(|rule| whole.touches(rule.kind) && !whole.has_rule(rule)) {
        return Err(of_rule(rule).into());
    }
    Ok(())
}

/// The refusal of what would spare somebody a field rule.
pub(crate) fn of_rule(rule: &FieldRule) -> Error {
    let action = if rule.access == FieldAccess::ReadOnly { Action::Update } else { Action::Read };
    Error::Forbidden { permission: Permission::new(rule.kind, action), field: Some(rule.field.clone()), scope: None }
}

/// True where the second set allows anything, or shows any field, that the first does not.
pub(crate) fn raises(now: &RoleSet, then: &RoleSet) -> bool {
    then.all().any(|grant| !now.covers(grant))
        || !now.covers_unread(then)
        || now.rules().any(|rule| !then.has_rule(rule))
}

/// True where what these roles grant depends on the teams that one is in.
pub(crate) fn depends_on_teams(roles: &RoleSet) -> bool {
    let everywhere = |grant: &Grant| {
        let all = roles.grants(Permission::new(grant.resource, grant.action)).iter();
        grant.scope == Scope::All || all.into_iter().any(|one| one.scope == Scope::All && one.condition.is_none())
    };
    !roles.all().all(everywhere)
}

/// Whoever changes what somebody may do relies on what they may do themselves: a commit that overtakes the withdrawal of
/// that is decided again.
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
