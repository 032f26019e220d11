//! The user's own profile, which every user may change regardless of other permissions.

use crate::{
    engine::{
        collection::{Collection, hints_of, named, named_fields},
        draft::{Draft, Input, Pending, Step, Stop, fingerprint},
    },
    model::{
        access::{Action, Permission},
        error::Error,
        records::user::{User, UserFields as F, UserPatch},
        schema::{Record, RecordKind as _},
        value::{Id, Kind, Ref, Value},
    },
};

/// The fields that users may change on themselves: name, phone, job title, time zone and locale. Permissions (roles,
/// teams, manager), identification at sign-in (email, external id), position (department) and data that the tenant
/// maintains (custom properties, sharing) are left to user administrators.
const OWN: [F; 6] = [F::first_name, F::last_name, F::phone, F::job_title, F::time_zone, F::locale];

impl Collection<'_, User> {
    /// Changes the acting user's own profile. Requires no permission on users, and allows only `first_name`,
    /// `last_name`, `phone`, `job_title`, `time_zone` and `locale`; field rules apply as to any write. Costs one read
    /// and one commit, logged as `update_me`.
    ///
    /// A grant's condition on users should therefore not depend on these fields: every user sets them freely.
    ///
    /// Awaiting it returns [`Error::Forbidden`] for any other field, regardless of the actor's permissions, and for the
    /// system, which is no user; [`Error::NotFound`] if the user is archived or inactive.
    pub fn update_me(&self, patch: UserPatch) -> Pending<Record<User>> {
        let me = self.actor.user();
        let sets = patch.into_sets();
        let mut hints = hints_of::<User>(&sets);
        hints.extend(me.map(|id| Ref::new(Kind::User, id).into()));
        let fields = named_fields::<User>(&sets);
        let asked = fingerprint(&(me, named::<User>(&sets)));
        let pending = Pending::new(self.engine, self.actor, "update_me", asked, hints, move |draft, step| {
            change_me(draft, me, &sets, step).map(|record| vec![record])
        });
        match me {
            Some(id) => pending.on(Ref::new(Kind::User, id), fields),
            None => pending,
        }
    }
}

fn change_me(draft: &mut Draft<'_>, me: Option<Id<User>>, sets: &[(usize, Value)], step: Step) -> Result<Ref, Stop> {
    let permission = Permission::new(Kind::User, Action::Update);
    let record = Ref::new(Kind::User, me.ok_or(Error::forbidden(permission))?);
    let other = sets.iter().find(|(at, _)| !OWN.iter().any(|&own| own as usize == *at));
    if let Some((at, _)) = other {
        let field = User::decl().fields.get(*at).map(|field| field.name.to_owned());
        return Err(Error::Forbidden { permission, field, scope: None }.into());
    }
    let before = draft.peek(record)?.ok_or(Stop::not_found(Kind::User))?;
    if before.is_archived() || before.at(F::is_active) != &Value::Bool(true) {
        return Err(Stop::not_found(Kind::User));
    }
    let after = before.as_ref().clone();
    draft.write(Some(&before), after, Input::user(sets), step)?;
    Ok(record)
}
