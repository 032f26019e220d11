//! A demo organization: a company that sells monitoring of cold rooms, transports and freezers, with half a year of
//! leads, deals and activities up to now.
//!
//! [`fill`] creates it through public use cases only, so it works on every store. Past events are backdated, as an
//! import does: each has the time at which it happened and is recorded now, by the user who would have done it. Except
//! for ids, the result is the same for the same seed and time of the [`Crm`]'s clock. People, companies, addresses and
//! numbers are fictitious, from ranges reserved for that purpose.
//!
//! The password is public: use the demo only on a server that nobody else can reach.

mod activities;
mod calendar;
mod customers;
mod deals;
mod leads;
mod setup;
mod showcase;
mod staff;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use crm_core::{
    Crm, Error,
    access::Actor,
    auth::{AuthError, Policy, Secret},
    collection::NewWithHistory,
    deals::Deal,
    leads::Lead,
    pipelines::Stage,
    schema::{Record, RecordKind},
    value::{Id, Kind},
};
use fastrand::Rng;

use self::{
    activities::Activities,
    calendar::Calendar,
    customers::Customer,
    staff::{ADMIN, POSTS, Staff},
    words::Directory,
};

/// The slug of the demo organization.
pub const SLUG: &str = "demo";
/// The password of all its users who can sign in.
pub const PASSWORD: &str = "seven lanterns by the quay";

/// The domain of its users' addresses, which is reserved and cannot be registered.
const DOMAIN: &str = "coldharrow.example";
/// Records created per call: with history, claims and links they fit a few commits.
const PER_CALL: usize = 20;

/// The credentials of the demo organization, and the records to look at first.
#[derive(Clone, Debug)]
pub struct SignInHint {
    /// The organization's slug.
    pub organization: String,
    /// The administrator's email address.
    pub email: String,
    /// The password of the administrator and the other users: [`PASSWORD`]. For an existing organization, the password
    /// with which they were created; they may have changed it since.
    pub password: Secret,
    /// The other users who can sign in: one for each built-in role.
    pub others: Vec<DemoUser>,
    /// A lead with a rich history, from a trade fair through conversion to a won deal. `None` if an organization with
    /// this slug exists without that lead, because it was created by another program or because filling was
    /// interrupted. A new store gives the whole demo.
    pub lead: Option<Id<Lead>>,
    /// The deal of that lead.
    pub deal: Option<Id<Deal>>,
    /// `true` if the organization was created by this call.
    pub is_new: bool,
}

/// A user of the demo organization who can sign in with [`SignInHint::password`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoUser {
    /// The user's name.
    pub name: String,
    /// The key of the user's role.
    pub role: String,
    /// The email address for sign-in.
    pub email: String,
}

/// Creates the demo organization. If it exists, returns its credentials and writes nothing.
///
/// Costs about 600 commits (2,800 changes, including a score for each lead) and as many reads, one after the other, and
/// the hashing of seven passwords at the policy's cost. It is not one transaction: an interrupted call leaves a part
/// behind, and [`SignInHint::lead`] of a later call is `None`.
///
/// # Errors
/// Errors of the store; [`AuthError::Crm`] if the policy rejects the password.
pub async fn fill(crm: &Crm, policy: &Policy, seed: u64) -> Result<SignInHint, AuthError> {
    match crm.tenant_by_slug(SLUG).await {
        Ok(tenant) => return Ok(found(crm, tenant).await?),
        Err(Error::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let password = Secret::from(PASSWORD);
    let admin = match crm.auth(policy).register(setup::organization(), staff::admin(), &password).await {
        Ok(signed_in) => signed_in.actor,
        // Another program created it first.
        Err(AuthError::Crm(Error::Duplicate { field, .. })) if field == "slug" => {
            return Ok(found(crm, crm.tenant_by_slug(SLUG).await?).await?);
        }
        Err(error) => return Err(error),
    };
    let (calendar, mut rng) = (Calendar { now: crm.now() }, Rng::with_seed(seed));
    setup::properties(crm, &admin).await?;
    setup::rates(crm, &admin, calendar, &mut rng).await?;
    setup::products(crm, &admin).await?;
    let staff = Staff::hire(crm, &admin, calendar, &mut rng).await?;
    staff.let_in(crm, &admin, policy).await?;
    let mut world = World {
        crm,
        staff,
        calendar,
        rng,
        directory: Directory::default(),
        customers: Vec::new(),
        activities: Activities::default(),
    };
    world.first_customers().await?;
    let converted = world.leads().await?;
    world.deals(converted).await?;
    world.colleagues().await?;
    world.bring_activities().await?;
    let story = world.showcase().await?;
    setup::scores(crm, &admin).await?;
    Ok(hint(Some(story), true))
}

/// Returns `true` if a tenant is the demo organization, complete or not: its administrator has an address that nobody
/// else can have. One round trip.
///
/// # Errors
/// Errors of the store.
pub async fn is_demo(crm: &Crm, tenant: Id) -> Result<bool, Error> {
    match crm.users(&Actor::system(tenant)).find("email", &POSTS[ADMIN].email()).await {
        Ok(_) => Ok(true),
        Err(Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The credentials of the existing organization.
async fn found(crm: &Crm, tenant: Id) -> Result<SignInHint, Error> {
    match crm.leads(&Actor::system(tenant)).find("external_id", showcase::EXTERNAL_ID).await {
        Ok(lead) => Ok(hint(Some((lead.id, lead.converted_deal_id)), false)),
        Err(Error::NotFound(_)) => Ok(hint(None, false)),
        Err(error) => Err(error),
    }
}

fn hint(story: Option<(Id<Lead>, Option<Id<Deal>>)>, is_new: bool) -> SignInHint {
    let others = POSTS.iter().enumerate().filter(|(place, post)| *place != ADMIN && post.signs_in);
    let user = |(_, post): (usize, &staff::Post)| DemoUser {
        name: format!("{} {}", post.first, post.last),
        role: post.role.to_owned(),
        email: post.email(),
    };
    SignInHint {
        organization: SLUG.to_owned(),
        email: POSTS[ADMIN].email(),
        password: Secret::from(PASSWORD),
        others: others.map(user).collect(),
        lead: story.map(|(lead, _)| lead),
        deal: story.and_then(|(_, deal)| deal),
        is_new,
    }
}

/// The state of the demo organization under construction.
struct World<'a> {
    crm: &'a Crm,
    staff: Staff,
    calendar: Calendar,
    rng: Rng,
    directory: Directory,
    /// The companies with their contacts.
    customers: Vec<Customer>,
    /// The activities, created at the end.
    activities: Activities,
}

impl World<'_> {
    /// Creates records, each on behalf of its author, and returns them in their order.
    async fn bring<K: RecordKind>(&self, many: Vec<(usize, NewWithHistory<K>)>) -> Result<Vec<Record<K>>, Error> {
        let mut made: Vec<Option<Record<K>>> = many.iter().map(|_| None).collect();
        let mut by_author: BTreeMap<usize, Vec<(usize, NewWithHistory<K>)>> = BTreeMap::new();
        for (place, (author, new)) in many.into_iter().enumerate() {
            by_author.entry(author).or_default().push((place, new));
        }
        for (author, theirs) in by_author {
            let all = self.crm.collection::<K>(self.staff.author(author));
            for batch in theirs.chunks(PER_CALL) {
                let verdicts = all.create_many(batch.iter().map(|(_, new)| new.clone()).collect()).await;
                for ((place, _), verdict) in batch.iter().zip(verdicts) {
                    made[*place] = Some(verdict?);
                }
            }
        }
        made.into_iter().map(|made| made.ok_or(Error::NotFound(K::KIND))).collect()
    }

    /// Creates the collected activities.
    async fn bring_activities(&mut self) -> Result<(), Error> {
        let Activities { interactions, tasks, notes } = std::mem::take(&mut self.activities);
        self.bring(interactions).await?;
        self.bring(tasks).await?;
        self.bring(notes).await.map(drop)
    }

    /// The ids of the stages of a default pipeline, by key.
    async fn stages(&self, of: crm_core::pipelines::PipelineKind) -> Result<BTreeMap<String, Id<Stage>>, Error> {
        let all = self.crm.pipelines(self.staff.author(ADMIN)).list(&crm_core::listing::ListQuery::new()).await?;
        let found = all.items.into_iter().find(|pipeline| pipeline.kind == of && pipeline.is_default);
        let pipeline = found.ok_or(Error::NotFound(Kind::Pipeline))?;
        Ok(pipeline.stages.iter().map(|stage| (stage.key.clone(), stage.id)).collect())
    }
}

fn stage(stages: &BTreeMap<String, Id<Stage>>, key: &str) -> Result<Id<Stage>, Error> {
    stages.get(key).copied().ok_or(Error::NotFound(Kind::Pipeline))
}
