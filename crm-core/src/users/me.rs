//! One's own profile: what everybody may change of themselves, whatever they may change of others.

use crate::{
    engine::{
        collection::{Collection, hints_of, named, named_fields},
        draft::{Draft, Pending, Sets, Step, Stop, asked_for},
    },
    model::{
        access::{Action, Permission},
        error::Error,
        records::user::{User, UserFields as F, UserPatch},
        schema::{Record, RecordKind as _},
        value::{Id, Kind, Ref, Value},
    },
};

/// What a user may change of themselves: how they are called and reached, and how they want to be spoken to. What they
/// may do (roles, teams, manager), what they sign in with (e-mail, external id), where they stand (department) and what
/// the tenant keeps about them (custom properties, sharing) is for those who look after users.
const OWN: [F; 6] = [F::first_name, F::last_name, F::phone, F::job_title, F::time_zone, F::locale];

impl Collection<'_, User> {
    /// Changes the acting user's own profile. Needs no permission on users, and changes nothing but `first_name`,
    /// `last_name`, `phone`, `job_title`, `time_zone` and `locale`; field rules hold for these as for any write. One
    /// read and one commit, logged as `update_me`.
    ///
    /// So a grant's condition on users should not rest on these fields: everybody says of themselves what they like.
    ///
    /// Awaiting it gives [`Error::Forbidden`] for any other field, whatever else the actor may do, and for the system,
    /// which is nobody; [`Error::NotFound`] where the user is archived or may no longer act.
    pub fn update_me(&self, patch: UserPatch) -> Pending<Record<User>> {
        let me = self.actor.user();
        let sets = patch.into_sets();
        let mut hints = hints_of::<User>(&sets);
        hints.extend(me.map(|id| Ref::new(Kind::User, id).into()));
        let fields = named_fields::<User>(&sets);
        let asked = asked_for(&(me, named::<User>(&sets)));
        let pending = Pending::new(self.engine, self.actor, "update_me", asked, hints, move |draft, step| {
            change_me(draft, me, &sets, step).map(|record| vec![record])
        });
        match me {
            Some(id) => pending.on(Ref::new(Kind::User, id), fields),
            None => pending,
        }
    }
}

fn change_me(draft: &mut Draft<'_>, me: Option<Id>, sets: &[(usize, Value)], step: Step) -> Result<Ref, Stop> {
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
    draft.write(Some(&before), after, Sets::asked(sets), step)?;
    Ok(record)
}
