//! What an actor may do as the store says it: the roles and teams of a user who has signed in, whether user and session
//! (or API key) are still good, and what a key is limited to. Read once, cached, and read again when the tenant's access
//! epoch moves.

use std::{collections::BTreeSet, ops::Deref, sync::Arc};

use crate::{
    engine::definitions::Definitions,
    model::{
        access::{Actor, By, Permission},
        records::{api_key::ApiKeyFields, credential::CredentialFields, session::SessionFields, user::UserFields},
        schema::Image,
        store::{Epochs, Got, Want},
        value::{Id, Kind, Ref, Time, Value},
    },
};

/// How long a session is believed to go on without another look, in microseconds. A session that its own user ended does
/// not move the epoch, so this is how long it may be used after that.
const SESSION_BELIEVED: i64 = 30_000_000;

/// What the store says of an actor.
#[derive(Clone, Debug)]
pub struct Rights {
    /// Of whom.
    who: (Id, By),
    /// The access epoch it was read under.
    pub(crate) epoch: Id,
    read_at: Time,
    roles: Arc<[Id]>,
    teams: Arc<[Id]>,
    limits: Option<Arc<BTreeSet<Permission>>>,
    ends_at: Option<Time>,
    /// The hash of a key's secret, and that of the one before with the time until which it is good.
    secret: Value,
    previous: Option<(Value, Time)>,
    /// When a key's use was last noted.
    pub(crate) last_used_at: Option<Time>,
}

/// A record among what was read.
fn record(got: &[(Want, Got)], record: Ref) -> Option<&Arc<Image>> {
    got.iter().find_map(|(want, got)| match (want, got) {
        (Want::Record(wanted), Got::Record(image)) if *wanted == record => image.as_ref(),
        _ => None,
    })
}

fn ids(image: &Image, field: UserFields) -> Arc<[Id]> {
    image.at(field).items().iter().filter_map(Value::as_id).collect()
}

impl Rights {
    /// The records that tell of an actor; none of one that vouches for themselves.
    pub(crate) fn wants(actor: &Actor) -> Vec<Want> {
        let Some((user, by)) = actor.looked_up() else { return Vec::new() };
        let more = match by {
            By::User => Vec::new(),
            By::Session(session) => vec![Ref::new(Kind::Session, session), Ref::new(Kind::Credential, user)],
            By::Key(key) => vec![Ref::new(Kind::ApiKey, key)],
        };
        std::iter::once(Ref::new(Kind::User, user)).chain(more).map(Want::Record).collect()
    }

    /// What these records say of an actor; `None` where they may not act. They were read after the access epoch was.
    pub(crate) fn read(actor: &Actor, got: &[(Want, Got)], epoch: Id, now: Time) -> Option<Self> {
        let (id, by) = actor.looked_up()?;
        let user = record(got, Ref::new(Kind::User, id)).filter(|user| may_act(user))?;
        let mut rights = Self::of_user(user, by, epoch, now);
        match by {
            By::User => {}
            By::Session(session) => {
                let session = record(got, Ref::new(Kind::Session, session))?;
                let credential = record(got, Ref::new(Kind::Credential, id))?;
                let is_good = session.at(SessionFields::user_id) == &Value::Id(id)
                    && session.at(SessionFields::generation) == credential.at(CredentialFields::session_generation)
                    && !session.is_archived();
                rights.ends_at = Some(session.at(SessionFields::expires_at).as_time().filter(|_| is_good)?);
            }
            By::Key(key) => {
                let key = record(got, Ref::new(Kind::ApiKey, key))?;
                if key.at(ApiKeyFields::user_id) != &Value::Id(id) || key.is_archived() {
                    return None;
                }
                let permissions = key.at(ApiKeyFields::permissions).items().iter().filter_map(Value::as_text);
                rights.limits = Some(Arc::new(permissions.filter_map(|text| text.parse().ok()).collect()));
                rights.ends_at = key.at(ApiKeyFields::expires_at).as_time();
                rights.secret = key.at(ApiKeyFields::secret_hash).clone();
                rights.previous = key
                    .at(ApiKeyFields::previous_until)
                    .as_time()
                    .map(|until| (key.at(ApiKeyFields::previous_hash).clone(), until));
                rights.last_used_at = key.at(ApiKeyFields::last_used_at).as_time();
            }
        }
        Some(rights)
    }

    /// Those of a user's own record, without a look at a session.
    fn of_user(user: &Image, by: By, epoch: Id, now: Time) -> Self {
        Self {
            who: (user.id, by),
            epoch,
            read_at: now,
            roles: ids(user, UserFields::role_ids),
            teams: ids(user, UserFields::team_ids),
            limits: None,
            ends_at: None,
            secret: Value::Null,
            previous: None,
            last_used_at: None,
        }
    }

    /// What a key is limited to; nothing for what is no key.
    #[cfg(feature = "auth")]
    pub(crate) fn limits(&self) -> &BTreeSet<Permission> {
        static NONE: BTreeSet<Permission> = BTreeSet::new();
        self.limits.as_deref().unwrap_or(&NONE)
    }

    /// The same, the key's use being noted at this time.
    #[cfg(feature = "auth")]
    pub(crate) fn used_at(&self, time: Time) -> Self {
        Self { last_used_at: Some(time), ..self.clone() }
    }

    /// False where they are too old to say that a session goes on: they are to be read again.
    pub(crate) fn are_fresh(&self, now: Time) -> bool {
        match self.who.1 {
            By::Session(_) => (0..=SESSION_BELIEVED).contains(&now.since(self.read_at)),
            By::User | By::Key(_) => true,
        }
    }

    /// True where session or key have come to their end.
    pub(crate) fn have_ended(&self, now: Time) -> bool {
        self.ends_at.is_some_and(|ends| ends <= now)
    }

    /// True where this is the hash of the key's secret, or of the one before while that is still good.
    pub(crate) fn hold(&self, hash: &str, now: Time) -> bool {
        let is = |stored: &Value| stored.as_text().is_some_and(|stored| are_same(stored, hash));
        is(&self.secret) || self.previous.as_ref().is_some_and(|(previous, until)| now < *until && is(previous))
    }
}

/// Compares two hashes in a time that does not tell where they differ.
fn are_same(one: &str, other: &str) -> bool {
    let differing = one.bytes().zip(other.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}

/// True for a user who may act.
pub(crate) fn may_act(user: &Image) -> bool {
    !user.is_archived() && user.at(UserFields::is_active) == &Value::Bool(true)
}

/// The permissions that an actor is limited to, where it is.
type Limits = Option<Arc<BTreeSet<Permission>>>;

/// Under which an actor acts: a tenant's definitions and what the store says of the actor, as they were at one moment.
/// Every decision is made under one. It derefs to the definitions.
#[derive(Clone, Debug, Default)]
pub struct Authority {
    definitions: Arc<Definitions>,
    rights: Option<Arc<Rights>>,
}

impl Authority {
    pub(crate) const fn new(definitions: Arc<Definitions>, rights: Option<Arc<Rights>>) -> Self {
        Self { definitions, rights }
    }

    /// True while both are what these epochs stand for.
    pub(crate) fn holds_under(&self, epochs: Epochs) -> bool {
        self.definitions.epoch == epochs.definitions
            && self.rights.as_ref().is_none_or(|rights| rights.epoch == epochs.access)
    }

    /// The epochs that it was read under; of one without rights of a user, the access epoch is nil.
    pub(crate) fn epochs(&self) -> Epochs {
        let access = self.rights.as_ref().map_or(Id::NIL, |rights| rights.epoch);
        Epochs { definitions: self.definitions.epoch, access }
    }

    /// The same definitions, and what a user's own record says of them.
    #[cfg(feature = "auth")]
    pub(crate) fn for_user(&self, actor: &Actor, user: &Image, now: Time) -> Self {
        let by = actor.looked_up().map_or(By::User, |(_, by)| by);
        let rights = Rights::of_user(user, by, self.epochs().access, now);
        Self { definitions: Arc::clone(&self.definitions), rights: Some(Arc::new(rights)) }
    }

    /// The roles, the teams and the limits of an actor: as they vouch for themselves, or as the store says; none of any
    /// other actor than the one whose rights were read.
    pub(super) fn of<'a>(&'a self, actor: &'a Actor) -> (&'a [Id], &'a [Id], Limits) {
        let Some(who) = actor.looked_up() else {
            return (actor.roles(), actor.teams(), actor.shared_limits().cloned());
        };
        let Some(rights) = self.rights.as_deref().filter(|rights| rights.who == who) else {
            return (&[], &[], Some(Arc::default()));
        };
        let limits = match (actor.shared_limits(), &rights.limits) {
            (Some(one), Some(other)) if one != other => Some(Arc::new(one.intersection(other).copied().collect())),
            (one, other) => one.or(other.as_ref()).cloned(),
        };
        (&rights.roles, &rights.teams, limits)
    }
}

impl Deref for Authority {
    type Target = Definitions;

    fn deref(&self) -> &Definitions {
        &self.definitions
    }
}
