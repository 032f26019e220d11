//! Sign-in on every store: one scenario with the same results on memory, PostgreSQL, SQLite and DynamoDB; and encrypted secrets
//! over a store that passes the conformance suite.
#![allow(clippy::too_many_lines)] // one scenario from top to bottom

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use crm_core::{
    Crm, MemoryStore,
    audit::AuditQuery,
    auth::{Argon2Cost, AuthError, Email, Mail, MailError, Mailer, NewKey, Policy, Secret, SignIn},
    change::Origin,
    conformance::{self, Harness},
    filter::Filter,
    ids::RandomIds,
    leads::NewLead,
    listing::ListQuery,
    organizations::NewOrganization,
    store::{
        Store,
        sealed::{SealedStore, SealingKeys},
    },
    testing::TestClock,
    users::{Handover, NewUser},
    value::Kind,
};
use tests::harness::{Dynamo, Memory, Postgres, Sqlite};

const PASSWORD: &str = "a horse of nine colours";
const OTHER: &str = "the pond behind the barn";

#[derive(Clone, Default)]
struct Emails(Arc<std::sync::Mutex<Vec<Email>>>);

#[async_trait]
impl Mailer for Emails {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let (Mail::Invitation(letter) | Mail::PasswordReset(letter)) = mail;
        self.0.lock().unwrap().push(letter);
        Ok(())
    }
}

fn sealing_keys() -> SealingKeys {
    SealingKeys::new("test", &std::array::from_fn(|at| u8::try_from(at).unwrap())).unwrap()
}

/// The code of an authenticator, implemented independently of the core.
fn code(secret: &Secret, clock: &TestClock) -> Secret {
    use hmac::{Hmac, KeyInit, Mac};
    let key = data_encoding::BASE32_NOPAD.decode(secret.expose().as_bytes()).unwrap();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&key).unwrap();
    mac.update(&(clock.now().micros() / 30_000_000).to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7FFF_FFFF;
    format!("{:06}", number % 1_000_000).into()
}

async fn story(harness: &dyn Harness) {
    let store = harness.fresh().await;
    let clock = TestClock::at("2026-01-05T09:00:00Z");
    let sealed = SealedStore::shared(Arc::clone(&store), sealing_keys());
    let crm = Crm::builder(sealed).clock(clock.clone()).ids(RandomIds::default()).build();
    let letters = Emails::default();
    let policy = Policy {
        argon2: Argon2Cost { memory_kib: 32, passes: 1, lanes: 1 },
        mailer: Arc::new(letters.clone()),
        ..Policy::default()
    };
    let origin = Origin { address: Some("192.0.2.1".into()), user_agent: Some("story".into()), ..Origin::default() };
    let auth = || crm.auth(&policy).through(origin.clone());
    let slug = "story";

    // Registration.
    let organization = NewOrganization { name: "Story".into(), slug: Some(slug.into()), ..Default::default() };
    let ada = NewUser { first_name: Some("Ada".into()), email: Some("ada@story.example".into()), ..Default::default() };
    let admin = auth().register(organization.clone(), ada.clone(), &PASSWORD.into()).await.unwrap();
    assert!(auth().register(organization, ada, &PASSWORD.into()).await.is_err(), "the slug is taken");
    let tenant = admin.actor.tenant();
    crm.leads(&admin.actor).create(NewLead { name: "Bob".into(), ..Default::default() }).await.unwrap();

    // Sign-in, concurrent refreshes, reuse.
    let with = |email: &str, password: &str| SignIn {
        organization: slug.into(),
        email: email.into(),
        password: password.into(),
        code: None,
    };
    let ada = || with("ada@story.example", PASSWORD);
    let signed_in = auth().sign_in(&ada()).await.unwrap();
    assert_eq!(signed_in.user.last_login_at, Some(clock.now()));
    let refreshing: Vec<_> = (0..20)
        .map(|_| {
            let (crm, policy, token) = (crm.clone(), policy.clone(), signed_in.refresh_token.clone());
            tokio::spawn(async move { crm.auth(&policy).refresh(&token).await.map(|next| next.refresh_token) })
        })
        .collect();
    let mut successors = Vec::new();
    for task in refreshing {
        successors.push(task.await.unwrap().unwrap());
    }
    assert!(successors.iter().all(|successor| successor == &successors[0]));
    clock.advance_seconds(11);
    assert!(auth().session_is_live(tenant, signed_in.session.id, signed_in.user.id).await.unwrap());
    assert!(matches!(auth().refresh(&signed_in.refresh_token).await, Err(AuthError::InvalidToken)));
    assert!(matches!(auth().refresh(&successors[0]).await, Err(AuthError::InvalidToken)));
    assert!(!auth().session_is_live(tenant, signed_in.session.id, signed_in.user.id).await.unwrap());

    // Concurrent attempts cannot exceed the limit.
    let guesses: Vec<_> = (0..20)
        .map(|_| {
            let (crm, policy) = (crm.clone(), policy.clone());
            let with = with("nobody@story.example", "a wrong password");
            tokio::spawn(async move { crm.auth(&policy).sign_in(&with).await.map(drop) })
        })
        .collect();
    let mut tried = 0;
    for task in guesses {
        match task.await.unwrap() {
            Err(AuthError::InvalidCredentials) => tried += 1,
            Err(AuthError::Locked { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tried, 10);

    // A second factor, and a code that is accepted once.
    let factor = auth().begin_second_factor(&admin.actor, &PASSWORD.into()).await.unwrap();
    let codes = auth().confirm_second_factor(&admin.actor, &code(&factor.secret, &clock)).await.unwrap();
    assert!(matches!(auth().sign_in(&ada()).await, Err(AuthError::CodeRequired)));
    clock.advance_seconds(30);
    let shown = code(&factor.secret, &clock);
    let with_code = SignIn { code: Some(shown), ..ada() };
    assert!(auth().sign_in(&with_code).await.unwrap().session.second_factor);
    assert!(matches!(auth().sign_in(&with_code).await, Err(AuthError::InvalidCredentials)));
    let recovered = auth().sign_in(&SignIn { code: Some(codes[0].clone()), ..ada() }).await.unwrap();

    // An invited user resets their password.
    let role = crm.roles(&admin.actor).find("key", "sales_rep").await.unwrap().id;
    let rob = NewUser {
        first_name: Some("Rob".into()),
        email: Some("rob@story.example".into()),
        role_ids: vec![role],
        ..Default::default()
    };
    let rob = auth().invite(&admin.actor, rob).await.unwrap();
    let ticket = || letters.0.lock().unwrap().last().unwrap().ticket.clone();
    auth().accept_invitation(&ticket(), &PASSWORD.into()).await.unwrap();
    let session = auth().sign_in(&with("rob@story.example", PASSWORD)).await.unwrap();
    auth().forgot_password(slug, "ROB@story.example").await.unwrap();
    auth().reset_password(&ticket(), &OTHER.into()).await.unwrap();
    assert!(matches!(auth().reset_password(&ticket(), &OTHER.into()).await, Err(AuthError::InvalidToken)));
    assert!(auth().refresh(&session.refresh_token).await.is_err());
    let session = auth().sign_in(&with("rob@story.example", OTHER)).await.unwrap();

    // An API key.
    let new = NewKey { name: "etl".into(), permissions: vec!["lead.read".parse().unwrap()], expires_at: None };
    let (key, first) = auth().create_key(&recovered.actor, &new).await.unwrap();
    let (_, second) = auth().rotate_key(&recovered.actor, key.id, Duration::from_hours(1)).await.unwrap();
    for secret in [&first, &second] {
        let actor = auth().authenticate_key(secret).await.unwrap();
        assert_eq!(crm.leads(&actor).count(Filter::all([])).await.unwrap(), 1);
        assert!(crm.contacts(&actor).count(Filter::all([])).await.is_err());
    }
    auth().revoke_key(&recovered.actor, key.id).await.unwrap();
    assert!(auth().authenticate_key(&second).await.is_err());

    // A deactivated user is signed out.
    crm.users(&admin.actor).deactivate(rob.id, Handover::Leave).await.unwrap();
    assert!(auth().refresh(&session.refresh_token).await.is_err());
    assert!(matches!(auth().sign_in(&with("rob@story.example", OTHER)).await, Err(AuthError::InvalidCredentials)));

    // All of it can be read afterwards, without a secret.
    harness.settle(store.as_ref()).await;
    let events = crm.security_events(&admin.actor).list(&ListQuery::new().limit(200)).await.unwrap();
    let mut seen: Vec<String> = events.items.iter().map(|entry| format!("{:?}", entry.event)).collect();
    assert!(events.items.iter().any(|entry| entry.address.as_deref() == Some("192.0.2.1")));
    seen.sort();
    seen.dedup();
    assert_eq!(
        seen,
        [
            "ApiKeyCreated",
            "ApiKeyRevoked",
            "ApiKeyRotated",
            "LockedOut",
            "PasswordResetAsked",
            "PasswordSet",
            "RecoveryCodeUsed",
            "SecondFactorSet",
            "SignInFailed",
            "SignedIn",
            "TokenReused",
        ]
    );
    let mut audit = Vec::new();
    let mut query = AuditQuery { limit: Some(200), ..Default::default() };
    loop {
        let page = crm.audit(&admin.actor).page(&query).await.unwrap();
        audit.extend(page.items);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    assert!(audit.windows(2).all(|pair| pair[0].recorded_at <= pair[1].recorded_at));
    assert!(audit.iter().any(|change| change.record.kind == Kind::Credential));
    let told = format!("{audit:?}");
    assert!(!told.contains("argon2id") && !told.contains("sealed:") && !told.contains(factor.secret.expose()));
    // Without the key the store's secrets cannot be decrypted.
    let bare = Crm::builder_shared(store).clock(clock).build();
    assert!(bare.auth(&policy).sign_in(&ada()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_is_told_on_memory() {
    Box::pin(story(&Memory)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_is_told_on_postgres() {
    Box::pin(story(&Postgres)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_is_told_on_dynamodb() {
    Box::pin(story(&Dynamo)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_is_told_on_sqlite() {
    Box::pin(story(&Sqlite::default())).await;
}

/// The memory store with encrypted secrets.
struct Sealed;

#[async_trait]
impl Harness for Sealed {
    async fn fresh(&self) -> Arc<dyn Store> {
        Arc::new(SealedStore::new(MemoryStore::new(), sealing_keys()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_encrypts_secrets_passes_the_suite() {
    let report = conformance::run(&Sealed).await;
    println!("{report}");
    report.assert();
}
