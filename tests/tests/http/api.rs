//! A router over its own store, and a client for it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
};
use crm_core::{
    Crm, MemoryStore,
    auth::{Email, Mail, MailError, Mailer, Policy},
    store::Store,
    testing::TestClock,
};
use crm_lambda::{Config, KeyRing, OwnSignIn, SignIn, TokenKey, router};
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use tower::ServiceExt;

/// The password of all users in these tests.
pub(crate) const PASSWORD: &str = "a heron by the lake";
/// The key of access tokens.
pub(crate) const SECRET: &[u8] = b"0123456789 these are 48 bytes of a test's secret";

/// Captured emails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Emails(Arc<Mutex<Vec<Email>>>);

impl Emails {
    /// The token of the last email.
    pub(crate) fn ticket(&self) -> String {
        let letters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        letters.last().expect("a letter was sent").ticket.expose().to_owned()
    }

    /// The number of emails.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[async_trait]
impl Mailer for Emails {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let (Mail::Invitation(letter) | Mail::PasswordReset(letter)) = mail;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        Ok(())
    }
}

/// A policy with cheap password hashing.
pub(crate) fn policy(letters: &Emails) -> Policy {
    let mut policy = Policy { mailer: Arc::new(letters.clone()), ..Policy::default() };
    policy.argon2.memory_kib = 32;
    policy.argon2.passes = 1;
    policy
}

/// An API over its own store.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) router: Router,
    pub(crate) clock: TestClock,
    pub(crate) crm: Crm,
    pub(crate) letters: Emails,
}

/// A complete response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Json,
}

impl Answer {
    /// `data`.
    pub(crate) fn data(&self) -> &Json {
        &self.json["data"]
    }

    /// `data.id`.
    pub(crate) fn id(&self) -> String {
        self.data()["id"].as_str().unwrap_or_else(|| panic!("no id in {self:?}")).to_owned()
    }

    /// The problem's code.
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The `ETag`.
    pub(crate) fn etag(&self) -> String {
        self.headers[header::ETAG].to_str().expect("a tag is plain").to_owned()
    }

    /// Asserts the status and returns the response.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// Asserts the problem and returns the response.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status.as_u16(), self.code()), (status, code), "{}", self.text);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(self.json["status"], status);
        self
    }

    /// The fields with faults.
    pub(crate) fn at_fault(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().filter_map(|error| error["field"].as_str()).collect()
    }
}

/// A request builder.
pub(crate) struct Asking<'a> {
    api: &'a Api,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Asking<'_> {
    /// Sets an access token or an API key.
    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a JSON body.
    pub(crate) fn json(self, body: &Json) -> Self {
        let mut asking = self.header("content-type", "application/json");
        asking.body = Some(body.to_string().into_bytes());
        asking
    }

    /// Sets any body.
    pub(crate) fn raw(mut self, media: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        if media.is_empty() { self } else { self.header("content-type", media) }
    }

    /// Sends the request and asserts that the response is as the document says.
    pub(crate) async fn send(self) -> Answer {
        let method = self.method.clone();
        let mut request = Request::builder().method(self.method).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(self.body.map_or_else(Body::empty, Body::from)).expect("a request");
        let response = self.api.router.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Json::Null);
        let media = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        if media == b"application/json" || media == b"application/problem+json" {
            super::conforms::conforms(method.as_str(), &self.path, parts.status.as_u16(), &json);
        }
        Answer { status: parts.status, headers: parts.headers, text, json }
    }
}

/// A signed-in user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) organization: String,
}

impl User {
    fn of(answer: &Answer) -> Self {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let data = answer.data();
        Self {
            id: text(&data["user"]["id"]),
            access: text(&data["access_token"]),
            refresh: text(&data["refresh_token"]),
            organization: text(&data["organization"]["id"]),
        }
    }
}

impl Api {
    /// Creates an API on a new memory store.
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new()))
    }

    /// Creates an API on a store.
    pub(crate) fn on(store: Arc<dyn Store>) -> Self {
        Self::with(store, |_, _| {})
    }

    /// Creates an API on a store, with changes to sign-in and configuration.
    pub(crate) fn with(store: Arc<dyn Store>, change: impl FnOnce(&mut OwnSignIn, &mut Config)) -> Self {
        let letters = Emails::default();
        let keys = KeyRing::new(vec![TokenKey::hs256("one", SECRET).expect("strong")]).expect("one key");
        let mut own = OwnSignIn::new(keys, "https://crm.example", policy(&letters));
        own.registration = true;
        let mut config = Config::new(SignIn::Host);
        config.requests_per_minute = None;
        config.sign_ins_per_minute = None;
        change(&mut own, &mut config);
        config.sign_in = SignIn::Own(Box::new(own));
        let clock = TestClock::at("2024-05-06T09:00:00Z");
        let crm = Crm::builder_shared(store).clock(clock.clone()).build();
        Self { router: router(crm.clone(), config), clock, crm, letters }
    }

    /// Starts a request.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Asking<'_> {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/api/v1/{path}") };
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Asking { api: self, method, path, headers: Vec::new(), body: None }
    }

    /// GET by a user.
    pub(crate) async fn get(&self, user: &User, path: &str) -> Answer {
        self.ask("GET", path).token(&user.access).send().await
    }

    /// POST by a user.
    pub(crate) async fn post(&self, user: &User, path: &str, body: Json) -> Answer {
        self.ask("POST", path).token(&user.access).json(&body).send().await
    }

    /// PATCH by a user.
    pub(crate) async fn patch(&self, user: &User, path: &str, body: Json) -> Answer {
        self.ask("PATCH", path).token(&user.access).json(&body).send().await
    }

    /// Registers an organization and returns its administrator.
    pub(crate) async fn register(&self, slug: &str) -> User {
        let body = json!({
            "organization": {"name": slug, "slug": slug},
            "user": {"email": format!("admin@{slug}.example"), "first_name": "Ada"},
            "password": PASSWORD,
        });
        User::of(&self.ask("POST", "auth/register").json(&body).send().await.is(201))
    }

    /// Tries to sign in.
    pub(crate) async fn try_login(&self, slug: &str, email: &str, password: &str, code: Option<&str>) -> Answer {
        let mut body = json!({"organization": slug, "email": email, "password": password});
        if let Some(code) = code {
            body["code"] = code.into();
        }
        self.ask("POST", "auth/login").json(&body).send().await
    }

    /// Signs in.
    pub(crate) async fn login(&self, slug: &str, email: &str) -> User {
        User::of(&self.try_login(slug, email, PASSWORD, None).await.is(200))
    }

    /// Tries to refresh a session.
    pub(crate) async fn try_refresh(&self, token: &str) -> Answer {
        self.ask("POST", "auth/refresh").json(&json!({"refresh_token": token})).send().await
    }

    /// Invites a user with a role, given by its key, and signs them in.
    pub(crate) async fn user(&self, admin: &User, slug: &str, name: &str, role: &str) -> User {
        let role = self.role(admin, role).await;
        let email = format!("{name}@{slug}.example");
        self.post(admin, "users/invitations", json!({"email": email, "role_ids": [role], "first_name": name}))
            .await
            .is(201);
        let accept = json!({"ticket": self.letters.ticket(), "password": PASSWORD});
        self.ask("POST", "auth/invitation/accept").json(&accept).send().await.is(204);
        self.login(slug, &email).await
    }

    /// The id of a role, by key.
    pub(crate) async fn role(&self, admin: &User, key: &str) -> String {
        let roles = self.get(admin, "roles?limit=200").await.is(200);
        let found = roles.data().as_array().and_then(|all| all.iter().find(|role| role["key"] == key).cloned());
        found.expect("the role is there")["id"].as_str().expect("an id").to_owned()
    }
}
