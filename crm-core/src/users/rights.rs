//! The effects of a write of a user on permissions: which roles and teams the actor may assign, the last administrator,
//! sessions.

use crate::{
    auth::records::credentials::next_generation,
    engine::{
        access::{
            escalation::{demand_no_more, depends_on_teams, of_rule, raises},
            may_act,
        },
        draft::{Draft, Step, Stop},
    },
    model::{
        access::{Action, FieldRule, Permission, Scope},
        error::Error,
        records::{organization::OrganizationFields, role::Role, team::Team, user::UserFields},
        schema::{Image, common},
        value::{FaultCode, Id, Kind, Ref, Value},
    },
};

fn ids_of<K>(image: &Image, field: UserFields) -> Vec<Id<K>> {
    image.at(field).items().iter().filter_map(Value::as_id).map(Id::typed).collect()
}

/// Nobody may give anybody more permissions than they have: an actor who assigns a role must hold all its grants and be
/// subject to its field rules; an assigned team must be visible to the actor; and the external id and email address,
/// which identify a user at sign-in, cannot be changed for a user with more permissions than the actor.
pub(super) fn check_roles(draft: &Draft<'_>, before: Option<&Image>, after: &Image) -> Result<(), Stop> {
    let definitions = draft.cx.definitions;
    // Archived and inactive users have no effective roles: restoring or activating them gives them all their roles.
    let in_effect = |image: &Image| {
        let live = !image.is_archived() && image.at(UserFields::is_active) == &Value::Bool(true);
        if live { ids_of(image, UserFields::role_ids) } else { Vec::new() }
    };
    let others = draft.cx.actor.user() != Some(after.id.typed());
    let had = before.map(in_effect).unwrap_or_default();
    let given: Vec<Id<Role>> = in_effect(after).into_iter().filter(|role| !had.contains(role)).collect();
    if !given.is_empty() {
        let whole = definitions.role_set(&ids_of(after, UserFields::role_ids));
        demand_no_more(draft, &definitions.role_set(&given), &whole)?;
    } else if let Some(before) =
        before.filter(|before| others && before.at(UserFields::role_ids) != after.at(UserFields::role_ids))
    {
        // Nor may anybody exempt another user from a field rule that applies to themselves.
        let (were, are) = (
            definitions.role_set(&ids_of(before, UserFields::role_ids)),
            definitions.role_set(&ids_of(after, UserFields::role_ids)),
        );
        let spared = |rule: &&FieldRule| were.has_rule(rule) && !are.has_rule(rule);
        if let Some(rule) = draft.cx.access.roles().rules().find(spared) {
            return Err(of_rule(rule).into());
        }
    }
    if let Some(before) = before.filter(|_| others)
        && (before.at(UserFields::email) != after.at(UserFields::email)
            || before.values[common::EXTERNAL_ID] != after.values[common::EXTERNAL_ID])
    {
        let theirs = definitions.role_set(&ids_of(before, UserFields::role_ids));
        demand_no_more(draft, &theirs, &theirs)?;
    }
    let action = if before.is_some() { Action::Update } else { Action::Create };
    let permission = Permission::new(Kind::User, action);
    if draft.cx.access.widest(permission) != Some(Scope::All) {
        let mine = draft.cx.access.team_ids();
        let were = before.map(|before| ids_of(before, UserFields::team_ids)).unwrap_or_default();
        if ids_of::<Team>(after, UserFields::team_ids).iter().any(|team| !were.contains(team) && !mine.contains(team)) {
            return Err(Error::Forbidden { permission, field: Some("team_ids".to_owned()), scope: None }.into());
        }
    }
    Ok(())
}

/// Nobody may extend their own permissions by changing their roles or teams, regardless of their permissions. A
/// deactivated user may not reactivate themselves.
pub(super) fn keep_own_rights(draft: &Draft<'_>, before: &Image, after: &Image) -> Result<(), Stop> {
    if draft.cx.actor.user() != Some(after.id.typed()) {
        return Ok(());
    }
    let definitions = draft.cx.definitions;
    let refuse = |field| Err(Error::OwnRights { field }.into());
    if before.is_archived() && !after.is_archived() {
        return refuse("archived_at");
    }
    let active = Value::Bool(true);
    if before.at(UserFields::is_active) != &active && after.at(UserFields::is_active) == &active {
        return refuse("is_active");
    }
    // From the user's own record, regardless of roles asserted elsewhere.
    let [had, has] = [before, after].map(|image| ids_of(image, UserFields::role_ids));
    if had != has && raises(&definitions.role_set(&had), &definitions.role_set(&has)) {
        return refuse("role_ids");
    }
    let were: Vec<Id<Team>> = ids_of(before, UserFields::team_ids);
    let is_more = ids_of::<Team>(after, UserFields::team_ids).iter().any(|team| !were.contains(team));
    // Without the limits of an API key, which stay the same.
    let now = definitions.role_set(draft.cx.access.role_ids());
    if is_more && depends_on_teams(&now) { refuse("team_ids") } else { Ok(()) }
}

/// Deactivation ends all sessions of a user, regardless of the use case: a reactivated user has to sign in again.
pub(super) fn end_sessions(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &Image,
    step: Step,
) -> Result<(), Stop> {
    if !before.is_some_and(may_act) || may_act(after) {
        return Ok(());
    }
    let credential = Ref::new(Kind::Credential, after.id);
    let Some(image) = draft.peek(credential)? else { return Ok(()) };
    draft.update_for_rule(credential, &[next_generation(&image)?], Step::new(step.action, None))
}

/// The organization stores the ids of its administrators, updated in the same commit; the last one cannot be removed.
pub(super) fn keep_admins(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &Image,
    step: Step,
) -> Result<(), Stop> {
    if step.action == "bootstrap" {
        return Ok(());
    }
    let Some(admin) = draft.cx.definitions.role_by_key("admin").map(|role| role.id) else { return Ok(()) };
    let is_admin =
        |image: &Image| may_act(image) && image.at(UserFields::role_ids).items().contains(&Value::from(admin));
    let (was, is) = (before.is_some_and(is_admin), is_admin(after));
    if was == is {
        return Ok(());
    }
    let organization = Ref::new(Kind::Organization, draft.cx.actor.tenant());
    let image = draft.peek(organization)?.ok_or(Stop::not_found(Kind::Organization))?;
    let mut admins: Vec<Value> = image.at(OrganizationFields::admin_ids).items().to_vec();
    admins.retain(|id| id != &Value::Id(after.id));
    if is {
        admins.push(Value::Id(after.id));
        if admins.len() > 50 {
            return Err(Error::TooLarge { what: "the number of administrators", limit: 50 }.into());
        }
    } else if admins.is_empty() {
        return Err(Error::invalid(
            "role_ids",
            FaultCode::LastAdmin,
            "the last administrator cannot be removed: add another one first",
        )
        .into());
    }
    let at = OrganizationFields::admin_ids as usize;
    draft.update_for_rule(organization, &[(at, Value::List(admins.into()))], Step::new(step.action, None))
}
