//! Sign-in over HTTP: races, replays, forged and expired tokens, cookies, reset and invitation tokens, the second
//! factor, and sign-in by the host and by an external issuer.

use std::sync::Arc;

use axum::http::Request;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use crm_core::{
    Crm, MemoryStore, access::Actor, organizations::NewOrganization, testing::TestClock, users::NewUser, value::Id,
};
use crm_lambda::{Config, JwksError, JwksSource, KeyRing, OutsideIssuer, SignIn, StaticJwks, TokenKey, router};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value as Json, json};
use tower::ServiceExt;

use crate::api::{Api, PASSWORD, SECRET};

#[tokio::test]
async fn a_password_signs_in_and_nothing_tells_what_was_wrong() {
    let api = Api::new();
    api.register("acme").await;
    let user = api.login("acme", "ADMIN@acme.example").await;
    api.get(&user, "me").await.is(200);
    let wrong = api.try_login("acme", "admin@acme.example", "another password", None).await;
    let unknown = api.try_login("acme", "nobody@acme.example", PASSWORD, None).await;
    let nowhere = api.try_login("elsewhere", "admin@acme.example", PASSWORD, None).await;
    for answer in [&wrong, &unknown, &nowhere] {
        assert_eq!((answer.status.as_u16(), &answer.text), (401, &wrong.text));
    }
    assert_eq!(wrong.code(), "invalid_credentials");
    let weak = json!({
        "organization": {"name": "B", "slug": "b"}, "user": {"email": "a@b.example"}, "password": "short",
    });
    api.ask("POST", "auth/register").json(&weak).send().await.problem(422, "invalid");
    // Sign-in is recorded in the security log.
    let events = api.get(&user, "audit/security-events?limit=200").await.is(200);
    let names: Vec<&str> =
        events.data().as_array().expect("events").iter().filter_map(|e| e["event"].as_str()).collect();
    assert!(names.contains(&"signed_in") && names.contains(&"sign_in_failed"), "{names:?}");
}

#[tokio::test]
async fn links_in_place_of_emails_are_for_administrators_and_work_once() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let manager = api.user(&admin, "acme", "max", "sales_manager").await;
    let stranger = api.register("other").await;
    let role = api.role(&admin, "sales_rep").await;
    let new = json!({"email": "ann@acme.example", "role_ids": [role], "first_name": "Ann"});
    let ann = api.post(&admin, "users/invitations", new).await.is(201).id();

    let link = async |who, user: &str, kind: &str| api.post(who, &format!("users/{user}/{kind}_link"), json!({})).await;
    let token = |answer: &crate::api::Answer| answer.data()["token"].as_str().expect("a token").to_owned();
    let set = async |route: &str, token: &str, password: &str| {
        let body = json!({"ticket": token, "password": password});
        api.ask("POST", &format!("auth/{route}")).json(&body).send().await
    };
    // Not for others, not across tenants, and never of more rights than one's own.
    link(&manager, &ann, "invitation").await.problem(403, "forbidden");
    link(&manager, &admin.id, "reset").await.problem(403, "forbidden");
    link(&stranger, &ann, "invitation").await.problem(404, "not_found");
    link(&admin, &admin.id, "reset").await.problem(422, "invalid");
    link(&admin, &ann, "reset").await.problem(422, "invalid");

    let invitation = link(&admin, &ann, "invitation").await.is(200);
    assert_eq!(invitation.headers["cache-control"], "no-store");
    set("invitation/accept", &token(&invitation), PASSWORD).await.is(204);
    set("invitation/accept", &token(&invitation), PASSWORD).await.problem(401, "invalid_token");
    let session = api.login("acme", "ann@acme.example").await;
    link(&admin, &ann, "invitation").await.problem(422, "invalid");

    let reset = link(&admin, &ann, "reset").await.is(200);
    set("password/reset", &token(&reset), "a kingfisher on the mole").await.is(204);
    api.get(&session, "me").await.problem(401, "invalid_token");
    api.try_login("acme", "ann@acme.example", "a kingfisher on the mole", None).await.is(200);
    let events = api.get(&admin, "audit/security-events?limit=200").await.is(200);
    let details: Vec<&str> =
        events.data().as_array().expect("events").iter().filter_map(|event| event["detail"].as_str()).collect();
    assert!(details.contains(&"invitation link") && details.contains(&"reset link"), "{details:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_refreshes_at_once_leave_one_live_successor() {
    let api = Api::new();
    let user = api.register("acme").await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (api, token) = (api.clone(), user.refresh.clone());
            tokio::spawn(async move { api.try_refresh(&token).await })
        })
        .collect();
    let mut successors = Vec::new();
    for task in tasks {
        let answer = task.await.expect("no panic").is(200);
        successors.push(answer.data()["refresh_token"].as_str().expect("a token").to_owned());
    }
    successors.sort();
    successors.dedup();
    assert_eq!(successors.len(), 1, "the same successor for all");
    assert_eq!(api.get(&user, "auth/sessions").await.is(200).data().as_array().map(Vec::len), Some(1));
    // Later, reuse of the old token is treated as theft: the whole family ends.
    api.clock.advance_seconds(11);
    api.try_refresh(&user.refresh).await.problem(401, "invalid_token");
    api.try_refresh(&successors[0]).await.problem(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_wrong_passwords_at_once_are_all_counted() {
    let api = Api::new();
    api.register("acme").await;
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let api = api.clone();
            tokio::spawn(async move { api.try_login("acme", "admin@acme.example", "wrong password", None).await })
        })
        .collect();
    let mut looked_at = 0;
    for task in tasks {
        let answer = task.await.expect("no panic");
        match answer.status.as_u16() {
            401 => looked_at += 1,
            429 => assert!(answer.headers.contains_key("retry-after")),
            // Rejected because too many attempts were concurrent: fails closed.
            503 => {}
            other => panic!("{other}: {}", answer.text),
        }
    }
    assert!(looked_at <= 10, "{looked_at} passwords were looked at");
    api.try_login("acme", "admin@acme.example", PASSWORD, None).await.problem(429, "locked");
    api.try_login("acme", "nobody@acme.example", PASSWORD, None).await.problem(401, "invalid_credentials");
    api.clock.advance_seconds(16 * 60);
    api.try_login("acme", "admin@acme.example", PASSWORD, None).await.is(200);
}

/// The code of a second factor at a time (RFC 6238), implemented independently.
fn code(secret: &str, seconds: i64) -> String {
    let key = data_encoding(secret);
    let step = u64::try_from(seconds / 30).expect("after 1970").to_be_bytes();
    let digest = hmac_sha1(&key, &step);
    let at = usize::from(digest[19] & 15);
    let number = u32::from_be_bytes([digest[at], digest[at + 1], digest[at + 2], digest[at + 3]]) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn data_encoding(secret: &str) -> Vec<u8> {
    let (mut bits, mut have, mut bytes) = (0_u32, 0, Vec::new());
    for letter in secret.trim_end_matches('=').bytes() {
        let five = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => panic!("no base 32"),
        };
        bits = bits << 5 | u32::from(five);
        have += 5;
        if have >= 8 {
            have -= 8;
            bytes.push(u8::try_from(bits >> have & 255).expect("a byte"));
        }
    }
    bytes
}

/// HMAC-SHA-1 (RFC 2104).
fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    use sha1::{Digest, Sha1};
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha1::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha1::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_a_code_taken_once() {
    let api = Api::new();
    let user = api.register("acme").await;
    api.post(&user, "auth/totp", json!({"password": "wrong password"})).await.problem(401, "invalid_credentials");
    let begun = api.post(&user, "auth/totp", json!({"password": PASSWORD})).await.is(200);
    let secret = begun.data()["secret"].as_str().expect("a secret").to_owned();
    assert!(begun.data()["url"].as_str().is_some_and(|url| url.starts_with("otpauth://totp/")));
    let now = || api.crm.now().micros() / 1_000_000;
    let confirmed = api.post(&user, "auth/totp/confirm", json!({"code": code(&secret, now())})).await.is(200);
    let recovery = confirmed.data()["recovery_codes"][0].as_str().expect("codes").to_owned();
    let login = |code: Option<String>| {
        let api = api.clone();
        async move { api.try_login("acme", "admin@acme.example", PASSWORD, code.as_deref()).await }
    };
    login(None).await.problem(401, "code_required");
    login(Some("000000".into())).await.problem(401, "invalid_credentials");
    api.clock.advance_seconds(60);
    let good = code(&secret, now());
    login(Some(good.clone())).await.is(200);
    login(Some(good)).await.problem(401, "invalid_credentials");
    login(Some(recovery.clone())).await.is(200);
    login(Some(recovery)).await.problem(401, "invalid_credentials");
}

/// The header and claims of a token, without the signature.
fn parts(header: &Json, claims: &Json) -> String {
    let encode = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

#[tokio::test]
async fn only_our_own_tokens_are_believed() {
    let api = Api::new();
    let user = api.register("acme").await;
    let mut pieces = user.access.split('.');
    let (header, claims) = (pieces.next().expect("a header"), pieces.next().expect("claims"));
    let read = |piece: &str| -> Json {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(piece).expect("base 64")).expect("JSON")
    };
    let (header, claims) = (read(header), read(claims));
    assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("at+jwt"), Some("HS256")));
    let try_token = async |token: &str| api.ask("GET", "me").token(token).send().await;
    try_token(&user.access).await.is(200);

    // `none`, in any spelling.
    for none in ["none", "None", "NONE", "nOnE"] {
        let token = format!("{}.", parts(&json!({"alg": none, "typ": "at+jwt", "kid": "one"}), &claims));
        try_token(&token).await.problem(401, "invalid_token");
    }
    let sign = |header: &Header, claims: &Json, secret: &[u8]| {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret)).expect("signed")
    };
    let ours = |algorithm: Algorithm| {
        let mut header = Header::new(algorithm);
        header.typ = Some("at+jwt".into());
        header.kid = Some("one".into());
        header
    };
    try_token(&sign(&ours(Algorithm::HS256), &claims, SECRET)).await.is(200);
    let changed = |name: &str, value: Json| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    for (what, header, claims) in [
        ("another algorithm", ours(Algorithm::HS512), claims.clone()),
        ("another issuer", ours(Algorithm::HS256), changed("iss", json!("https://evil.example"))),
        ("another audience", ours(Algorithm::HS256), changed("aud", json!("somebody else"))),
        ("no subject", ours(Algorithm::HS256), changed("sub", json!(null))),
        ("from the future", ours(Algorithm::HS256), changed("iat", json!(claims["iat"].as_i64().expect("iat") + 3600))),
        (
            "another type",
            {
                let mut h = ours(Algorithm::HS256);
                h.typ = Some("JWT".into());
                h
            },
            claims.clone(),
        ),
        (
            "no key's name",
            {
                let mut h = ours(Algorithm::HS256);
                h.kid = None;
                h
            },
            claims.clone(),
        ),
        (
            "another key's name",
            {
                let mut h = ours(Algorithm::HS256);
                h.kid = Some("../one".into());
                h
            },
            claims.clone(),
        ),
        (
            "a key of its own",
            {
                let mut h = ours(Algorithm::HS256);
                h.kid = Some("evil".into());
                h.jku = Some("https://evil.example/jwks".into());
                h
            },
            claims.clone(),
        ),
    ] {
        let answer = try_token(&sign(&header, &claims, SECRET)).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "invalid_token"), "{what}");
    }
    try_token(&sign(&ours(Algorithm::HS256), &claims, b"another secret of thirty-two bytes and more"))
        .await
        .problem(401, "invalid_token");
    // Changing the organization in a valid token invalidates its signature.
    let tampered = {
        let mut pieces: Vec<&str> = user.access.split('.').collect();
        let nobody: Id = Id::NIL;
        let other = URL_SAFE_NO_PAD.encode(changed("org", json!(nobody)).to_string());
        pieces[1] = &other;
        pieces.join(".")
    };
    try_token(&tampered).await.problem(401, "invalid_token");
    api.clock.advance_seconds(15 * 60);
    try_token(&user.access).await.problem(401, "token_expired");
    try_token(&"x".repeat(100_000)).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn a_key_that_is_rotated_out_is_believed_as_long_as_it_is_kept() {
    let store = Arc::new(MemoryStore::new());
    let old = || TokenKey::hs256("one", SECRET).expect("strong");
    let new = || TokenKey::hs256("two", b"another 48 bytes of a secret, for the next key!!").expect("strong");
    let api = |keys: Vec<TokenKey>| Api::with(store.clone(), |own, _| own.keys = KeyRing::new(keys).expect("keys"));
    let before = api(vec![old()]);
    let user = before.register("acme").await;
    let overlap = api(vec![new(), old()]);
    overlap.get(&user, "me").await.is(200);
    let next = overlap.login("acme", "admin@acme.example").await;
    let after = api(vec![new()]);
    after.get(&next, "me").await.is(200);
    after.get(&user, "me").await.problem(401, "invalid_token");
}

#[tokio::test]
async fn access_ends_at_once_and_ones_own_session_too_where_the_deployment_asks_for_it() {
    for asks in [true, false] {
        let api = Api::with(Arc::new(MemoryStore::new()), |own, _| own.checks_sessions = asks);
        let admin = api.register("acme").await;
        let rep = api.user(&admin, "acme", "rep", "sales_rep").await;
        api.get(&rep, "me").await.is(200);
        api.post(&admin, &format!("users/{}/sign-out", rep.id), json!({})).await.is(204);
        api.get(&rep, "me").await.problem(401, "invalid_token");
        api.try_refresh(&rep.refresh).await.problem(401, "invalid_token");
        let rep = api.login("acme", "rep@acme.example").await;
        let job = api.post(&admin, &format!("users/{}/deactivate", rep.id), json!({"leave": true})).await.is(200);
        assert_eq!(job.data()["status"], "completed");
        api.try_refresh(&rep.refresh).await.problem(401, "invalid_token");
        api.try_login("acme", "rep@acme.example", PASSWORD, None).await.problem(401, "invalid_credentials");
        api.get(&rep, "me").await.problem(401, "invalid_token");
    }
}

#[tokio::test]
async fn a_browsers_cookie_is_guarded() {
    let api = Api::new();
    api.register("acme").await;
    let body = json!({"organization": "acme", "email": "admin@acme.example", "password": PASSWORD, "cookie": true});
    let answer = api.ask("POST", "auth/login").json(&body).send().await.is(200);
    assert!(answer.data().get("refresh_token").is_none());
    let cookie = answer.headers["set-cookie"].to_str().expect("plain").to_owned();
    for part in ["Path=/api/v1/auth", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age=2592000"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    let pair = cookie.split(';').next().expect("a pair").to_owned();
    let refresh = |guard: bool| {
        let asking = api.ask("POST", "auth/refresh").header("cookie", &pair).json(&json!({}));
        if guard { asking.header("x-crm-request", "1").send() } else { asking.send() }
    };
    refresh(false).await.problem(403, "csrf");
    let next = refresh(true).await.is(200);
    assert!(next.headers["set-cookie"].to_str().is_ok_and(|cookie| cookie.starts_with("crm_refresh=")));
    let pair = next.headers["set-cookie"].to_str().expect("plain").split(';').next().expect("a pair").to_owned();
    let out = api.ask("POST", "auth/logout").header("cookie", &pair).header("x-crm-request", "1").json(&json!({}));
    let out = out.send().await.is(204);
    assert!(out.headers["set-cookie"].to_str().is_ok_and(|cookie| cookie.contains("Max-Age=0")));
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_a_letter() {
    let api = Api::new();
    let user = api.register("acme").await;
    let forgot = |email: &str| {
        let body = json!({"organization": "acme", "email": email});
        api.ask("POST", "auth/password/forgot").json(&body).send()
    };
    forgot("nobody@acme.example").await.is(202);
    assert_eq!(api.letters.count(), 0);
    forgot("admin@acme.example").await.is(202);
    let ticket = api.letters.ticket();
    let reset = |ticket: &str, password: &str| {
        let body = json!({"ticket": ticket, "password": password});
        api.ask("POST", "auth/password/reset").json(&body).send()
    };
    reset(&ticket, "short").await.problem(422, "invalid");
    reset(&ticket, "a quite different sentence").await.is(204);
    reset(&ticket, "a third sentence, also long").await.problem(401, "invalid_token");
    api.try_refresh(&user.refresh).await.problem(401, "invalid_token");
    api.try_login("acme", "admin@acme.example", PASSWORD, None).await.problem(401, "invalid_credentials");
    api.try_login("acme", "admin@acme.example", "a quite different sentence", None).await.is(200);
}

#[tokio::test]
async fn the_hosts_middleware_may_say_who_asks() {
    let crm = Crm::builder(MemoryStore::new()).clock(TestClock::at("2024-05-06T09:00:00Z")).build();
    let admin: Actor =
        crm.bootstrap(NewOrganization { name: "Acme".into(), ..Default::default() }).await.expect("made");
    let api = axum::Router::new().nest("/crm", router(crm, Config::new(SignIn::Host)));
    let ask = async |path: &str, actor: Option<Actor>| {
        let mut request = Request::builder().uri(path).body(axum::body::Body::empty()).expect("a request");
        if let Some(actor) = actor {
            request.extensions_mut().insert(actor);
        }
        api.clone().oneshot(request).await.expect("an answer").status().as_u16()
    };
    assert_eq!(ask("/crm/api/v1/leads", Some(admin.clone())).await, 200);
    assert_eq!(ask("/crm/api/v1/leads", None).await, 401);
    assert_eq!(ask("/crm/api/v1/auth/login", None).await, 404, "nobody signs in here");
    assert_eq!(ask("/crm/docs", None).await, 200);
    let mut create = Request::builder()
        .method("POST")
        .uri("/crm/api/v1/leads")
        .header("content-type", "application/json")
        .header("x-crm-request", "1")
        .body(axum::body::Body::from(r#"{"name": "Ada"}"#))
        .expect("a request");
    create.extensions_mut().insert(admin.clone());
    let answer = api.clone().oneshot(create).await.expect("an answer");
    let place = answer.headers()["location"].to_str().expect("plain").to_owned();
    assert!(place.starts_with("/crm/api/v1/leads/"), "{place}");
    assert_eq!(ask(&place, Some(admin.clone())).await, 200);
    // A form of another site cannot set headers, and browsers state the origin of a request.
    let restore = async |method: &str, header: Option<(&str, &str)>| {
        let mut request = Request::builder().method(method).uri(format!("{place}/restore"));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let mut request = request.body(axum::body::Body::empty()).expect("a request");
        request.extensions_mut().insert(admin.clone());
        api.clone().oneshot(request).await.expect("an answer").status().as_u16()
    };
    for forged in [None, Some(("sec-fetch-site", "cross-site")), Some(("sec-fetch-site", "same-site"))] {
        assert_eq!(restore("POST", forged).await, 403, "{forged:?}");
    }
    for own in [("sec-fetch-site", "same-origin"), ("x-crm-request", "")] {
        assert_ne!(restore("POST", Some(own)).await, 403, "{own:?}");
    }
    // The routes of the page define its content security policy.
    let policy = async |path: &str| {
        let request = Request::builder().uri(path).body(axum::body::Body::empty()).expect("a request");
        let answer = api.clone().oneshot(request).await.expect("an answer");
        answer.headers()["content-security-policy"].to_str().expect("plain").to_owned()
    };
    assert!(policy("/crm/docs").await.contains("default-src 'self'"));
    for other in ["/crm/api/v1/leads/docs", "/crm/api/v1/docs", "/crm/docs-of-another", "/crm/openapi.json"] {
        assert!(policy(other).await.contains("default-src 'none'"), "{other}");
    }
}

/// Keys that an issuer changes, or that are unreachable.
#[derive(Clone)]
struct Changing(Arc<std::sync::Mutex<Option<jsonwebtoken::jwk::JwkSet>>>);

#[async_trait::async_trait]
impl JwksSource for Changing {
    async fn keys(&self) -> Result<jsonwebtoken::jwk::JwkSet, JwksError> {
        self.0.lock().expect("no panic").clone().ok_or_else(|| JwksError("out of reach".into()))
    }
}

#[tokio::test]
async fn keys_that_an_issuer_withdraws_are_believed_no_longer_than_ten_minutes() {
    let pem = include_bytes!("rsa_test_key.pem");
    let key = EncodingKey::from_rsa_pem(pem).expect("a key");
    let mut jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::RS256).expect("its public half");
    jwk.common.key_id = Some("outside".into());
    let clock = TestClock::at("2024-05-06T09:00:00Z");
    let crm = Crm::builder(MemoryStore::new()).clock(clock.clone()).build();
    let admin = crm.bootstrap(NewOrganization { name: "Acme".into(), ..Default::default() }).await.expect("made");
    let role = crm.roles(&admin).find("key", "sales_rep").await.expect("built in").id;
    let new = NewUser { external_id: Some("auth0|42".into()), role_ids: vec![role], ..NewUser::default() };
    crm.users(&admin).create(new).await.expect("made");
    let source = Changing(Arc::default());
    let set = |keys| *source.0.lock().expect("no panic") = keys;
    let issuer = OutsideIssuer::new("https://issuer.example/", "crm", admin.tenant(), source.clone());
    let api = router(crm, Config::new(SignIn::Outside(Box::new(issuer))));
    let until = clock.now().micros() / 1_000_000 + 100_000;
    let claims = json!({"iss": "https://issuer.example/", "aud": "crm", "sub": "auth0|42", "exp": until});
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some("outside".into());
    let token = jsonwebtoken::encode(&header, &claims, &key).expect("signed");
    let ask = async || {
        let request = Request::builder().uri("/api/v1/leads").header("authorization", format!("Bearer {token}"));
        let request = request.body(axum::body::Body::empty()).expect("a request");
        api.clone().oneshot(request).await.expect("an answer").status().as_u16()
    };
    let known = jsonwebtoken::jwk::JwkSet { keys: vec![jwk] };
    assert_eq!(ask().await, 503);
    set(Some(known.clone()));
    assert_eq!(ask().await, 200);
    // Unreachable for a while: cached keys are trusted for an hour.
    set(None);
    clock.advance_seconds(11 * 60);
    assert_eq!(ask().await, 200);
    clock.advance_seconds(50 * 60);
    assert_eq!(ask().await, 503);
    set(Some(known));
    clock.advance_seconds(61);
    assert_eq!(ask().await, 200);
    // Revoked, and no token names an unknown key.
    set(Some(jsonwebtoken::jwk::JwkSet { keys: Vec::new() }));
    clock.advance_seconds(10 * 60);
    assert_eq!(ask().await, 401);
}

#[tokio::test]
async fn an_outside_issuers_tokens_are_taken_by_its_keys() {
    let pem = include_bytes!("rsa_test_key.pem");
    let key = EncodingKey::from_rsa_pem(pem).expect("a key");
    let mut jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::RS256).expect("its public half");
    jwk.common.key_id = Some("outside".into());
    let clock = TestClock::at("2024-05-06T09:00:00Z");
    let crm = Crm::builder(MemoryStore::new()).clock(clock.clone()).build();
    let admin = crm.bootstrap(NewOrganization { name: "Acme".into(), ..Default::default() }).await.expect("made");
    let role = crm.roles(&admin).find("key", "sales_rep").await.expect("built in").id;
    let new = NewUser { external_id: Some("auth0|42".into()), role_ids: vec![role], ..NewUser::default() };
    crm.users(&admin).create(new).await.expect("made");
    let jwks = StaticJwks(jsonwebtoken::jwk::JwkSet { keys: vec![jwk] });
    let issuer = OutsideIssuer::new("https://issuer.example/", "crm", admin.tenant(), jwks);
    let api = router(crm, Config::new(SignIn::Outside(Box::new(issuer))));
    let now = clock.now().micros() / 1_000_000;
    let good = json!({"iss": "https://issuer.example/", "aud": ["crm", "other"], "sub": "auth0|42", "exp": now + 60});
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some("outside".into());
    let ask = async |header: &Header, claims: &Json, key: &EncodingKey| {
        let token = jsonwebtoken::encode(header, claims, key).expect("signed");
        let request = Request::builder().uri("/api/v1/leads").header("authorization", format!("Bearer {token}"));
        let request = request.body(axum::body::Body::empty()).expect("a request");
        api.clone().oneshot(request).await.expect("an answer").status().as_u16()
    };
    assert_eq!(ask(&header, &good, &key).await, 200);
    let with = |name: &str, value: Json| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    for bad in [
        with("iss", json!("https://evil.example/")),
        with("aud", json!("other")),
        with("sub", json!("auth0|43")),
        with("exp", json!(now - 1)),
        with("nbf", json!(now + 3600)),
    ] {
        assert_eq!(ask(&header, &bad, &key).await, 401, "{bad}");
    }
    // The public key used as an HMAC secret (algorithm confusion).
    let mut confused = Header::new(Algorithm::HS256);
    confused.kid = Some("outside".into());
    assert_eq!(ask(&confused, &good, &EncodingKey::from_secret(pem)).await, 401);
}
