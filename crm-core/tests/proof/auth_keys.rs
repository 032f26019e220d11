//! Attacks on API keys, the audit, the security log and secrets at rest.

use std::{sync::Arc, time::Duration};

use crm_core::{
    Error, MemoryStore,
    access::{Action, Actor, FieldRule, Permission, Scope},
    api_keys::ApiKeyPatch,
    audit::AuditQuery,
    auth::{AuthError, NewKey, Secret},
    filter::Filter,
    leads::{LeadPatch, NewLead},
    listing::ListQuery,
    notes::NewNote,
    reports::SalesQuery,
    schema::Record,
    security_events::SecurityEventType,
    store::{
        Commit, Got, Records, Want, Write,
        sealed::{SealedStore, SealingKeys},
    },
    users::Handover,
    value::{Kind, Ref, Value},
};

use crate::{
    auth_support::{OTHER, PASSWORD, Scene, secrets_of},
    support::{assert_forbidden, assert_not_found, assert_refused, run},
};

fn new_key(permissions: &[&str]) -> NewKey {
    NewKey {
        name: "etl".into(),
        permissions: permissions.iter().map(|text| text.parse().unwrap()).collect(),
        expires_at: None,
    }
}

/// A key of the administrator, and its actor.
async fn key_of(scene: &Scene, permissions: &[&str]) -> (Record<crm_core::api_keys::ApiKey>, Secret, Actor) {
    let (key, secret) = scene.auth().create_key(&scene.admin.actor, &new_key(permissions)).await.unwrap();
    let actor = scene.auth().authenticate_key(&secret).await.unwrap();
    (key, secret, actor)
}

#[test]
fn a_key_may_do_what_it_names_of_what_its_user_may() {
    run(async {
        let scene = Scene::new().await;
        let (crm, admin) = (&scene.crm, &scene.admin.actor);
        let lead = crm.leads(admin).create(NewLead { name: "Ada".into(), ..Default::default() }).await.unwrap();
        let links = vec![Ref::new(Kind::Lead, lead.id)];
        let note = NewNote { content: "mine".into(), links: links.clone(), is_private: true, ..Default::default() };
        let note = crm.notes(admin).create(note).await.unwrap();
        let open =
            crm.notes(admin).create(NewNote { content: "ours".into(), links, ..Default::default() }).await.unwrap();
        let (_, _, key) = key_of(&scene, &["lead.read"]).await;
        assert_eq!(key.user(), admin.user());

        // What its permissions allow, by every way of reading.
        assert!(crm.leads(&key).get(lead.id).await.is_ok());
        assert_eq!(crm.leads(&key).list(&ListQuery::new()).await.unwrap().items.len(), 1);
        assert_eq!(crm.leads(&key).count(Filter::all([])).await.unwrap(), 1);
        assert_eq!(crm.leads(&key).history(lead.id).await.unwrap().len(), 1);
        let timeline = crm.timeline(&key).of(Ref::new(Kind::Lead, lead.id), None, 50).await.unwrap();
        assert_eq!(timeline.items.len(), 1, "no notes: {timeline:?}");
        // Nothing else: no writes, no other kinds, not even the user's own profile.
        assert_forbidden(crm.leads(&key).update(lead.id, LeadPatch::new().source("web")).await);
        assert_forbidden(crm.leads(&key).create(NewLead { name: "Eve".into(), ..Default::default() }).await);
        assert_forbidden(crm.leads(&key).move_to(lead.id, "contacted").await);
        assert_refused(crm.leads(&key).archive(lead.id).await);
        assert_not_found(crm.notes(&key).get(note.id).await);
        assert_not_found(crm.notes(&key).get(open.id).await);
        assert_not_found(crm.users(&key).get(key.user().unwrap()).await);
        assert_forbidden(crm.notes(&key).list(&ListQuery::new()).await);
        assert_forbidden(crm.contacts(&key).count(Filter::all([])).await);
        assert_forbidden(crm.reports(&key).sales(&SalesQuery::of(lead.pipeline_id.unwrap())).await);
        assert_forbidden(crm.audit(&key).page(&AuditQuery::default()).await);
        assert_refused(crm.leads(&key).undo(lead.id, lead.commit.unwrap()).await);
        assert_eq!(crm.permissions(&key).await.unwrap(), [("lead.read".parse().unwrap(), Scope::All)]);
        let explained = crm.leads(&key).explain(lead.id, Action::Update).await.unwrap();
        assert!(!explained.allowed && explained.reason.contains("limited"), "{explained:?}");
        assert!(crm.leads(&key).explain(lead.id, Action::Read).await.unwrap().allowed);

        // The log records the key of a write.
        let (record, _, key) = key_of(&scene, &["lead.read", "lead.update"]).await;
        crm.leads(&key).update(lead.id, LeadPatch::new().source("web")).await.unwrap();
        let last = crm.leads(admin).history(lead.id).await.unwrap().pop().unwrap();
        let origin = last.origin.unwrap();
        assert_eq!((last.by, origin.through.as_deref()), (admin.user(), Some("api_key")));
        assert_eq!(origin.detail, Some(record.id.to_string()));
    });
}

#[test]
fn a_key_is_bound_to_the_rights_its_user_has_now() {
    run(async {
        let scene = Scene::new().await;
        let (crm, admin) = (&scene.crm, &scene.admin.actor);
        let keys = crm_core::roles::NewRole {
            key: "keys".into(),
            name: "Keys".into(),
            grants: vec![
                crm_core::access::Grant::new(Kind::ApiKey, Action::Create, Scope::Own),
                crm_core::access::Grant::new(Kind::Lead, Action::Read, Scope::All),
            ],
            field_rules: vec![FieldRule {
                kind: Kind::Lead,
                field: "source".into(),
                access: crm_core::access::FieldAccess::Hidden,
            }],
            ..Default::default()
        };
        let role = crm.roles(admin).create(keys).await.unwrap();
        let (user, rob) = scene.member("Rob", "sales_rep").await;
        let auth = scene.auth();
        // A representative may not create keys.
        let refused = auth.create_key(&rob.actor, &new_key(&["lead.read"])).await;
        assert!(
            matches!(&refused, Err(AuthError::Crm(Error::Forbidden { permission, .. }))
            if permission.to_string() == "api_key.create"),
            "{refused:?}"
        );
        let patch = crm_core::users::UserPatch::new().role_ids(vec![role.id]);
        crm.users(admin).update(user.id, patch).await.unwrap();
        let rob = crm.actor(admin.tenant(), user.id).await.unwrap();
        let refused = auth.create_key(&rob, &new_key(&["lead.read", "deal.read"])).await;
        assert!(
            matches!(&refused, Err(AuthError::Crm(Error::Forbidden { permission, .. }))
            if permission.to_string() == "deal.read"),
            "{refused:?}"
        );
        let (key, secret) = auth.create_key(&rob, &new_key(&["lead.read"])).await.unwrap();

        let new = NewLead { name: "Ada".into(), source: Some("web".into()), ..Default::default() };
        let lead = crm.leads(admin).create(new).await.unwrap();
        let actor = auth.authenticate_key(&secret).await.unwrap();
        assert_eq!(
            crm.leads(&actor).get(lead.id).await.unwrap().source,
            None,
            "hidden from the user, hidden from the key"
        );
        // The user loses a role, and the key loses it too.
        let rep = scene.role("support").await;
        crm.users(admin).update(user.id, crm_core::users::UserPatch::new().role_ids(vec![rep])).await.unwrap();
        let actor = auth.authenticate_key(&secret).await.unwrap();
        assert_not_found(crm.leads(&actor).get(lead.id).await);
        // Its last use is recorded with a resolution of one hour.
        let stored = crm.api_keys(admin).get(key.id).await.unwrap();
        assert_eq!(stored.last_used_at, Some(scene.clock.now()));
        assert_eq!(stored.version, 1);
        // Deactivating the user invalidates it.
        crm.users(admin).deactivate(user.id, Handover::Leave).await.unwrap();
        assert!(matches!(auth.authenticate_key(&secret).await, Err(AuthError::InvalidToken)));
    });
}

#[test]
fn a_key_opens_no_door_to_more() {
    run(async {
        let scene = Scene::new().await;
        let (auth, admin) = (scene.auth(), &scene.admin.actor);
        let (_, secret, key) = key_of(&scene, &["lead.read", "api_key.create", "api_key.update", "user.create"]).await;
        let (wide, ..) = key_of(&scene, &["lead.read", "deal.read"]).await;
        let forbidden = |result: Result<(), AuthError>| {
            assert!(matches!(result, Err(AuthError::Crm(Error::Forbidden { .. }))), "{result:?}");
        };
        // A key cannot create a key with more permissions, or rotate one that has more.
        forbidden(auth.create_key(&key, &new_key(&["deal.read"])).await.map(drop));
        forbidden(auth.rotate_key(&key, wide.id, Duration::ZERO).await.map(drop));
        auth.create_key(&key, &new_key(&["lead.read"])).await.unwrap();
        // A key cannot manage passwords, sessions or second factors, or grant more than it has.
        let password = || Secret::from(PASSWORD);
        let not_signed_in = |result: Result<(), AuthError>| {
            assert!(matches!(result, Err(AuthError::NotSignedIn)), "{result:?}");
        };
        not_signed_in(auth.set_password(&key, &password(), &OTHER.into()).await);
        not_signed_in(auth.begin_second_factor(&key, &password()).await.map(drop));
        not_signed_in(auth.confirm_second_factor(&key, &"123456".into()).await.map(drop));
        not_signed_in(auth.remove_second_factor(&key, &password(), &"123456".into()).await);
        not_signed_in(auth.sign_out_everywhere(&key).await);
        not_signed_in(auth.sessions(&key).await.map(drop));
        assert!(auth.end_session(&key, scene.admin.session.id).await.is_err());
        assert!(auth.revoke_key(&key, wide.id).await.is_err());
        let role = scene.role("admin").await;
        let eve = crate::auth_support::person("Eve", "eve@acme.example", Some(role));
        forbidden(auth.invite(&key, eve).await.map(drop));
        assert!(matches!(auth.refresh(&secret).await, Err(AuthError::InvalidToken)));
        assert!(matches!(auth.authenticate_key(&scene.admin.refresh_token).await, Err(AuthError::InvalidToken)));
        // Limits only narrow, and a limited system actor loses the rights of the system.
        let wider = key.clone().limited_to([Permission::new(Kind::Deal, Action::Read)]);
        assert_forbidden(scene.crm.deals(&wider).list(&ListQuery::new()).await);
        let system = Actor::system(admin.tenant()).limited_to([Permission::new(Kind::Lead, Action::Read)]);
        assert_forbidden(scene.crm.leads(&system).list(&ListQuery::new()).await);
        // Ordinary writes cannot widen a key or reactivate it.
        scene.crm.api_keys(admin).update(wide.id, ApiKeyPatch::new().name("other")).await.unwrap();
        let position = crm_core::api_keys::ApiKeyFields::permissions as usize;
        let widened = ApiKeyPatch::new().set(position, Value::list([Value::text("user.update")]));
        assert_refused(scene.crm.api_keys(admin).update(wide.id, widened).await);
    });
}

#[test]
fn a_key_expires_is_rotated_with_overlap_and_revoked_for_good() {
    run(async {
        let scene = Scene::new().await;
        let (auth, admin) = (scene.auth(), &scene.admin.actor);
        let (rob, _) = scene.member("Rob", "sales_rep").await;
        let ends = scene.clock.now().plus_days(30);
        let new = NewKey { expires_at: Some(ends), ..new_key(&["lead.read"]) };
        let (key, first) = auth.create_key(admin, &new).await.unwrap();
        assert!(first.expose().starts_with("crm_key_") && key.prefix.starts_with("crm_key_"));
        let (_, second) = auth.rotate_key(admin, key.id, Duration::from_hours(1)).await.unwrap();
        assert_ne!(first, second);
        scene.clock.advance_seconds(3599);
        assert!(auth.authenticate_key(&first).await.is_ok() && auth.authenticate_key(&second).await.is_ok());
        scene.clock.advance_seconds(1);
        assert!(matches!(auth.authenticate_key(&first).await, Err(AuthError::InvalidToken)));
        // A rotation always invalidates the key before the previous one; an overlap of zero invalidates the previous
        // one at once.
        let (_, third) = auth.rotate_key(admin, key.id, Duration::from_hours(1)).await.unwrap();
        let (_, fourth) = auth.rotate_key(admin, key.id, Duration::ZERO).await.unwrap();
        for old in [&first, &second, &third] {
            assert!(matches!(auth.authenticate_key(old).await, Err(AuthError::InvalidToken)));
        }
        assert!(auth.authenticate_key(&fourth).await.is_ok());
        assert!(auth.rotate_key(admin, key.id, Duration::from_hours(24 * 31)).await.is_err());
        scene.clock.set(ends);
        assert!(matches!(auth.authenticate_key(&fourth).await, Err(AuthError::Expired)));

        // The session in which the key was created has expired as well.
        let admin = &Actor::signed_in(admin.tenant(), scene.admin.user.id);
        let (key, secret) = auth.create_key(admin, &new_key(&["lead.read"])).await.unwrap();
        let rob = Actor::signed_in(admin.tenant(), rob.id);
        let refused = auth.revoke_key(&rob, key.id).await;
        assert!(matches!(refused, Err(AuthError::Crm(Error::NotFound(_)))));
        let refused = auth.rotate_key(&rob, key.id, Duration::ZERO).await;
        assert!(matches!(refused, Err(AuthError::Crm(Error::NotFound(_)))));
        auth.revoke_key(admin, key.id).await.unwrap();
        auth.revoke_key(admin, key.id).await.unwrap();
        assert!(matches!(auth.authenticate_key(&secret).await, Err(AuthError::InvalidToken)));
        assert_refused(scene.crm.api_keys(admin).restore(key.id, ApiKeyPatch::new()).await);
        assert!(auth.rotate_key(admin, key.id, Duration::ZERO).await.is_err());
        for (event, times) in [
            (SecurityEventType::ApiKeyCreated, 2),
            (SecurityEventType::ApiKeyRotated, 3),
            (SecurityEventType::ApiKeyRevoked, 1),
        ] {
            assert_eq!(scene.events(event).await, times, "{event:?}");
        }
    });
}

#[test]
fn the_audit_tells_who_may_read_it_what_they_may_see() {
    run(async {
        let scene = Scene::new().await;
        let (crm, admin) = (&scene.crm, &scene.admin.actor);
        let lead = crm.leads(admin).create(NewLead { name: "Ada".into(), ..Default::default() }).await.unwrap();
        let links = vec![Ref::new(Kind::Lead, lead.id)];
        let note = NewNote { content: "between us".into(), links, is_private: true, ..Default::default() };
        crm.notes(admin).create(note).await.unwrap();
        scene.clock.advance_seconds(60);
        let later = scene.clock.now();
        crm.leads(admin).update(lead.id, LeadPatch::new().source("fair")).await.unwrap();

        // In order, page by page, within a period.
        let mut all = Vec::new();
        let mut query = AuditQuery { limit: Some(3), ..Default::default() };
        loop {
            let page = crm.audit(admin).page(&query).await.unwrap();
            all.extend(page.items);
            match page.next_cursor {
                Some(cursor) => query.cursor = Some(cursor),
                None => break,
            }
        }
        assert!(all.windows(2).all(|pair| pair[0].recorded_at <= pair[1].recorded_at));
        assert_eq!(all.len(), crm.feed(None, 1000).await.unwrap().changes.len());
        assert!(all.iter().any(|change| change.record.kind == Kind::Credential));
        let query = AuditQuery { from: Some(later), ..Default::default() };
        let page = crm.audit(admin).page(&query).await.unwrap();
        assert_eq!(page.items.iter().map(|change| change.record.kind).collect::<Vec<_>>(), [Kind::Lead]);
        let query = AuditQuery { until: Some(later), descending: true, limit: Some(200), ..Default::default() };
        let page = crm.audit(admin).page(&query).await.unwrap();
        assert_eq!(page.items.len(), all.len() - 1);
        // A cursor is bound to a query and an actor.
        let query = AuditQuery { limit: Some(2), ..Default::default() };
        let cursor = crm.audit(admin).page(&query).await.unwrap().next_cursor;
        let turned = AuditQuery { descending: true, cursor, ..query };
        assert_refused(crm.audit(admin).page(&turned).await);
        assert_refused(crm.audit(admin).page(&AuditQuery { limit: Some(201), ..Default::default() }).await);

        // An auditor without grants on leads and notes sees that they changed, but no values.
        let grant = |kind, scope| crm_core::access::Grant::new(kind, Action::Read, scope);
        let auditors = crm_core::roles::NewRole {
            key: "auditor".into(),
            name: "Auditor".into(),
            grants: vec![
                grant(Kind::SecurityEvent, Scope::All),
                grant(Kind::Note, Scope::All),
                grant(Kind::Lead, Scope::Own),
            ],
            ..Default::default()
        };
        let role = crm.roles(admin).create(auditors).await.unwrap();
        let (user, _) = scene.member("Aud", "sales_rep").await;
        let rep = crm.actor(admin.tenant(), user.id).await.unwrap();
        assert_forbidden(crm.audit(&rep).page(&AuditQuery::default()).await);
        crm.users(admin).update(user.id, crm_core::users::UserPatch::new().role_ids(vec![role.id])).await.unwrap();
        let auditor = crm.actor(admin.tenant(), user.id).await.unwrap();
        let page = crm.audit(&auditor).page(&AuditQuery { limit: Some(200), ..Default::default() }).await.unwrap();
        let changes: Vec<_> = page.items.iter().filter(|c| matches!(c.record.kind, Kind::Lead | Kind::Note)).collect();
        assert_eq!(changes.len(), 3);
        for change in changes {
            assert!(!change.fields.is_empty());
            assert!(change.fields.iter().all(|field| field.old == Value::Redacted && field.new == Value::Redacted));
        }
    });
}

#[test]
fn refusals_are_noted_with_where_they_came_from() {
    run(async {
        let scene = Scene::new().await;
        let (_, rob) = scene.member("Rob", "sales_rep").await;
        scene.from("192.0.2.5").record_refusal(&rob.actor, "organization.update").await.unwrap();
        let query = ListQuery::new().filter(Filter::eq("event", "access_refused"));
        let page = scene.crm.security_events(&scene.admin.actor).list(&query).await.unwrap();
        let entry = &page.items[0];
        assert_eq!(entry.user_id, rob.actor.user());
        assert_eq!(entry.detail.as_deref(), Some("organization.update"));
        assert_eq!((entry.address.as_deref(), entry.user_agent.as_deref()), (Some("192.0.2.5"), Some("test/1")));
        // The log cannot be changed or shortened.
        assert_refused(scene.crm.security_events(&scene.admin.actor).archive(entry.id).await);
        assert_forbidden(scene.crm.security_events(&rob.actor).list(&query).await);
    });
}

fn key_bytes(seed: u8) -> [u8; 32] {
    std::array::from_fn(|at| u8::try_from(at).unwrap().wrapping_mul(7).wrapping_add(seed))
}

#[test]
fn secrets_are_encrypted_at_rest_and_open_only_where_they_were_sealed() {
    run(async {
        let keys = SealingKeys::new("one", &key_bytes(1)).unwrap();
        let way = |store: &MemoryStore| -> Arc<dyn crm_core::store::Store> {
            Arc::new(SealedStore::new(store.clone(), keys.clone()))
        };
        let scene = Scene::over(MemoryStore::new(), way, "acme").await;
        let (_, secret, _) = key_of(&scene, &["lead.read"]).await;
        let tenant = scene.admin.actor.tenant();
        let stored = secrets_of(&scene.store, tenant).await;
        assert!(stored.len() >= 4 && stored.iter().all(|text| text.starts_with("sealed:one:")), "{stored:?}");
        assert!(!format!("{:?}", scene.store).contains("argon2id"));

        // A new key is put first: the old one still decrypts, and writes use the new one.
        let both = SealingKeys::new("two", &key_bytes(2)).unwrap().and("one", &key_bytes(1)).unwrap();
        let again = scene.crm.on(SealedStore::new(scene.store.clone(), both));
        again.auth(&scene.policy).authenticate_key(&secret).await.unwrap();
        let signed_in = again.auth(&scene.policy).sign_in(&crate::auth_support::as_ada(PASSWORD)).await.unwrap();
        assert!(secrets_of(&scene.store, tenant).await.iter().any(|text| text.starts_with("sealed:two:")));
        // The old key alone no longer decrypts new secrets, and without keys nothing is decrypted: it is rejected,
        // never used as it is.
        assert!(scene.auth().refresh(&signed_in.refresh_token).await.is_err());
        for plain in [false, true] {
            let store = SealedStore::new(scene.store.clone(), SealingKeys::new("three", &key_bytes(3)).unwrap());
            let store = if plain { store.takes_plain() } else { store };
            let fresh = crm_core::Crm::new(store);
            let refused = fresh.auth(&scene.policy).authenticate_key(&secret).await;
            assert!(matches!(refused, Err(AuthError::Crm(Error::Damaged(_)))), "{refused:?}");
        }
    });
}

#[test]
fn a_sealed_secret_does_not_open_in_another_record() {
    run(async {
        let keys = SealingKeys::new("one", &key_bytes(1)).unwrap();
        let way = |store: &MemoryStore| -> Arc<dyn crm_core::store::Store> {
            Arc::new(SealedStore::new(store.clone(), keys.clone()))
        };
        let scene = Scene::over(MemoryStore::new(), way, "acme").await;
        let (rob, _) = scene.member("Rob", "sales_rep").await;
        // An attacker who can write to the database but not decrypt it stores a known password hash for the
        // administrator.
        let tenant = scene.admin.actor.tenant();
        let wants = [scene.admin.user.id, rob.id].map(|id| Want::Record(Ref::new(Kind::Credential, id)));
        let mut images = scene.store.get(tenant, &wants).await.unwrap().got.into_iter().map(|got| match got {
            Got::Record(Some(image)) => image,
            other => panic!("{other:?}"),
        });
        let (before, theirs) = (images.next().unwrap(), images.next().unwrap());
        let at = before.decl.position("password_hash").unwrap();
        let mut after = before.as_ref().clone();
        after.values[at] = theirs.values[at].clone();
        after.versions.person += 1;
        let write = Write { before: Some(before), after: Arc::new(after), changes: Vec::new() };
        let commit = Commit {
            id: crm_core::value::Id::from_parts(1, [9; 10]),
            tenant,
            at: scene.clock.now(),
            writes: vec![write],
            guards: Vec::new(),
            claims: Vec::new(),
            key: None,
        };
        scene.store.commit(&commit).await.unwrap();
        let refused = scene.sign_in(OTHER).await;
        assert!(matches!(refused, Err(AuthError::Crm(Error::Damaged(_)))), "{refused:?}");
    });
}

#[test]
fn secrets_from_before_there_was_a_key_are_taken_where_that_is_said() {
    run(async {
        let scene = Scene::new().await;
        let keys = SealingKeys::new("one", &key_bytes(1)).unwrap();
        let strict = crm_core::Crm::new(SealedStore::new(scene.store.clone(), keys.clone()));
        let with = crate::auth_support::as_ada(PASSWORD);
        assert!(matches!(strict.auth(&scene.policy).sign_in(&with).await, Err(AuthError::Crm(Error::Damaged(_)))));
        let lenient = crm_core::Crm::new(SealedStore::new(scene.store.clone(), keys).takes_plain());
        let signed_in = lenient.auth(&scene.policy).sign_in(&with).await.unwrap();
        let stored = secrets_of(&scene.store, signed_in.actor.tenant()).await;
        assert!(stored.iter().any(|text| text.starts_with("sealed:one:")));
    });
}
