//! The runner: reads the lookups of a decision, decides, and commits. It decides again after a concurrent change, and
//! determines the result of a commit whose response was lost.

use std::{borrow::Cow, sync::Arc};

use foldhash::HashMap;
use tracing::Instrument as _;

use super::{CommitHook, Context, Draft, Lookup, Step, Stop};
use crate::{
    engine::{
        access::{Access, Authority},
        definitions::Definitions,
        runtime::Engine,
    },
    model::{
        access::{Action, Actor, Permission},
        change::Change,
        error::Error,
        records::organization::OrganizationStatus,
        schema::{FieldType, Group, Image, Visibility},
        store::{Claim, Commit, CommitId, Got, HistoryQuery, KeyEntry, StoreError, Want, settle},
        value::{FaultCode, Id, Kind, Ref, Time},
    },
};

/// The maximum number of times a decision is made because of concurrent changes, unless [`Options::tries`] is set.
const CONFLICT_TRIES: usize = 4;
/// The maximum number of times a commit with an unknown outcome is sent.
const UNKNOWN_TRIES: usize = 3;
/// The maximum number of read rounds of a decision. Each round reads one level of references.
const MAX_ROUNDS: usize = 64;
/// The number of days for which an idempotency key is stored.
const KEY_DAYS: i64 = 1;
/// The number of changes per read of a history.
const HISTORY_PAGE: usize = 500;

/// The records and histories that were read for a decision.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    records: HashMap<Lookup, Option<Arc<Image>>>,
    histories: HashMap<Ref, Arc<Vec<Change>>>,
    key: Option<KeyEntry>,
}

impl Loaded {
    pub(super) fn has(&self, lookup: &Lookup) -> bool {
        match lookup {
            Lookup::Want(_) => self.records.contains_key(lookup),
            Lookup::History(record) => self.histories.contains_key(record),
        }
    }

    /// Returns the record. The outer `None` means that it has not been read, the inner `None` that it does not exist.
    #[allow(clippy::option_option)] // not read and not found are different
    pub(super) fn record(&self, lookup: &Lookup) -> Option<Option<&Arc<Image>>> {
        self.records.get(lookup).map(Option::as_ref)
    }

    pub(super) fn history(&self, record: Ref) -> Option<Arc<Vec<Change>>> {
        self.histories.get(&record).cloned()
    }
}

/// The options of a write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Write only if the subject is at this version.
    pub(crate) if_version: Option<(Ref, u64)>,
    /// The version on which the input is based: later changes of other fields are merged, later changes of the same
    /// fields conflict.
    pub(crate) based_on: Option<(Ref, u64, Vec<String>)>,
    /// The idempotency key and the fingerprint of the request.
    pub(crate) key: Option<(String, String)>,
    /// A version was given for a write that does not apply to a single record.
    pub(crate) no_subject: bool,
    /// Decide again if a unique value was taken concurrently.
    pub(crate) retry_on_duplicate: bool,
    /// The maximum number of decisions, for records that many writers change.
    pub(crate) tries: Option<usize>,
    pub(crate) dry_run: bool,
}

/// The result of a decision.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The commit; `None` if nothing changed or the result is replayed.
    pub(crate) commit: Option<Commit>,
    /// The id of the commit to which the result belongs, if any.
    pub(crate) commit_id: Option<CommitId>,
    /// `true` if the commit created the first record of the result.
    pub(crate) created: bool,
    /// The records of the result, as stored.
    pub(crate) images: Vec<Arc<Image>>,
    pub(crate) definitions: Authority,
    pub(crate) now: Time,
}

impl Outcome {
    /// Returns the rights of the actor as they were read.
    pub(crate) fn access<'a>(&'a self, actor: &'a Actor) -> Access<'a> {
        Access::new(actor, &self.definitions, self.now)
    }
}

/// A decision: changes the draft and returns the records of the result. It is called again after each round of reads and
/// after a conflict; its last call counts, also for what it hands out in captured variables.
pub(crate) type Decide<'a> = dyn FnMut(&mut Draft<'_>) -> Result<Vec<Ref>, Stop> + Send + 'a;

/// Decides without committing, for reads that need the same view as decisions.
pub(crate) async fn decide_only(
    engine: &Engine,
    actor: &Actor,
    hints: &[Lookup],
    decide: &mut Decide<'_>,
) -> Result<Outcome, Error> {
    let options = Options { dry_run: true, ..Options::default() };
    run(engine, actor, &options, hints, decide).await
}

/// Returns a record as it is stored, if the actor may see it, with the outcome of the read. One round trip (two if it is
/// visible only through a linked record).
///
/// # Errors
/// [`Error::NotFound`] if the actor may not see it.
pub(crate) async fn read_record(engine: &Engine, actor: &Actor, record: Ref) -> Result<(Arc<Image>, Outcome), Error> {
    let outcome = decide_only(engine, actor, &[record.into()], &mut move |draft| {
        draft.read(record)?;
        Ok(vec![record])
    })
    .await?;
    let image = outcome.images.first().cloned().ok_or(Error::NotFound(record.kind))?;
    Ok((image, outcome))
}

pub(crate) async fn run(
    engine: &Engine,
    actor: &Actor,
    options: &Options,
    hints: &[Lookup],
    decide: &mut Decide<'_>,
) -> Result<Outcome, Error> {
    let (mut tries, most) = (0, options.tries.unwrap_or(CONFLICT_TRIES));
    let hints = if options.dry_run { hints.into() } else { with_hooks(engine, actor, hints) };
    loop {
        tries += 1;
        let now = engine.clock.now();
        let mut loaded = Loaded::default();
        let mut definitions = load(engine, actor, &hints, options, &mut loaded).await?;
        if let Some((_, fingerprint)) = &options.key
            && let Some(entry) = loaded.key.take().filter(|entry| entry.expires_at > now)
        {
            return replay(engine, actor, definitions, now, &entry, fingerprint).await;
        }
        let (commit, images, commit_id, created) = 'rounds: {
            for _ in 0..MAX_ROUNDS {
                let cx = Context {
                    definitions: &definitions,
                    actor,
                    access: Access::new(actor, &definitions, now),
                    now,
                    ids: engine.ids.as_ref(),
                    validators: &engine.validators,
                    max_clock_skew: engine.max_clock_skew,
                };
                let mut draft = Draft::new(&cx, &loaded);
                let refs = match decide_guarded(engine, &mut draft, options, decide) {
                    Ok(refs) => refs,
                    Err(Stop::Refuse(error)) => return Err(error),
                    Err(Stop::Need(lookups)) => {
                        drop(draft);
                        definitions = load(engine, actor, &lookups, &Options::default(), &mut loaded).await?;
                        continue;
                    }
                };
                let images: Vec<Arc<Image>> = refs.iter().filter_map(|&record| draft.answer(record)).collect();
                if draft.is_empty() && options.key.is_none() {
                    return Ok(Outcome { commit: None, commit_id: None, created: false, images, definitions, now });
                }
                let created = refs.first().is_some_and(|first| draft.is_new(first.id));
                let id: CommitId = engine.ids.id(now).typed();
                let key = options.key.as_ref().map(|(key, fingerprint)| KeyEntry {
                    key: key.clone(),
                    fingerprint: marked(fingerprint, draft.is_empty(), created),
                    commit: id,
                    records: images.iter().map(|image| (image.reference(), image.versions)).collect(),
                    expires_at: now.plus_days(KEY_DAYS),
                });
                demand_active(&definitions, actor, &draft)?;
                // A commit that only stores an idempotency key changes no record and returns no commit id.
                let commit_id = (!draft.is_empty()).then_some(id);
                break 'rounds (draft.into_commit(id, key)?, images, commit_id, created);
            }
            return Err(Error::TooLarge { what: "the number of read rounds of one use case", limit: MAX_ROUNDS });
        };
        if options.dry_run {
            return Ok(Outcome { commit: Some(commit), commit_id, created, images, definitions, now });
        }
        match send(engine, &commit).await {
            Ok(()) => {
                engine.forget(&commit);
                return Ok(Outcome { commit: Some(commit), commit_id, created, images, definitions, now });
            }
            Err(StoreError::OutcomeUnknown(_)) => return Err(Error::OutcomeUnknown { commit: commit.id }),
            // The next round reads the key's entry and replays the result.
            Err(StoreError::KeyUsed) if tries < most => retrying("key_used", tries),
            Err(StoreError::Claimed { claim, .. })
                if tries < most && (options.retry_on_duplicate || is_of_the_core(&claim)) =>
            {
                retrying("claimed", tries);
            }
            // A conflict on a subject with a required version is final. A change of any other record leads to a new
            // decision.
            Err(StoreError::Conflict { record, .. })
                if tries < most && options.if_version.is_none_or(|(subject, _)| subject != record) =>
            {
                tracing::debug!(%record, attempt = tries, "conflict: deciding again");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn retrying(reason: &'static str, attempt: usize) {
    tracing::debug!(reason, attempt, "deciding again");
}

fn demand_active(definitions: &Definitions, actor: &Actor, draft: &Draft<'_>) -> Result<(), Error> {
    if actor.is_system() || draft.is_empty() {
        return Ok(());
    }
    match definitions.organization() {
        Some(organization) if organization.status != OrganizationStatus::Active => Err(Error::invalid(
            "organization",
            FaultCode::Suspended,
            "the organization is suspended: writes are not allowed",
        )),
        Some(_) => Ok(()),
        None => Err(Error::NotFound(Kind::Organization)),
    }
}

/// Decides after checking the version options of the subject.
fn decide_guarded(
    engine: &Engine,
    draft: &mut Draft<'_>,
    options: &Options,
    decide: &mut Decide<'_>,
) -> Result<Vec<Ref>, Stop> {
    if let Some((subject, version)) = options.if_version {
        let image = draft.read(subject)?;
        if image.versions.person != version {
            let current = Some(image.versions);
            return Err(Error::Conflict { record: subject, current, fields: Vec::new() }.into());
        }
    }
    if let Some((subject, version, fields)) = &options.based_on {
        let image = draft.read(*subject)?;
        if image.versions.person != *version {
            let history = draft.history(*subject)?;
            let later = history.iter().filter(|change| change.group == Group::User && change.version > *version);
            let mut touched: Vec<String> = later
                .flat_map(|change| change.fields.iter().map(|field| field.field.to_string()))
                .filter(|name| fields.contains(name))
                .collect();
            touched.sort_unstable();
            touched.dedup();
            if !touched.is_empty() || *version > image.versions.person {
                let current = Some(image.versions);
                return Err(Error::Conflict { record: *subject, current, fields: touched }.into());
            }
        }
    }
    let refs = decide(draft)?;
    if !draft.is_empty() {
        // What hooks write goes under the name of the use case, and is neither backdated nor let through its gates.
        draft.step = Step::new(draft.step.action, None);
        hooks(engine).try_for_each(|hook| hook.after(draft))?;
    }
    Ok(refs)
}

fn hooks(engine: &Engine) -> impl Iterator<Item = &dyn CommitHook> {
    engine.systems.iter().flat_map(|system| &system.hooks).map(AsRef::as_ref)
}

/// Returns the hints together with those of the hooks, to be read in the same round trip.
fn with_hooks<'a>(engine: &Engine, actor: &Actor, hints: &'a [Lookup]) -> Cow<'a, [Lookup]> {
    let Some(definitions) = engine.cached(actor.tenant()) else { return hints.into() };
    let along: Vec<Lookup> = hooks(engine).flat_map(|hook| hook.also_read(&definitions, hints)).collect();
    if along.is_empty() { hints.into() } else { [hints, &along].concat().into() }
}

/// Reads the lookups in one round trip, plus one per page of a history. Reads definitions and rights if their epochs
/// differ from the cached ones.
async fn load(
    engine: &Engine,
    actor: &Actor,
    lookups: &[Lookup],
    options: &Options,
    loaded: &mut Loaded,
) -> Result<Authority, Error> {
    let tenant = actor.tenant();
    let mut wants: Vec<Want> = Vec::with_capacity(lookups.len() + 1);
    for lookup in lookups {
        match lookup {
            Lookup::Want(want) if !loaded.has(lookup) && !wants.contains(want) => wants.push(want.clone()),
            _ => {}
        }
    }
    if let Some((key, _)) = &options.key {
        wants.push(Want::Key(key.clone()));
    }
    let (got, authority) = engine.read(actor, &wants).await?;
    for (want, got) in wants.into_iter().zip(got) {
        match got {
            Got::Record(image) => {
                if let (Want::Claimed(_), Some(image)) = (&want, &image) {
                    let by_id = Lookup::from(image.reference());
                    loaded.records.insert(by_id, Some(Arc::clone(image)));
                }
                loaded.records.insert(Lookup::Want(want), image);
            }
            Got::Key(entry) => loaded.key = entry,
        }
    }
    for lookup in lookups {
        if let Lookup::History(record) = lookup
            && !loaded.histories.contains_key(record)
        {
            let history = read_history(engine, tenant, *record).await?;
            loaded.histories.insert(*record, Arc::new(history));
        }
    }
    Ok(authority)
}

/// Returns the complete history of a record, in order.
///
/// # Errors
/// Errors of the store.
pub(crate) async fn read_history(engine: &Engine, tenant: Id, record: Ref) -> Result<Vec<Change>, Error> {
    let mut all: Vec<Change> = Vec::new();
    let mut query = HistoryQuery { tenant, record, field: None, descending: false, after: None, limit: HISTORY_PAGE };
    loop {
        let page = engine.store.history(&query).await?;
        query.after = page.changes.last().map(crate::model::store::HistoryPosition::of).or(query.after);
        let more = page.more && !page.changes.is_empty();
        all.extend(page.changes);
        if !more {
            return Ok(all);
        }
    }
}

/// Sends a commit, and sends it again if the outcome is unknown. After an unknown outcome, a refusal may be caused by
/// the success of this commit: the stored state decides, and if it cannot be read, the outcome remains unknown.
async fn send(engine: &Engine, commit: &Commit) -> Result<(), StoreError> {
    let mut unknown = false;
    let mut left = UNKNOWN_TRIES;
    loop {
        let span =
            tracing::debug_span!("crm.commit", tenant = %commit.tenant, commit = %commit.id, items = commit.items());
        let refused = match engine.store.commit(commit).instrument(span).await {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        match &refused {
            StoreError::OutcomeUnknown(_) => {
                tracing::debug!(commit = %commit.id, "outcome unknown: sending again");
                unknown = true;
            }
            _ if !unknown => return Err(refused),
            StoreError::Unavailable(_) => {}
            _ => return settle(engine.store.as_ref(), commit, refused).await,
        }
        left -= 1;
        if left == 0 {
            return settle(engine.store.as_ref(), commit, refused).await;
        }
    }
}

/// Returns the fingerprint as it is stored, marked if the request changed nothing or created the record it returned, so
/// that a replay returns the same information.
fn marked(fingerprint: &str, nothing_changed: bool, created: bool) -> String {
    let mark = if nothing_changed {
        "="
    } else if created {
        "+"
    } else {
        ""
    };
    format!("{mark}{fingerprint}")
}

/// Returns `true` for a claim on a key that the core generates: such a value was not given by the user and cannot be
/// refused.
fn is_of_the_core(claim: &Claim) -> bool {
    crate::catalog::decl(claim.kind).field(&claim.name).is_some_and(|field| field.ty == FieldType::Folded)
}

/// An actor must have one of these permissions on a kind to get a replayed result.
const BY_ACTION: [Action; 4] = [Action::Read, Action::Create, Action::Update, Action::Archive];

/// Replays the result of an earlier request with the same key: its records at the versions they had, if the actor
/// currently has any permission on their kinds.
async fn replay(
    engine: &Engine,
    actor: &Actor,
    definitions: Authority,
    now: Time,
    entry: &KeyEntry,
    fingerprint: &str,
) -> Result<Outcome, Error> {
    let created = entry.fingerprint == marked(fingerprint, false, true);
    let changed = created || entry.fingerprint == fingerprint;
    if !changed && entry.fingerprint != marked(fingerprint, true, false) {
        return Err(Error::KeyReused);
    }
    let wants: Vec<Want> = entry.records.iter().map(|(record, _)| Want::Record(*record)).collect();
    let answer = engine.store.get(actor.tenant(), &wants).await?;
    let mut images = Vec::with_capacity(wants.len());
    for ((record, versions), got) in entry.records.iter().zip(answer.got) {
        let Got::Record(Some(image)) = got else { return Err(Error::NotFound(record.kind)) };
        if image.versions.person == versions.person {
            images.push(image);
            continue;
        }
        let mut history = read_history(engine, actor.tenant(), *record).await?;
        history.retain(|change| change.version <= versions.of(change.group));
        let then = crate::model::change::as_of(actor.tenant(), &history, Time::MAX, None)
            .ok_or(Error::NotFound(record.kind))?;
        images.push(Arc::new(crate::engine::history::completed(then, &history, Time::MAX, &definitions)?));
    }
    // Permissions may have been revoked since, or the request may use an API key with fewer permissions. A permission
    // on the kind is sufficient: an actor who assigned a record to another user may repeat the request.
    let access = Access::new(actor, &definitions, now);
    for image in &images {
        let needs_grant = image.decl.behavior.visibility == Visibility::ByGrant;
        let may = |action| {
            let permission = Permission::new(image.kind(), action);
            if needs_grant { access.has(permission) } else { access.is_within_limits(permission) }
        };
        if !actor.is_system() && !BY_ACTION.into_iter().any(may) {
            return Err(Error::forbidden(Permission::new(image.kind(), Action::Read)));
        }
    }
    Ok(Outcome { commit: None, commit_id: changed.then_some(entry.commit), created, images, definitions, now })
}
