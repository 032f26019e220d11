//! The rights of an actor as stored: the roles and teams of an authenticated user, whether the user and the session or
//! API key are still valid, and the limits of a key. Rights are cached and read again when the tenant's access epoch
//! changes.

use std::{collections::BTreeSet, ops::Deref, sync::Arc};

use crate::{
    engine::definitions::Definitions,
    model::{
        access::{Actor, By, Permission},
        records::{
            api_key::ApiKeyFields,
            credential::CredentialFields,
            role::Role,
            session::SessionFields,
            team::Team,
            user::{User, UserFields},
        },
        schema::Image,
        store::{CommitId, Epochs, Got, Want},
        value::{Id, Kind, Ref, Time, Value},
    },
};

/// The time for which a session is used without reading it again, in microseconds. Ending one's own session does not
/// change the epoch, so a session can be used this long after that.
const SESSION_BELIEVED: i64 = 30_000_000;

/// The stored rights of an actor.
#[derive(Clone, Debug)]
pub struct Rights {
    /// The user and how they are authenticated.
    who: (Id<User>, By),
    /// The access epoch under which the rights were read.
    pub(crate) epoch: CommitId,
    read_at: Time,
    roles: Arc<[Id<Role>]>,
    teams: Arc<[Id<Team>]>,
    limits: Option<Arc<BTreeSet<Permission>>>,
    ends_at: Option<Time>,
    /// The hash of a key's secret, and the hash of the previous secret with the time at which that expires.
    secret: Value,
    previous: Option<(Value, Time)>,
    /// The time at which the use of a key was last recorded.
    pub(crate) last_used_at: Option<Time>,
}

fn record(got: &[(Want, Got)], record: Ref) -> Option<&Arc<Image>> {
    got.iter().find_map(|(want, got)| match (want, got) {
        (Want::Record(wanted), Got::Record(image)) if *wanted == record => image.as_ref(),
        _ => None,
    })
}

fn ids<K>(image: &Image, field: UserFields) -> Arc<[Id<K>]> {
    image.at(field).items().iter().filter_map(Value::as_id).map(Id::typed).collect()
}

impl Rights {
    /// Returns the records from which the rights of an actor are read; none for an actor for whom the embedder vouches.
    pub(crate) fn wants(actor: &Actor) -> Vec<Want> {
        let Some((user, by)) = actor.looked_up() else { return Vec::new() };
        let more = match by {
            By::User => Vec::new(),
            By::Session(session) => vec![Ref::new(Kind::Session, session), Ref::new(Kind::Credential, user)],
            By::Key(key) => vec![Ref::new(Kind::ApiKey, key)],
        };
        std::iter::once(Ref::new(Kind::User, user)).chain(more).map(Want::Record).collect()
    }

    /// Derives the rights of an actor from these records, which were read after the access epoch. Returns `None` if the
    /// actor may not act.
    pub(crate) fn read(actor: &Actor, got: &[(Want, Got)], epoch: CommitId, now: Time) -> Option<Self> {
        let (id, by) = actor.looked_up()?;
        let user = record(got, Ref::new(Kind::User, id)).filter(|user| may_act(user))?;
        let mut rights = Self::of_user(user, by, epoch, now);
        match by {
            By::User => {}
            By::Session(session) => {
                let session = record(got, Ref::new(Kind::Session, session))?;
                let credential = record(got, Ref::new(Kind::Credential, id))?;
                let is_good = session.at(SessionFields::user_id) == &Value::from(id)
                    && session.at(SessionFields::generation) == credential.at(CredentialFields::session_generation)
                    && !session.is_archived();
                rights.ends_at = Some(session.at(SessionFields::expires_at).as_time().filter(|_| is_good)?);
            }
            By::Key(key) => {
                let key = record(got, Ref::new(Kind::ApiKey, key))?;
                if key.at(ApiKeyFields::user_id) != &Value::from(id) || key.is_archived() {
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

    /// Returns the rights stored in a user's own record, without checking a session.
    fn of_user(user: &Image, by: By, epoch: CommitId, now: Time) -> Self {
        Self {
            who: (user.id.typed(), by),
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

    /// Returns the limits of a key; empty for other rights.
    #[cfg(feature = "auth")]
    pub(crate) fn limits(&self) -> &BTreeSet<Permission> {
        static NONE: BTreeSet<Permission> = BTreeSet::new();
        self.limits.as_deref().unwrap_or(&NONE)
    }

    /// Returns the same rights with a later recorded use of the key.
    #[cfg(feature = "auth")]
    pub(crate) fn used_at(&self, time: Time) -> Self {
        Self { last_used_at: Some(time), ..self.clone() }
    }

    /// Returns `false` if the rights are too old to prove that a session is valid. They must then be read again.
    pub(crate) fn are_fresh(&self, now: Time) -> bool {
        match self.who.1 {
            By::Session(_) => (0..=SESSION_BELIEVED).contains(&now.since(self.read_at)),
            By::User | By::Key(_) => true,
        }
    }

    /// Returns `true` if the session or key has expired.
    pub(crate) fn have_ended(&self, now: Time) -> bool {
        self.ends_at.is_some_and(|ends| ends <= now)
    }

    /// Returns `true` if this is the hash of the key's secret, or of the previous secret while that is still valid.
    pub(crate) fn hold(&self, hash: &str, now: Time) -> bool {
        let is = |stored: &Value| stored.as_text().is_some_and(|stored| are_same(stored, hash));
        is(&self.secret) || self.previous.as_ref().is_some_and(|(previous, until)| now < *until && is(previous))
    }
}

/// Compares two hashes in constant time.
fn are_same(one: &str, other: &str) -> bool {
    let differing = one.bytes().zip(other.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}

/// Returns `true` if the user is active and not archived.
pub(crate) fn may_act(user: &Image) -> bool {
    !user.is_archived() && user.at(UserFields::is_active) == &Value::Bool(true)
}

/// The permissions to which an actor is limited, if any.
type Limits = Option<Arc<BTreeSet<Permission>>>;

/// The basis of an actor's decisions: a tenant's definitions and the actor's stored rights at one time. Derefs to the
/// definitions.
#[derive(Clone, Debug, Default)]
pub struct Authority {
    definitions: Arc<Definitions>,
    rights: Option<Arc<Rights>>,
}

impl Authority {
    pub(crate) const fn new(definitions: Arc<Definitions>, rights: Option<Arc<Rights>>) -> Self {
        Self { definitions, rights }
    }

    /// Returns `true` if definitions and rights are those of these epochs.
    pub(crate) fn holds_under(&self, epochs: Epochs) -> bool {
        self.definitions.epoch == epochs.definitions
            && self.rights.as_ref().is_none_or(|rights| rights.epoch == epochs.access)
    }

    /// Returns the epochs under which this was read. Without rights of a user, the access epoch is nil.
    pub(crate) fn epochs(&self) -> Epochs {
        let access = self.rights.as_ref().map_or(Id::NIL, |rights| rights.epoch);
        Epochs { definitions: self.definitions.epoch, access }
    }

    /// Returns the same definitions with the rights stored in a user's own record.
    #[cfg(feature = "auth")]
    pub(crate) fn for_user(&self, actor: &Actor, user: &Image, now: Time) -> Self {
        let by = actor.looked_up().map_or(By::User, |(_, by)| by);
        let rights = Rights::of_user(user, by, self.epochs().access, now);
        Self { definitions: Arc::clone(&self.definitions), rights: Some(Arc::new(rights)) }
    }

    /// Returns the roles, teams and limits of an actor: those that the embedder vouches for, or the stored ones. An
    /// actor other than the one whose rights were read has none.
    pub(super) fn of<'a>(&'a self, actor: &'a Actor) -> (&'a [Id<Role>], &'a [Id<Team>], Limits) {
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
