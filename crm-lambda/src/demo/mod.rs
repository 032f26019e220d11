//! A demo organization: a company that sells monitoring of cold rooms, transports and freezers, with half a year of
//! leads, deals and all that was said and done about them, up to now.
//!
//! [`fill`] makes it through the public use cases alone, so it works on every store: what happened is brought in as an
//! import brings it in, with the time at which it was true, and recorded now. Who did it is the user it would have been.
//! It is the same every time for one seed and one time of the [`Crm`]'s clock, but for the ids. People, firms, addresses
//! and numbers are invented, from ranges that are set aside for that.
//!
//! Its password is known to everybody who reads this: a demo is for a server that only its owner reaches.

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

/// The name under which the demo organization signs in.
pub const SLUG: &str = "demo";
/// The password of all its users who can sign in.
pub const PASSWORD: &str = "seven lanterns by the quay";

/// Where its users have their addresses: a domain that nobody can have.
const DOMAIN: &str = "coldharrow.example";
/// Records handed over together: with history, claims and links they fit a few commits.
const PER_CALL: usize = 20;

/// How to sign in to the demo organization, and what to look at first.
#[derive(Clone, Debug)]
pub struct SignInHint {
    /// The organization's slug.
    pub organization: String,
    /// The administrator's e-mail address.
    pub email: String,
    /// The password, of the administrator and of the others: [`PASSWORD`]. Of an organization that was there already it
    /// is what they were made with; whoever has changed theirs since knows it.
    pub password: Secret,
    /// Who else can sign in: for each of the built-in roles somebody.
    pub others: Vec<DemoUser>,
    /// A lead with a rich history: from a trade fair through conversion to a deal that was won. `None` where an
    /// organization was there already and this lead is not: another program's, or the filling was interrupted, and a
    /// fresh store gives the whole demo.
    pub lead: Option<Id>,
    /// The deal that it became.
    pub deal: Option<Id>,
    /// Whether the organization was made just now.
    pub is_new: bool,
}

/// A user of the demo organization who can sign in with [`SignInHint::password`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoUser {
    /// What they are called.
    pub name: String,
    /// The key of their role.
    pub role: String,
    /// The e-mail address they sign in under.
    pub email: String,
}

/// Makes the demo organization, or says how to sign in to the one that is there; nothing is written then.
///
/// Costs about 600 commits (2,800 changes; a score for each lead among them) and as many reads, one after the other, and the hashing of seven passwords at
/// the policy's cost. Not one transaction: interrupted, it leaves a part behind, and [`SignInHint::lead`] of a later call is `None`.
///
/// # Errors
/// What the store says; [`AuthError::Crm`] where the policy takes no such password.
pub async fn fill(crm: &Crm, policy: &Policy, seed: u64) -> Result<SignInHint, AuthError> {
    match crm.tenant_by_slug(SLUG).await {
        Ok(tenant) => return Ok(found(crm, tenant).await?),
        Err(Error::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let password = Secret::from(PASSWORD);
    let admin = match crm.auth(policy).register(setup::organization(), staff::admin(), &password).await {
        Ok(signed_in) => signed_in.actor,
        // Another program was faster.
        Err(AuthError::Crm(Error::Duplicate { field, .. })) if field == "slug" => {
            return Ok(found(crm, crm.tenant_by_slug(SLUG).await?).await?);
        }
        Err(error) => return Err(error),
    };
    let (calendar, mut rng) = (Calendar { now: crm.now() }, Rng::with_seed(seed));
    setup::properties(crm, &admin).await?;
    setup::rates(crm, &admin, calendar, &mut rng).await?;
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

/// How to sign in to the organization that is there.
async fn found(crm: &Crm, tenant: Id) -> Result<SignInHint, Error> {
    match crm.leads(&Actor::system(tenant)).find("external_id", showcase::EXTERNAL_ID).await {
        Ok(lead) => Ok(hint(Some((lead.id, lead.converted_deal_id)), false)),
        Err(Error::NotFound(_)) => Ok(hint(None, false)),
        Err(error) => Err(error),
    }
}

fn hint(story: Option<(Id, Option<Id>)>, is_new: bool) -> SignInHint {
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

/// The demo organization while it is being made.
struct World<'a> {
    crm: &'a Crm,
    staff: Staff,
    calendar: Calendar,
    rng: Rng,
    directory: Directory,
    /// Companies, with whom one knows there.
    customers: Vec<Customer>,
    /// What was said and done, to be brought in at the end.
    activities: Activities,
}

impl World<'_> {
    /// Creates records, each under the name of whoever wrote it, and answers them in their order.
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

    /// Brings in what was said and done.
    async fn bring_activities(&mut self) -> Result<(), Error> {
        let Activities { interactions, tasks, notes } = std::mem::take(&mut self.activities);
        self.bring(interactions).await?;
        self.bring(tasks).await?;
        self.bring(notes).await.map(drop)
    }

    /// The ids of the stages of a default pipeline, by key.
    async fn stages(&self, of: crm_core::pipelines::PipelineKind) -> Result<BTreeMap<String, Id>, Error> {
        let all = self.crm.pipelines(self.staff.author(ADMIN)).list(&crm_core::listing::ListQuery::new()).await?;
        let found = all.items.into_iter().find(|pipeline| pipeline.kind == of && pipeline.is_default);
        let pipeline = found.ok_or(Error::NotFound(Kind::Pipeline))?;
        Ok(pipeline.stages.iter().map(|stage| (stage.key.clone(), stage.id)).collect())
    }
}

/// The stage of a key.
fn stage(stages: &BTreeMap<String, Id>, key: &str) -> Result<Id, Error> {
    stages.get(key).copied().ok_or(Error::NotFound(Kind::Pipeline))
}
