//! The gates that every write passes: permissions, field rules, what must be filled, custom properties, roles that one
//! may give, the last administrator.

use std::{collections::BTreeMap, sync::Arc};

use super::{Draft, Step, Stop};
use crate::{
    access::{Action, FieldAccess, FieldRule, Grant, Permission, RoleSet, Scope},
    contacts::record::ContactFields,
    credentials::record::CredentialFields,
    definitions::Definitions,
    error::{Error, Faults},
    interactions::record::InteractionFields,
    jobs::record::JobFields,
    notes::record::NoteFields,
    organizations::record::OrganizationFields,
    pipelines::record::{PipelineFields, PipelineKind},
    properties::{
        record::Property,
        typing::{check_property, map_of, property_type, written_type},
    },
    roles::record::RoleFields,
    schema::{FieldType, Image, KindDecl, Record, RecordKind, Section, common},
    teams::record::TeamFields,
    users::record::UserFields,
    value::{FieldValue, Id, Kind, Ref, Value},
};

/// Whether the actor may read a record: by a grant, or, of an activity, through a record it is linked to. A private
/// note is its author's alone, and an auditor's. An association is read by who may read both its ends.
pub(crate) fn may_read(draft: &mut Draft<'_>, image: &Image) -> Result<bool, Stop> {
    let access = &draft.cx.access;
    if draft.cx.actor.is_system() {
        return Ok(true);
    }
    // What follows may let an actor see what no grant covers; limits hold for that too.
    if !access.is_within_limits(Permission::new(image.kind(), Action::Read)) {
        return Ok(false);
    }
    if image.kind() == Kind::Note && image.at(NoteFields::is_private) == &Value::Bool(true) {
        let author = image.at(NoteFields::author_id).as_id();
        return Ok(author.is_some() && author == draft.cx.actor.user() || access.allows(Action::ReadPrivate, image));
    }
    if image.kind() == Kind::User && Some(image.id) == draft.cx.actor.user() {
        return Ok(true);
    }
    // Whoever asked for a job may see how far it is.
    if image.kind() == Kind::Job
        && image.at(JobFields::user_id).as_id().is_some_and(|asked| Some(asked) == draft.cx.actor.user())
    {
        return Ok(true);
    }
    if may_read_itself(draft, image)? {
        return Ok(true);
    }
    if !matches!(image.kind(), Kind::Task | Kind::Interaction | Kind::Note) {
        return Ok(false);
    }
    let links: Vec<Ref> = image
        .at(InteractionFields::links)
        .items()
        .iter()
        .filter_map(|v| if let Value::Ref(r) = v { Some(*r) } else { None })
        .collect();
    for link in &links {
        draft.want(*link);
    }
    draft.stop_if_missing()?;
    for link in links {
        if let Some(target) = draft.peek(link)?
            && may_read_itself(draft, &target)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Nothing where the actor may create the record. What only use cases of sign-in make needs no grant: whether the
/// actor may do what it comes from, they have asked.
pub(crate) fn demand_creation(draft: &Draft<'_>, image: &Image) -> Result<(), Stop> {
    match image.kind() {
        Kind::Credential | Kind::Session | Kind::Throttle | Kind::SecurityEvent | Kind::Job => Ok(()),
        _ => demand(draft, Action::Create, image),
    }
}

/// Whether the actor may read a record for what it is, not for what it is linked to: by a grant on it, or, of an
/// association, by grants on both its ends. A grant on associations says nothing of what they tie.
fn may_read_itself(draft: &mut Draft<'_>, image: &Image) -> Result<bool, Stop> {
    if image.kind() != Kind::Association {
        return Ok(draft.cx.access.allows(Action::Read, image));
    }
    let ends = crate::associations::ends(image);
    for end in ends.into_iter().flatten() {
        draft.want(end);
    }
    draft.stop_if_missing()?;
    for end in ends {
        let end = end.map(|end| draft.peek(end)).transpose()?.flatten();
        if !end.is_some_and(|end| draft.cx.access.allows(Action::Read, &end)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Nothing where the actor may do this to the record.
pub(crate) fn demand(draft: &Draft<'_>, action: Action, image: &Image) -> Result<(), Stop> {
    if draft.cx.access.allows(action, image) { Ok(()) } else { Err(draft.cx.access.refusal(action, image).into()) }
}

/// A field that the actor may not see does not exist; one that the actor may only read is refused, unless its value is
/// the one that is there.
pub(crate) fn check_field_rules(
    draft: &Draft<'_>,
    current: &Image,
    asked: &[(usize, Value)],
    faults: &mut Faults,
) -> Result<(), Stop> {
    let (kind, decl) = (current.kind(), current.decl);
    let access = &draft.cx.access;
    let mut check = |name: &str, unchanged: bool| -> Result<(), Stop> {
        if access.is_hidden(kind, name) {
            // The same words as of a property that there is none of.
            let what = if name.starts_with("properties.") { "custom property" } else { "field" };
            let plain = name.strip_prefix("properties.").unwrap_or(name);
            faults.push(name, "unknown_field", format!("`{kind}` has no {what} `{plain}`"));
        } else if access.is_read_only(kind, name) && !unchanged {
            let permission = Permission::new(kind, Action::Update);
            return Err(Error::Forbidden { permission, field: Some(name.to_owned()), scope: None }.into());
        }
        Ok(())
    };
    for (at, value) in asked {
        let Some(field) = decl.fields.get(*at) else { continue };
        let there = &current.values[*at];
        let map = value.as_map().filter(|_| *at == common::PROPERTIES);
        let held = |key: &str| there.as_map().and_then(|map| map.get(key)).unwrap_or(&Value::Null);
        let same = |(key, value): (&String, &Value)| is_same(held(key), value);
        check(field.name, map.map_or(value == there, |map| map.iter().all(same)))?;
        for (key, value) in map.into_iter().flatten() {
            check(&format!("properties.{key}"), is_same(held(key), value))?;
        }
    }
    Ok(())
}

/// Whether the value of a property, as it is given, is the one that is there. One that cannot be read is shown as null.
fn is_same(held: &Value, given: &Value) -> bool {
    match given {
        Value::Null if matches!(held, Value::Opaque(_)) => true,
        Value::Json(json) if !matches!(held, Value::Json(_)) => **json == held.to_json(),
        given => held == given,
    }
}

/// Who may create only what is theirs, owns what they create without an owner: the only owner that can be meant.
pub(crate) fn own_what_one_creates(draft: &Draft<'_>, after: &mut Image) {
    let permission = Permission::new(after.kind(), Action::Create);
    let owned = matches!(after.kind(), Kind::Lead | Kind::Contact | Kind::Company | Kind::Deal);
    if owned
        && draft.cx.access.widest(permission).is_some_and(|scope| scope < Scope::All)
        && let (Some(user), Some(&field)) = (draft.cx.actor.user(), after.decl.own.first())
        && after.values[field].is_null()
    {
        after.values[field] = Value::Id(user);
    }
}

/// The positions of the one user and the one team that a record of this kind belongs to, where it has both.
fn belonging(decl: &KindDecl) -> Option<(usize, usize)> {
    let (&own, &team) = (decl.own.first()?, decl.team.first()?);
    let fits = decl.fields[own].ty == FieldType::Id(Kind::User) && decl.fields[team].ty == FieldType::Id(Kind::Team);
    fits.then_some((own, team))
}

/// A record belongs to the team of whoever it is given to: the first team of a new owner takes the place of none and of
/// the former owner's first. A team that was chosen, now or before, stays; and so it does where nobody owns the record.
pub(crate) fn follow_owner(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &mut Image,
    named: &dyn Fn(usize) -> bool,
) -> Result<(), Stop> {
    let Some((own, team)) = belonging(after.decl) else { return Ok(()) };
    let former = before.and_then(|before| before.values[own].as_id());
    let Some(owner) = after.values[own].as_id().filter(|&owner| Some(owner) != former) else { return Ok(()) };
    let has_team = !after.values[team].is_null();
    if named(team) && (has_team || before.is_some()) || has_team && former.is_none() {
        return Ok(());
    }
    let of_former = match former.filter(|_| has_team) {
        Some(former) => teams_of(draft, former)?,
        None => Vec::new(),
    };
    let of_owner = teams_of(draft, owner)?;
    let live = |team: &&Id| draft.cx.definitions.may_refer(Kind::Team, **team) == Some(true);
    let (was, is) = (of_former.iter().find(live), of_owner.iter().find(live));
    let current = after.values[team].as_id();
    if !has_team || current == of_former.first().copied() || current == was.copied() {
        after.values[team] = is.map_or(Value::Null, |&team| Value::Id(team));
    }
    Ok(())
}

/// The teams of a user, the first one first; none where the user has not been read yet and is now wanted.
fn teams_of(draft: &mut Draft<'_>, user: Id) -> Result<Vec<Id>, Stop> {
    if Some(user) == draft.cx.actor.user() {
        return Ok(draft.cx.access.own_teams().to_vec());
    }
    match draft.peek(Ref::new(Kind::User, user)) {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(user)) => Ok(user.at(UserFields::team_ids).items().iter().filter_map(Value::as_id).collect()),
        // Wanted with all else that is; the caller stops for them together.
        Err(Stop::Need(lookups)) => {
            draft.want_all(lookups);
            Ok(Vec::new())
        }
        Err(refuse) => Err(refuse),
    }
}

/// A company holds the keys of its name: by them a conversion finds it, strongly consistent and without a list. They are no
/// unique values: of companies that are called the same each takes another place of the key, the first few that there
/// are, and nobody is told of the others.
pub(crate) fn hold_name(draft: &mut Draft<'_>, before: Option<&Image>, after: &mut Image) -> Result<(), Stop> {
    use crate::companies::{name::NameKeys, record::CompanyFields as F};
    if after.kind() != Kind::Company {
        return Ok(());
    }
    // While it keeps its name it keeps its places, and nothing is read.
    if before
        .is_some_and(|before| !before.is_archived() && !after.is_archived() && before.at(F::name) == after.at(F::name))
    {
        return Ok(());
    }
    let NameKeys { whole, stem } = NameKeys::of(after.at(F::name).as_text().unwrap_or_default());
    for (field, key) in [(F::name_claim, Some(whole)), (F::stem_claim, stem)] {
        let at = field as usize;
        after.values[at] = match key.filter(|_| !after.is_archived()) {
            Some(key) => place_of_name(draft, before, after, at, &key)?,
            None => Value::Null,
        };
    }
    Ok(())
}

/// The first place of a key that no other company holds; nothing where all are taken.
fn place_of_name(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &Image,
    at: usize,
    key: &str,
) -> Result<Value, Stop> {
    let places = crate::companies::name::places(key);
    let held = before.filter(|before| !before.is_archived()).map(|before| &before.values[at]);
    if let Some(held) = held.filter(|held| places.iter().any(|place| held.as_text() == Some(place))) {
        return Ok(held.clone());
    }
    for place in places {
        if is_free(draft, after, at, &place)? {
            return Ok(Value::text(place));
        }
    }
    Ok(Value::Null)
}

fn is_free(draft: &mut Draft<'_>, after: &Image, at: usize, key: &str) -> Result<bool, Stop> {
    let has = |image: &Image| !image.is_archived() && image.values[at].as_text() == Some(key);
    if draft.written().any(|other| other.kind() == after.kind() && other.id != after.id && has(other)) {
        return Ok(false);
    }
    let claim = super::claims::claim_of(after.tenant, after.kind(), after.decl.fields[at].name, key);
    match draft.peek_claimed(&claim) {
        Ok(holder) => Ok(holder.is_none_or(|holder| holder.id == after.id)),
        Err(Stop::Need(lookups)) => {
            draft.want_all(lookups);
            Ok(false)
        }
        Err(refuse) => Err(refuse),
    }
}

/// What every record must fulfil: required fields and custom properties are filled.
pub(crate) fn check_record(draft: &Draft<'_>, before: Option<&Image>, after: &Image, faults: &mut Faults) {
    for (field, value) in after.decl.fields.iter().zip(&after.values) {
        let missing = match value {
            Value::Null => true,
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            _ => false,
        };
        let already = faults.all().iter().any(|fault| fault.field == field.name);
        if field.marks.required && missing && field.section == Section::Person && !already {
            faults.push(field.name, "required", "is needed");
        }
    }
    let unknown_user = after.kind() == Kind::User
        && after.at(ContactFields::email).is_null()
        && after.values[common::EXTERNAL_ID].is_null()
        && !faults.all().iter().any(|fault| fault.field == "email");
    if unknown_user {
        faults.push("email", "required", "is needed, unless the user has an external_id");
    }
    let empty = BTreeMap::new();
    let values = after.values[common::PROPERTIES].as_map().unwrap_or(&empty);
    for property in draft.cx.definitions.properties(after.kind()) {
        let was = before.and_then(|before| before.values[common::PROPERTIES].as_map()?.get(&property.key));
        // A record from before the property was required may stay as it is, but may not lose a value it has.
        let can_be_written = property.archived_at.is_none() && property_type(property).is_some();
        let demanded = property.required && can_be_written && (before.is_none() || was.is_some());
        if demanded && !values.contains_key(&property.key) {
            faults.push(format!("properties.{}", property.key), "required", "is needed");
        }
    }
}

/// Gives a new record the defaults of the custom properties that it was created without.
pub(crate) fn fill_defaults(definitions: &Definitions, after: &mut Image) {
    let missing = |property: &&Record<Property>| {
        let given = after.values[common::PROPERTIES].as_map();
        property.archived_at.is_none() && given.is_none_or(|given| !given.contains_key(&property.key))
    };
    let defaults: Vec<(String, Value)> = definitions
        .properties(after.kind())
        .iter()
        .filter(missing)
        .filter_map(|property| {
            let value = property.rules.as_ref()?.default.clone();
            // Checked again: the options may have changed since the default was set.
            let value = check_property(property, value, None, definitions.default_country()).ok()?;
            (!value.is_null()).then(|| (property.key.clone(), value))
        })
        .collect();
    if !defaults.is_empty() {
        let mut all = map_of(&after.values[common::PROPERTIES]);
        all.extend(defaults);
        after.values[common::PROPERTIES] = Value::Map(Arc::new(all));
    }
}

/// Merges custom properties into a record: each key is typed and checked by its definition; null removes it. What is
/// there already stays, though its option or the whole property was removed since, and what the log holds is as it was.
pub(crate) fn place_properties(
    definitions: &Definitions,
    after: &mut Image,
    value: &Value,
    (by_use_case, exactly): (bool, bool),
    country: Option<&str>,
    faults: &mut Faults,
) {
    let Value::Map(given) = value else {
        if !value.is_null() {
            faults.push("properties", "wrong_type", "must be an object of custom properties");
        }
        return;
    };
    let mut all = map_of(&after.values[common::PROPERTIES]);
    for (key, value) in given.iter() {
        let field = format!("properties.{key}");
        let held = all.get(key);
        // A key that nobody ever defined stays unknown, also where nothing is to be set.
        if held.is_some_and(|held| is_same(held, value)) {
            continue;
        }
        let is_archived = || definitions.properties(after.kind()).iter().any(|property| property.key == *key);
        let Some(property) = definitions.property(after.kind(), key) else {
            if by_use_case || exactly || (is_archived() && is_same(&Value::Null, value)) {
                // A value of a property that has been archived since: history may bring it back.
                if value.is_null() {
                    all.remove(key)
                } else {
                    all.insert(key.clone(), value.clone())
                };
            } else {
                let shown: String = key.chars().take(80).collect();
                let message = format!("`{}` has no custom property `{shown}`", after.kind());
                faults.push(format!("properties.{shown}"), "unknown_field", message);
            }
            continue;
        };
        // From outside a property comes as JSON: only its definition tells of which type it is to be.
        let typed = match value {
            Value::Json(json) => written_type(property).and_then(|ty| ty.read_json(json)),
            typed => Ok(typed.clone()),
        };
        let checked = match typed {
            Ok(typed) if exactly => Ok(typed),
            typed => typed.and_then(|typed| check_property(property, typed, held, country)),
        };
        match checked {
            Ok(Value::Null) => {
                all.remove(key);
            }
            Ok(normal) => {
                all.insert(key.clone(), normal);
            }
            Err(fault) => faults.add(field, fault),
        }
    }
    match FieldType::Properties.normalize(Value::Map(Arc::new(all)), None) {
        Ok(all) => after.values[common::PROPERTIES] = all,
        Err(fault) => faults.add("properties", fault),
    }
}

/// Nobody makes themselves, or anybody, more than they are: who gives a role, or grants something in one, must hold all
/// that it grants and be spared no field rule by it; a team is given by who sees it; and who has more than the actor is
/// not brought under another key or address, by which they would sign in.
pub(crate) fn check_roles(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image) -> Result<(), Stop> {
    if draft.cx.actor.is_system() {
        return Ok(());
    }
    match after.kind() {
        Kind::User => check_user_roles(draft, before, after)?,
        Kind::Role => {
            let fields = [RoleFields::grants, RoleFields::withheld, RoleFields::inherits, RoleFields::field_rules];
            let changed = |before: &Image| {
                fields.into_iter().any(|field| before.at(field) != after.at(field))
                    || before.is_archived() != after.is_archived()
            };
            if !before.is_none_or(changed) {
                return Ok(());
            }
            let role = crate::roles::record::Role::decode(&after.values)?;
            let inherited = draft.cx.definitions.role_set(&role.inherits);
            let rules = role.field_rules.iter().chain(inherited.rules());
            let unread = inherited.unread().chain(role.has_unread(after).then_some(after.id));
            let whole = RoleSet::new(role.own_grants().chain(inherited.all()), rules).of(false, unread);
            demand_no_more(draft, &whole, &whole)?;
        }
        _ => {}
    }
    if let Some(before) = before {
        keep_own_rights(draft, before, after)?;
    }
    hold_own_rights(draft, after)
}

/// Whoever changes what somebody may do relies on what they may do themselves: a commit that overtakes the withdrawal of
/// that is decided again.
fn hold_own_rights(draft: &mut Draft<'_>, after: &Image) -> Result<(), Stop> {
    let Some((user, _)) = draft.cx.actor.looked_up() else { return Ok(()) };
    let me = Ref::new(Kind::User, user);
    if me != after.reference()
        && matches!(after.kind(), Kind::User | Kind::Role | Kind::Team | Kind::ApiKey)
        && let Some(mine) = draft.peek(me)?
    {
        draft.guard(&mine);
    }
    Ok(())
}

fn ids_of(image: &Image, field: UserFields) -> Vec<Id> {
    image.at(field).items().iter().filter_map(Value::as_id).collect()
}

/// Nobody raises their own rights, whatever they hold: by other roles or teams of their own, by a role that they have, by
/// a team that comes under theirs. Nobody who may not act brings themselves back.
fn keep_own_rights(draft: &Draft<'_>, before: &Image, after: &Image) -> Result<(), Stop> {
    let (access, definitions) = (&draft.cx.access, draft.cx.definitions);
    let refuse = |field| Err(Error::OwnRights { field }.into());
    // Without the limits of a key: those are no less narrow afterwards.
    let now = definitions.role_set(access.role_ids());
    match after.kind() {
        Kind::User if Some(after.id) == draft.cx.actor.user() => {
            if before.is_archived() && !after.is_archived() {
                return refuse("archived_at");
            }
            let active = Value::Bool(true);
            if before.at(UserFields::is_active) != &active && after.at(UserFields::is_active) == &active {
                return refuse("is_active");
            }
            // By the user's own record, whatever somebody vouches for.
            let [had, has] = [before, after].map(|image| ids_of(image, UserFields::role_ids));
            if had != has && raises(&definitions.role_set(&had), &definitions.role_set(&has)) {
                return refuse("role_ids");
            }
            let were = ids_of(before, UserFields::team_ids);
            let is_more = ids_of(after, UserFields::team_ids).iter().any(|team| !were.contains(team));
            if is_more && depends_on_teams(&now) { refuse("team_ids") } else { Ok(()) }
        }
        Kind::Role => {
            let then = definitions.role_set_with(access.role_ids(), &Record::from_image(after)?);
            if raises(&now, &then) { refuse("grants") } else { Ok(()) }
        }
        Kind::Team if before.at(TeamFields::parent_id) != after.at(TeamFields::parent_id) => {
            let mine = access.team_ids();
            let parent = after.at(TeamFields::parent_id).as_id();
            let is_gained = parent.is_some_and(|parent| mine.contains(&parent)) && !mine.contains(&after.id);
            if is_gained && depends_on_teams(&now) { refuse("parent_id") } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// True where the second set allows anything, or shows any field, that the first does not.
fn raises(now: &RoleSet, then: &RoleSet) -> bool {
    then.all().any(|grant| !now.covers(grant))
        || !now.covers_unread(then)
        || now.rules().any(|rule| !then.has_rule(rule))
}

/// True where what these roles grant depends on the teams that one is in.
fn depends_on_teams(roles: &RoleSet) -> bool {
    let everywhere = |grant: &Grant| {
        let all = roles.grants(Permission::new(grant.resource, grant.action)).iter();
        grant.scope == Scope::All || all.into_iter().any(|one| one.scope == Scope::All && one.condition.is_none())
    };
    !roles.all().all(everywhere)
}

fn check_user_roles(draft: &Draft<'_>, before: Option<&Image>, after: &Image) -> Result<(), Stop> {
    let definitions = draft.cx.definitions;
    let ids = ids_of;
    // Who is archived or inactive has no roles in effect: to bring them back is to give them all.
    let in_effect = |image: &Image| {
        let live = !image.is_archived() && image.at(UserFields::is_active) == &Value::Bool(true);
        if live { ids(image, UserFields::role_ids) } else { Vec::new() }
    };
    let others = Some(after.id) != draft.cx.actor.user();
    let had = before.map(in_effect).unwrap_or_default();
    let given: Vec<Id> = in_effect(after).into_iter().filter(|role| !had.contains(role)).collect();
    if !given.is_empty() {
        let whole = definitions.role_set(&ids(after, UserFields::role_ids));
        demand_no_more(draft, &definitions.role_set(&given), &whole)?;
    } else if let Some(before) =
        before.filter(|before| others && before.at(UserFields::role_ids) != after.at(UserFields::role_ids))
    {
        // Nor does anybody spare another a field rule that they are held to themselves.
        let (were, are) = (
            definitions.role_set(&ids(before, UserFields::role_ids)),
            definitions.role_set(&ids(after, UserFields::role_ids)),
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
        let theirs = definitions.role_set(&ids(before, UserFields::role_ids));
        demand_no_more(draft, &theirs, &theirs)?;
    }
    let action = if before.is_some() { Action::Update } else { Action::Create };
    let permission = Permission::new(Kind::User, action);
    if draft.cx.access.widest(permission) != Some(Scope::All) {
        let mine = draft.cx.access.team_ids();
        let were = before.map(|before| ids(before, UserFields::team_ids)).unwrap_or_default();
        if ids(after, UserFields::team_ids).iter().any(|team| !were.contains(team) && !mine.contains(team)) {
            return Err(Error::Forbidden { permission, field: Some("team_ids".to_owned()), scope: None }.into());
        }
    }
    Ok(())
}

/// Nothing where the actor holds all that is granted, and `whole`, of which it is a part, is held to every field rule
/// that the actor is held to.
fn demand_no_more(draft: &Draft<'_>, granted: &RoleSet, whole: &RoleSet) -> Result<(), Stop> {
    let own = draft.cx.access.roles();
    if let Some(grant) = granted.all().find(|grant| !own.covers(grant)) {
        return Err(Error::forbidden(Permission::new(grant.resource, grant.action)).into());
    }
    if !own.covers_unread(granted) {
        let message = "a newer version of the program stored a grant of the role that this one cannot read: \
                       only who has the role, or `admin`, may give it";
        return Err(Error::invalid("grants", "unknown_grant", message).into());
    }
    if let Some(rule) = own.rules().find(|rule| whole.touches(rule.kind) && !whole.has_rule(rule)) {
        return Err(of_rule(rule).into());
    }
    Ok(())
}

fn of_rule(rule: &FieldRule) -> Error {
    let action = if rule.access == FieldAccess::ReadOnly { Action::Update } else { Action::Read };
    Error::Forbidden { permission: Permission::new(rule.kind, action), field: Some(rule.field.clone()), scope: None }
}

/// What a tenant cannot be without: its one organization, the role of its administrators, a default pipeline, and the
/// properties that its stages ask for.
pub(crate) fn keep_foundations(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &Image,
    step: Step,
) -> Result<(), Stop> {
    if step.action == "bootstrap" {
        return Ok(());
    }
    match after.kind() {
        Kind::Organization if before.is_none() => {
            Err(Error::invalid("organization", "fixed", "a tenant is one organization, made by its bootstrap").into())
        }
        Kind::Session | Kind::ApiKey if before.is_some_and(Image::is_archived) && !after.is_archived() => {
            Err(Error::invalid("archived_at", "over", "what is over stays over: begin or make another").into())
        }
        Kind::Organization if after.is_archived() => {
            Err(Error::invalid("archived_at", "fixed", "an organization is suspended, not archived").into())
        }
        Kind::Role if after.is_archived() && after.at(RoleFields::key).as_text() == Some("admin") => {
            let message = "the role `admin` stays: somebody must be able to do everything";
            Err(Error::invalid("archived_at", "fixed", message).into())
        }
        Kind::Pipeline => keep_default(draft, before, after, step),
        Kind::Property if after.is_archived() && !before.is_some_and(Image::is_archived) => {
            keep_asked_for(draft.cx.definitions, after)
        }
        _ => Ok(()),
    }
}

/// A property that a stage asks for stays: without it nothing could enter the stage any more.
fn keep_asked_for(definitions: &Definitions, after: &Image) -> Result<(), Stop> {
    let property = Property::decode(&after.values)?;
    let name = format!("properties.{}", property.key);
    let mut faults = Faults::new();
    for kind in [PipelineKind::Lead, PipelineKind::Deal] {
        if property.kind != kind.record_kind() {
            continue;
        }
        for pipeline in definitions.pipelines(kind) {
            for stage in pipeline.stages.iter().filter(|stage| !stage.retired) {
                let required = stage.required_fields.contains(&name);
                if !required && !stage.gate.as_ref().is_some_and(|gate| gate.names(&name)) {
                    continue;
                }
                let how = if required { "requires it" } else { "has a gate on it" };
                let message = format!(
                    "the stage `{}` of the pipeline `{}` {how}: change the stage first",
                    stage.key, pipeline.name
                );
                faults.push("archived_at", "in_use", message);
            }
        }
    }
    faults.into_result()?;
    Ok(())
}

/// Exactly one pipeline of a kind is the default: one that becomes it takes over in the same commit.
fn keep_default(draft: &mut Draft<'_>, before: Option<&Image>, after: &Image, step: Step) -> Result<(), Stop> {
    let is_default = |image: &Image| !image.is_archived() && image.at(PipelineFields::is_default) == &Value::Bool(true);
    let kind = |image: &Image| image.at(PipelineFields::kind).clone();
    let (was, is) = (before.is_some_and(is_default), is_default(after));
    if was && !is && !draft.written().any(|other| is_default(other) && kind(other) == kind(after)) {
        return Err(Error::invalid("is_default", "needs_another", "make another pipeline the default instead").into());
    }
    if was || !is {
        return Ok(());
    }
    let all = PipelineKind::from_value(&kind(after))?;
    let old: Vec<Ref> = draft
        .cx
        .definitions
        .pipelines(all)
        .iter()
        .filter(|pipeline| pipeline.is_default && pipeline.id != after.id)
        .map(|pipeline| Ref::new(Kind::Pipeline, pipeline.id))
        .collect();
    let Some(at) = after.decl.position("is_default") else { return Ok(()) };
    for pipeline in old {
        draft.update_for_rule(pipeline, &[(at, Value::Bool(false))], Step::new(step.action, None))?;
    }
    Ok(())
}

/// Who ceases to be active is signed out everywhere, whoever writes it: made active again, they sign in anew.
pub(crate) fn end_sessions(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &Image,
    step: Step,
) -> Result<(), Stop> {
    let acts = |image: &Image| !image.is_archived() && image.at(UserFields::is_active) == &Value::Bool(true);
    if after.kind() != Kind::User || !before.is_some_and(acts) || acts(after) {
        return Ok(());
    }
    let credential = Ref::new(Kind::Credential, after.id);
    let Some(image) = draft.peek(credential)? else { return Ok(()) };
    draft.update_for_rule(credential, &[next_generation(&image)?], Step::new(step.action, None))
}

/// What ends every session of a credential's user.
pub(crate) fn next_generation(credential: &Image) -> Result<(usize, Value), Stop> {
    let generation = i64::from_value(credential.at(CredentialFields::session_generation))?;
    Ok((CredentialFields::session_generation as usize, Value::Int(generation.saturating_add(1))))
}

/// The organization holds its administrators' ids, written in the commit that changes them; the last one stays.
pub(crate) fn keep_admins(
    draft: &mut Draft<'_>,
    before: Option<&Image>,
    after: &Image,
    step: Step,
) -> Result<(), Stop> {
    if after.kind() != Kind::User || step.action == "bootstrap" {
        return Ok(());
    }
    let Some(admin) = draft.cx.definitions.role_by_key("admin").map(|role| role.id) else { return Ok(()) };
    let is_admin = |image: &Image| {
        !image.is_archived()
            && image.at(UserFields::is_active) == &Value::Bool(true)
            && image.at(UserFields::role_ids).items().contains(&Value::Id(admin))
    };
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
        return Err(Error::invalid("role_ids", "last_admin", "the last administrator stays: name another first").into());
    }
    let Some(at) = image.decl.position("admin_ids") else { return Ok(()) };
    draft.update_for_rule(organization, &[(at, Value::List(admins.into()))], Step::new(step.action, None))
}
