//! The audit log: every change of a tenant in the order in which it was recorded, for auditors.

use std::sync::Arc;

use crate::{
    catalog,
    engine::{
        access::Access,
        definitions::Definitions,
        listing::{self, DEFAULT_LIMIT, ListPage, MAX_LIMIT},
        runtime::Engine,
    },
    model::{
        access::{Action, Actor, Permission},
        change::Change,
        error::Error,
        store::{LogPosition, LogQuery},
        value::{FaultCode, Kind, Time, Value},
    },
};

/// Selects a part of a tenant's log.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only changes recorded at this time or later; default: from the beginning.
    pub from: Option<Time>,
    /// Only changes recorded before this time; default: until now.
    pub until: Option<Time>,
    /// `true` for the latest first.
    pub descending: bool,
    /// The maximum number of changes, 1 to 200; default: 20.
    pub limit: Option<usize>,
    /// Where to continue: [`ListPage::next_cursor`] of the previous page of the same query.
    pub cursor: Option<String>,
}

/// The log of a tenant, with the permissions of an actor.
#[derive(Clone)]
pub struct Audit<'a> {
    engine: &'a Arc<Engine>,
    actor: &'a Actor,
}

impl std::fmt::Debug for Audit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("actor", &self.actor).finish_non_exhaustive()
    }
}

impl<'a> Audit<'a> {
    pub(crate) const fn new(engine: &'a Arc<Engine>, actor: &'a Actor) -> Self {
        Self { engine, actor }
    }

    /// Returns a page of the log. Requires the permission `security_event.read` with scope `all` and without a
    /// condition. It shows *that* something changed, of any kind, by whom, when and through what. Old and new values
    /// are shown as far as the actor may read them: hidden fields are omitted, and values of kinds that the actor may
    /// not read completely are replaced by [`Value::Redacted`]. The log contains no secrets.
    ///
    /// May lag behind the latest commits, as lists may. Costs one read of the log and one of the epoch.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] for an invalid limit or cursor.
    pub async fn page(&self, query: &AuditQuery) -> Result<ListPage<Change>, Error> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", FaultCode::TooLarge, format!("must be 1 to {MAX_LIMIT}")));
        }
        let tenant = self.actor.tenant();
        let definitions = self.engine.authority(self.actor).await?;
        let access = Access::new(self.actor, &definitions, self.engine.clock.now());
        access.demand_all(Permission::new(Kind::SecurityEvent, Action::Read))?;
        let signature = format!("audit {:?} {:?} {}", query.from, query.until, query.descending);
        let after: Option<LogPosition> = self.open(&definitions, &signature, query.cursor.as_deref())?;
        let log = LogQuery {
            tenant,
            from: query.from.unwrap_or(Time::MIN),
            until: query.until.unwrap_or(Time::MAX),
            descending: query.descending,
            after,
            limit,
        };
        let page = self.engine.store.log(&log).await?;
        let last = page.changes.last().filter(|_| page.more).map(|change| LogPosition {
            time: change.recorded_at,
            record: change.record,
            group: change.group,
            version: change.version,
        });
        let next_cursor = last.map(|at| listing::seal(&definitions, self.actor, &signature, &at));
        // Throttles only show that someone tried to sign in, under a hashed name: noise.
        let told = page.changes.into_iter().filter(|change| change.record.kind != Kind::Throttle);
        Ok(ListPage { items: told.map(|change| told_to(&access, change)).collect(), next_cursor })
    }

    fn open(
        &self,
        definitions: &Definitions,
        signature: &str,
        cursor: Option<&str>,
    ) -> Result<Option<LogPosition>, Error> {
        cursor.map(|cursor| listing::open(definitions, self.actor, signature, cursor)).transpose()
    }
}

/// Masks a change for the actor. The log alone does not show who owns a record now, so values are shown only to actors
/// who may read every record of the kind.
fn told_to(access: &Access<'_>, change: Change) -> Change {
    let kind = change.record.kind;
    let sees = kind.is_internal()
        || access.has_all(Permission::new(kind, Action::Read))
            && (catalog::decl(kind).behavior.private.is_none()
                || access.has_all(Permission::new(kind, Action::ReadPrivate)));
    let mut change = access.mask_change(change);
    if !sees {
        for field in &mut change.fields {
            (field.old, field.new) = (Value::Redacted, Value::Redacted);
        }
    }
    change
}
