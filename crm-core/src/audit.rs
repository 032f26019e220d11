//! The audit: every change of a tenant in the order in which it was recorded, for those who watch over it.

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
        value::{Kind, Time, Value},
    },
};

/// Which part of a tenant's log to read.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Recorded at this time or later; from the beginning where not given.
    pub from: Option<Time>,
    /// Recorded before this time; up to now where not given.
    pub until: Option<Time>,
    /// Latest first.
    pub descending: bool,
    /// How many at most, 1 to 200; 20 where not given.
    pub limit: Option<usize>,
    /// Where to go on: [`ListPage::next_cursor`] of the page before, of the same query.
    pub cursor: Option<String>,
}

/// The log of a tenant, as one actor may read it.
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

    /// A page of the log. Needs the permission `security_event.read` with scope `all` and without a condition: who has
    /// it sees *that* anything changed, of any kind, who did it, when and through what. *What* it was before and after
    /// is told as the actor could read it: fields that are hidden from them are left out, and of kinds whose every
    /// record they may not read the values are told as nothing ([`Value::Redacted`]). Secrets are in no log.
    ///
    /// May lag behind the latest commits, as lists may. One read of the log and one of the epoch.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] for a limit or a cursor that cannot be.
    pub async fn page(&self, query: &AuditQuery) -> Result<ListPage<Change>, Error> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", "too_large", format!("must be 1 to {MAX_LIMIT}")));
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
        // Throttles say only that somebody tried, under a name that says nothing: noise.
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

/// A change as the actor may see it. The log alone does not tell whose a record is now, so that only who may read every
/// record of its kind is told what was in it.
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
