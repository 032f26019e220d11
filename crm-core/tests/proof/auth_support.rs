//! A tenant with sign-in: cheap, counted hashing, captured emails, a test clock, real randomness.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use crm_core::{
    Crm, MemoryStore,
    access::Actor,
    auth::{
        Argon2Cost, Auth, AuthError, Email, HashingTask, Mail, MailError, Mailer, PasswordHasher, Policy, Secret,
        SignIn, SignedIn,
    },
    catalog,
    change::Origin,
    filter::Predicate,
    ids::RandomIds,
    listing::ListQuery,
    organizations::NewOrganization,
    roles::Role,
    schema::Record,
    security_events::SecurityEventType,
    store::{Query, Store},
    testing::TestClock,
    users::{NewUser, User},
    value::{Id, Value},
};

pub const PASSWORD: &str = "a horse of nine colours";
pub const OTHER: &str = "the pond behind the barn";

/// Counts password hashes.
#[derive(Clone, Default)]
pub struct CountingWorker(pub Arc<AtomicUsize>);

#[async_trait]
impl PasswordHasher for CountingWorker {
    async fn run(&self, work: HashingTask) {
        self.0.fetch_add(1, Ordering::SeqCst);
        work();
    }
}

/// Captures emails.
#[derive(Clone, Default)]
pub struct Emails {
    pub letters: Arc<Mutex<Vec<Mail>>>,
    pub pretended: Arc<AtomicUsize>,
}

#[async_trait]
impl Mailer for Emails {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        self.letters.lock().unwrap().push(mail);
        Ok(())
    }
    async fn pretend(&self) {
        self.pretended.fetch_add(1, Ordering::SeqCst);
    }
}

pub struct Scene {
    pub store: MemoryStore,
    pub clock: TestClock,
    pub crm: Crm,
    pub policy: Policy,
    pub worker: CountingWorker,
    pub mails: Emails,
    pub admin: SignedIn,
}

pub fn organization(slug: &str) -> NewOrganization {
    NewOrganization { name: "Acme".into(), slug: Some(slug.into()), ..Default::default() }
}

pub fn person(name: &str, email: &str, role: Option<Id<Role>>) -> NewUser {
    NewUser {
        first_name: Some(name.into()),
        email: Some(email.into()),
        role_ids: role.into_iter().collect(),
        ..Default::default()
    }
}

impl Scene {
    pub async fn new() -> Self {
        Self::over(MemoryStore::new(), |store| Arc::new(store.clone()), "acme").await
    }

    pub async fn over(store: MemoryStore, way: impl Fn(&MemoryStore) -> Arc<dyn Store>, slug: &str) -> Self {
        let clock = TestClock::at("2026-01-05T09:00:00Z");
        let crm = Crm::builder_shared(way(&store)).clock(clock.clone()).ids(RandomIds::default()).build();
        let (worker, mails) = (CountingWorker::default(), Emails::default());
        let policy = Policy {
            argon2: Argon2Cost { memory_kib: 16, passes: 1, lanes: 1 },
            worker: Arc::new(worker.clone()),
            mailer: Arc::new(mails.clone()),
            ..Policy::default()
        };
        let ada = person("Ada", "ada@acme.example", None);
        let admin = crm.auth(&policy).register(organization(slug), ada, &PASSWORD.into()).await.expect("registered");
        Self { store, clock, crm, policy, worker, mails, admin }
    }

    pub fn auth(&self) -> Auth<'_> {
        self.crm.auth(&self.policy)
    }

    pub fn from(&self, address: &str) -> Auth<'_> {
        let origin = Origin { address: Some(address.into()), user_agent: Some("test/1".into()), ..Origin::default() };
        self.auth().through(origin)
    }

    pub async fn sign_in(&self, password: &str) -> Result<SignedIn, AuthError> {
        self.auth().sign_in(&as_ada(password)).await
    }

    pub async fn role(&self, key: &str) -> Id<Role> {
        self.crm.roles(&self.admin.actor).find("key", key).await.expect("a role").id
    }

    /// A user who accepted an invitation and has a password.
    pub async fn member(&self, name: &str, role: &str) -> (Record<User>, SignedIn) {
        let email = format!("{}@acme.example", name.to_lowercase());
        let role = self.role(role).await;
        let user = self.auth().invite(&self.admin.actor, person(name, &email, Some(role))).await.expect("invited");
        self.auth().accept_invitation(&self.letter().ticket, &OTHER.into()).await.expect("accepted");
        let with = SignIn { organization: "acme".into(), email, password: OTHER.into(), code: None };
        (user, self.auth().sign_in(&with).await.expect("signed in"))
    }

    /// The last email sent.
    pub fn letter(&self) -> Email {
        match self.mails.letters.lock().unwrap().last().expect("a letter") {
            Mail::Invitation(letter) | Mail::PasswordReset(letter) => letter.clone(),
        }
    }

    pub async fn events(&self, event: SecurityEventType) -> usize {
        let query = ListQuery::new().limit(200);
        let system = Actor::system(self.admin.actor.tenant());
        let page = self.crm.security_events(&system).list(&query).await.expect("events");
        assert!(page.next_cursor.is_none(), "more events than a page holds");
        page.items.iter().filter(|entry| entry.event == event).count()
    }

    pub async fn is_live(&self, signed_in: &SignedIn) -> bool {
        let actor = &signed_in.actor;
        self.auth().session_is_live(actor.tenant(), signed_in.session.id, actor.user().unwrap()).await.unwrap()
    }
}

pub fn as_ada(password: &str) -> SignIn {
    SignIn { organization: "acme".into(), email: "Ada@Acme.example".into(), password: password.into(), code: None }
}

/// Runs `work` on this number of threads at once.
pub fn at_once<T: Send>(times: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let ready = std::sync::Barrier::new(times);
    std::thread::scope(|scope| {
        let run = |at| {
            let (work, ready) = (&work, &ready);
            scope.spawn(move || {
                ready.wait();
                work(at)
            })
        };
        let all: Vec<_> = (0..times).map(run).collect();
        all.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    })
}

/// The code of an authenticator (RFC 6238), implemented independently.
pub fn code(secret: &Secret, clock: &TestClock) -> Secret {
    use hmac::{Hmac, KeyInit, Mac};
    let key = data_encoding::BASE32_NOPAD.decode(secret.expose().as_bytes()).expect("base 32");
    let step = u64::try_from(clock.now().micros()).unwrap() / 30_000_000;
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&key).unwrap();
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7FFF_FFFF;
    format!("{:06}", number % 1_000_000).into()
}

/// Every stored text of a tenant in a field that is declared secret.
pub async fn secrets_of(store: &dyn Store, tenant: Id) -> Vec<String> {
    let mut found = Vec::new();
    for decl in catalog::all().filter(|decl| decl.fields.iter().any(|field| field.marks.secret)) {
        let query = Query {
            tenant,
            decl,
            index: &decl.indexes[0],
            equals: Vec::new(),
            descending: false,
            filter: Predicate::always(),
            after: None,
            limit: 1000,
        };
        for image in store.list(&query).await.expect("a list").items {
            for (_, value) in decl.fields.iter().zip(&image.values).filter(|(field, _)| field.marks.secret) {
                let texts = value.as_text().into_iter().chain(value.items().iter().filter_map(Value::as_text));
                found.extend(texts.map(str::to_owned));
            }
        }
    }
    found
}
