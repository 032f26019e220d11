//! Running a decision: read what it needs, decide, commit; decide again where somebody else was faster; find out what
//! happened where an answer was lost.

use std::{borrow::Cow, sync::Arc};

use foldhash::HashMap;

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
        store::{Claim, Commit, Got, HistoryQuery, KeyEntry, StoreError, Want, settle},
        value::{Id, Kind, Ref, Time},
    },
};

/// How often a decision is made because somebody else changed what it read, where [`Options::tries`] says nothing.
const CONFLICT_TRIES: usize = 4;
/// How often a commit whose outcome is unknown is sent again.
const UNKNOWN_TRIES: usize = 3;
/// How often a decision may ask for more. Each round reads a level of what the last one named.
const MAX_ROUNDS: usize = 64;
/// How long an idempotency key is kept, in days.
const KEY_DAYS: i64 = 1;
/// How many changes one read of a history brings.
const HISTORY_PAGE: usize = 500;

/// What has been read for a decision.
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

    /// The record that was read; the inner `None` says that there is none, the outer that nobody looked.
    #[allow(clippy::option_option)] // two different things that are not known
    pub(super) fn record(&self, lookup: &Lookup) -> Option<Option<&Arc<Image>>> {
        self.records.get(lookup).map(Option::as_ref)
    }

    pub(super) fn history(&self, record: Ref) -> Option<Arc<Vec<Change>>> {
        self.histories.get(&record).cloned()
    }
}

/// What a caller may ask of any write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Only while the subject is at this version.
    pub(crate) if_version: Option<(Ref, u64)>,
    /// Made from this version: later changes of other fields are merged with, of the same fields a conflict.
    pub(crate) based_on: Option<(Ref, u64, Vec<String>)>,
    /// The idempotency key and the fingerprint of what is asked.
    pub(crate) key: Option<(String, String)>,
    /// A version was named for a write that has no one record.
    pub(crate) no_subject: bool,
    /// Decide again where a unique value has been taken meanwhile.
    pub(crate) again_where_taken: bool,
    /// How often it is decided at most, where many write the same records.
    pub(crate) tries: Option<usize>,
    /// Decide, and do not commit.
    pub(crate) dry_run: bool,
}

/// What came of a decision.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The commit; `None` where nothing had to change, or the answer is an earlier one's.
    pub(crate) commit: Option<Commit>,
    /// The commit that the answer belongs to, where there is one.
    pub(crate) commit_id: Option<Id>,
    /// Whether the first record of the answer is new by it.
    pub(crate) created: bool,
    /// The records of the answer, as the store holds them.
    pub(crate) images: Vec<Arc<Image>>,
    /// The definitions under which it was decided.
    pub(crate) definitions: Authority,
    /// When.
    pub(crate) now: Time,
}

/// A decision: what it makes of the draft, and the records of its answer.
pub(crate) type Decide<'a> = dyn Fn(&mut Draft<'_>) -> Result<Vec<Ref>, Stop> + Send + Sync + 'a;

/// Decides and commits nothing: for reads that must see what decisions see.
pub(crate) async fn decide_only(
    engine: &Engine,
    actor: &Actor,
    hints: &[Lookup],
    decide: &Decide<'_>,
) -> Result<Outcome, Error> {
    let options = Options { dry_run: true, ..Options::default() };
    run(engine, actor, &options, hints, decide).await
}

/// Runs a decision until it is stored or refused.
pub(crate) async fn run(
    engine: &Engine,
    actor: &Actor,
    options: &Options,
    hints: &[Lookup],
    decide: &Decide<'_>,
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
            return answer_again(engine, actor, definitions, now, &entry, fingerprint).await;
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
                let id = engine.ids.id(now);
                let key = options.key.as_ref().map(|(key, fingerprint)| KeyEntry {
                    key: key.clone(),
                    fingerprint: marked(fingerprint, draft.is_empty(), created),
                    commit: id,
                    records: images.iter().map(|image| (image.reference(), image.versions)).collect(),
                    expires_at: now.plus_days(KEY_DAYS),
                });
                demand_active(&definitions, actor, &draft)?;
                // A commit of a key alone changes nothing, and says so.
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
            // The next round finds the key's entry and answers from it.
            Err(StoreError::KeyUsed) if tries < most => {}
            Err(StoreError::Claimed { claim, .. })
                if tries < most && (options.again_where_taken || is_of_the_core(&claim)) => {}
            // Of the subject, the version that the caller named is over; another record's change is met by deciding again.
            Err(StoreError::Conflict { record, .. })
                if tries < most && options.if_version.is_none_or(|(subject, _)| subject != record) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn demand_active(definitions: &Definitions, actor: &Actor, draft: &Draft<'_>) -> Result<(), Error> {
    if actor.is_system() || draft.is_empty() {
        return Ok(());
    }
    match definitions.organization() {
        Some(organization) if organization.status != OrganizationStatus::Active => {
            Err(Error::invalid("organization", "suspended", "the organization is suspended: writes are not allowed"))
        }
        Some(_) => Ok(()),
        None => Err(Error::NotFound(Kind::Organization)),
    }
}

/// Decides, after holding the subject to the version that the caller named.
fn decide_guarded(
    engine: &Engine,
    draft: &mut Draft<'_>,
    options: &Options,
    decide: &Decide<'_>,
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
            let later = history.iter().filter(|change| change.group == Group::Person && change.version > *version);
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

/// What takes part in commits, in the order of systems.
fn hooks(engine: &Engine) -> impl Iterator<Item = &dyn CommitHook> {
    engine.systems.iter().flat_map(|system| &system.hooks).map(AsRef::as_ref)
}

/// The hints, with what hooks will ask for: it is read along, in the one round trip.
fn with_hooks<'a>(engine: &Engine, actor: &Actor, hints: &'a [Lookup]) -> Cow<'a, [Lookup]> {
    let Some(definitions) = engine.cached(actor.tenant()) else { return hints.into() };
    let along: Vec<Lookup> = hooks(engine).flat_map(|hook| hook.also_read(&definitions, hints)).collect();
    if along.is_empty() { hints.into() } else { [hints, &along].concat().into() }
}

/// Reads what is wanted in one round trip (histories page by page besides), and definitions and rights where their epochs
/// are not the cached ones.
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

/// The whole history of a record, in order.
///
/// # Errors
/// What the store says.
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

/// Sends a commit, again where its outcome is unknown. After an unknown outcome every refusal may be this commit's own
/// success: what is stored tells, and where that cannot be asked, the outcome stays unknown.
async fn send(engine: &Engine, commit: &Commit) -> Result<(), StoreError> {
    let mut unknown = false;
    let mut left = UNKNOWN_TRIES;
    loop {
        let refused = match engine.store.commit(commit).await {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        match &refused {
            StoreError::OutcomeUnknown(_) => unknown = true,
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

/// The fingerprint as it is kept: that of a request that changed nothing, and that of one that made the record it
/// answers, are marked, so that the second answer says so too.
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

/// Whether a claim is of a key that the core makes for itself: a value that nobody gave cannot be refused.
fn is_of_the_core(claim: &Claim) -> bool {
    crate::catalog::decl(claim.kind).field(&claim.name).is_some_and(|field| field.ty == FieldType::Folded)
}

/// What somebody must be able to do with one of them to be told of it again.
const BY_ACTION: [Action; 4] = [Action::Read, Action::Create, Action::Update, Action::Archive];

/// The answer of an earlier request with the same key: its records, as of the versions they had, for who may do
/// anything with such records by now.
async fn answer_again(
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
    // Rights may have been withdrawn since, or the key be shown with an API key that may do less. What may be done with the
    // kind at all is enough: who gives a record away may ask again whether that was done.
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
