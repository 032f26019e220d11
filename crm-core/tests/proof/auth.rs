//! Attacks on sign-in: sessions, lockout, second factors, reset and invitation tokens.

use std::{sync::atomic::Ordering, time::Duration};

use crm_core::{
    Error, MemoryStore,
    access::Actor,
    audit::AuditQuery,
    auth::{AuthError, Policy, Secret, SignIn},
    listing::ListQuery,
    security_events::{NewSecurityEvent, SecurityEventType},
    sessions::{NewSession, SessionPatch},
    store::memory::Fault,
    users::Handover,
};

use crate::{
    auth_support::{OTHER, PASSWORD, Scene, as_ada, at_once, code, organization, person},
    support::{assert_fault, assert_refused, run},
};

/// The complete error that a caller receives.
fn told<T: std::fmt::Debug>(result: Result<T, AuthError>) -> String {
    let error = result.expect_err("refused");
    format!("{error:?} {error}")
}

#[track_caller]
fn assert_invalid_token<T: std::fmt::Debug>(result: Result<T, AuthError>) {
    assert!(matches!(result, Err(AuthError::InvalidToken)), "{result:?}");
}

fn crm<T>(result: Result<T, AuthError>) -> Result<T, Error> {
    result.map_err(|error| match error {
        AuthError::Crm(error) => error,
        other => panic!("{other:?}"),
    })
}

#[test]
fn registering_makes_all_in_one_commit_and_signs_in() {
    run(async {
        let scene = Scene::new().await;
        let commits: std::collections::HashSet<_> =
            scene.crm.feed(None, 1000).await.unwrap().changes.into_iter().map(|(_, change)| change.commit).collect();
        assert_eq!(commits.len(), 1);
        assert_eq!(scene.admin.user.email.as_deref(), Some("ada@acme.example"));
        assert_eq!(scene.admin.user.last_login_at, Some(scene.clock.now()));
        assert_eq!(scene.admin.session.expires_at, Some(scene.clock.now().plus_days(30)));
        assert_eq!(scene.admin.actor.session(), Some(scene.admin.session.id));
        assert!(scene.is_live(&scene.admin).await);

        let ada = || person("Ada", "ada@acme.example", None);
        let again = scene.auth().register(organization("ACME"), ada(), &PASSWORD.into()).await;
        assert!(matches!(again, Err(AuthError::Crm(Error::Duplicate { .. }))), "{again:?}");
        let mut bare = organization("x");
        bare.slug = None;
        let nobody = person("Ada", "", None);
        let bad = crm(scene.auth().register(bare, nobody, &"short".into()).await);
        assert_eq!(crate::support::faults(bad), ["email required", "password too_short", "slug required"]);

        let signed_in = scene.from("192.0.2.7").sign_in(&as_ada(PASSWORD)).await.unwrap();
        assert_eq!(signed_in.session.address.as_deref(), Some("192.0.2.7"));
        assert_eq!(signed_in.session.user_agent.as_deref(), Some("test/1"));
        assert_eq!(signed_in.organization.name, "Acme");
        assert_eq!(scene.auth().sessions(&signed_in.actor).await.unwrap().len(), 2);
        assert_eq!(scene.events(SecurityEventType::SignedIn).await, 2);
    });
}

#[test]
fn whatever_is_wrong_the_answer_and_the_work_are_the_same() {
    run(async {
        let scene = Scene::new().await;
        let (gone, _) = scene.member("Gone", "sales_rep").await;
        scene.crm.users(&scene.admin.actor).deactivate(gone.id, Handover::Leave).await.unwrap();
        let rep = scene.role("sales_rep").await;
        scene.auth().invite(&scene.admin.actor, person("New", "new@acme.example", Some(rep))).await.unwrap();
        let with = |organization: &str, email: &str, password: &str| SignIn {
            organization: organization.into(),
            email: email.into(),
            password: password.into(),
            code: None,
        };
        let mut answers = Vec::new();
        for (what, with, same_calls) in [
            ("wrong password", with("acme", "ada@acme.example", "wrong password"), true),
            ("no such user", with("acme", "nobody@acme.example", PASSWORD), true),
            ("deactivated", with("acme", "gone@acme.example", OTHER), true),
            ("no password yet", with("acme", "new@acme.example", OTHER), true),
            ("no address", with("acme", "hunter2", PASSWORD), true),
            ("empty", with("acme", "", ""), true),
            ("endless", with("acme", "ada@acme.example", &"x".repeat(100_000)), true),
            ("no such organization", with("umbrella", "ada@acme.example", PASSWORD), false),
        ] {
            let (calls, looked) = (scene.store.faults().calls(), scene.worker.0.load(Ordering::SeqCst));
            let answer = told(scene.auth().sign_in(&with).await);
            assert_eq!(scene.worker.0.load(Ordering::SeqCst) - looked, 1, "{what}: one password is hashed");
            if same_calls {
                answers.push((answer, scene.store.faults().calls() - calls));
            } else {
                answers.push((answer, answers[0].1));
            }
        }
        assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
        assert!(answers[0].0.starts_with("InvalidCredentials"));
        assert_eq!(scene.events(SecurityEventType::SignInFailed).await, 7);
        // A value in place of an address may be a password, so it is not stored.
        assert!(!format!("{:?}", scene.store).contains("hunter2"));
    });
}

#[test]
fn a_suspended_organization_lets_nobody_in() {
    run(async {
        let scene = Scene::new().await;
        let admin = &scene.admin.actor;
        let patch = crm_core::organizations::OrganizationPatch::new()
            .status(crm_core::organizations::OrganizationStatus::Suspended);
        scene.crm.organizations(admin).update(admin.tenant().typed(), patch).await.unwrap();
        assert!(told(scene.sign_in(PASSWORD).await).starts_with("InvalidCredentials"));
        assert_invalid_token(scene.auth().refresh(&scene.admin.refresh_token).await);
        assert!(!scene.is_live(&scene.admin).await);
    });
}

#[test]
fn refreshing_rotates_and_a_lost_answer_signs_nobody_out() {
    run(async {
        let scene = Scene::new().await;
        let first = &scene.admin.refresh_token;
        let second = scene.auth().refresh(first).await.unwrap();
        assert_eq!(second.session.id, scene.admin.session.id);
        assert_ne!(&second.refresh_token, first);
        // Within ten seconds the same token returns the same successor, without a write.
        scene.clock.advance_seconds(10);
        let before = format!("{:?}", scene.crm.feed(None, 1000).await.unwrap());
        let again = scene.auth().refresh(first).await.unwrap();
        assert_eq!(again.refresh_token, second.refresh_token);
        assert_eq!(format!("{:?}", scene.crm.feed(None, 1000).await.unwrap()), before);
        // A response lost before or after the commit is found or repeated.
        let mut last = again;
        for fault in [Fault::LostAfter, Fault::LostBefore, Fault::LostAfter] {
            scene.clock.advance_seconds(900);
            scene.store.faults().fail_next_commit(fault);
            let next = scene.auth().refresh(&last.refresh_token).await.unwrap();
            assert_ne!(next.refresh_token, last.refresh_token);
            last = next;
        }
        assert!(scene.is_live(&scene.admin).await);
        assert_eq!(scene.events(SecurityEventType::TokenReused).await, 0);
    });
}

#[test]
fn a_refresh_whose_answer_is_lost_for_good_is_asked_again_and_answered() {
    run(async {
        let scene = Scene::new().await;
        for fault in [Fault::LostAfter, Fault::LostBefore, Fault::Unavailable] {
            for times in [1, 3, 5] {
                let signed_in = scene.sign_in(PASSWORD).await.unwrap();
                scene.store.faults().fail_commit_after(0, fault, times);
                // Whatever a caller received, the same token works within the grace period, and its successor after it.
                let mut told = Vec::new();
                let last = loop {
                    match scene.auth().refresh(&signed_in.refresh_token).await {
                        Ok(next) if told.len() == 2 => break next,
                        Ok(next) => told.push(next.refresh_token),
                        Err(AuthError::Crm(Error::Unavailable(_) | Error::OutcomeUnknown { .. })) => {}
                        Err(other) => panic!("{fault:?}: {other:?}"),
                    }
                };
                assert!(told.iter().all(|token| token == &last.refresh_token));
                scene.clock.advance_seconds(900);
                while scene.auth().refresh(&last.refresh_token).await.is_err() {
                    assert!(scene.is_live(&last).await, "{fault:?} {times}");
                }
            }
        }
        assert_eq!(scene.events(SecurityEventType::TokenReused).await, 0);
    });
}

#[test]
fn a_token_that_comes_back_ends_its_family_and_no_other() {
    run(async {
        let scene = Scene::new().await;
        let other = scene.sign_in(PASSWORD).await.unwrap();
        let first = scene.admin.refresh_token.clone();
        let second = scene.auth().refresh(&first).await.unwrap();
        scene.clock.advance_seconds(11);
        assert_invalid_token(scene.auth().refresh(&first).await);
        assert_invalid_token(scene.auth().refresh(&second.refresh_token).await);
        assert!(!scene.is_live(&second).await);
        assert_eq!(scene.events(SecurityEventType::TokenReused).await, 1);
        assert!(scene.is_live(&other).await);

        // A token older than the last two is also recognized, and its reuse also ends the family.
        let second = scene.auth().refresh(&other.refresh_token).await.unwrap();
        scene.clock.advance_seconds(60);
        let third = scene.auth().refresh(&second.refresh_token).await.unwrap();
        assert_invalid_token(scene.auth().refresh(&other.refresh_token).await);
        assert_invalid_token(scene.auth().refresh(&third.refresh_token).await);
        assert_eq!(scene.events(SecurityEventType::TokenReused).await, 2);
    });
}

#[test]
fn a_forged_token_is_refused_and_ends_nothing() {
    run(async {
        let scene = Scene::new().await;
        let good = scene.admin.refresh_token.expose().to_owned();
        let (head, body) = good.split_at("crm_refresh_".len());
        for at in 0..body.len() {
            let mut forged: Vec<char> = body.chars().collect();
            forged[at] = if forged[at] == 'A' { 'B' } else { 'A' };
            let forged: String = forged.into_iter().collect();
            let forged = Secret::from(format!("{head}{forged}"));
            let answer = scene.auth().refresh(&forged).await;
            assert_invalid_token(answer);
            assert_invalid_token(scene.auth().sign_out(&forged).await);
        }
        for garbage in ["", "crm_refresh_", "crm_key_", &body.repeat(1000), &format!("crm_key_{body}"), &good[1..]] {
            assert_invalid_token(scene.auth().refresh(&garbage.into()).await);
            assert_invalid_token(scene.auth().authenticate_key(&garbage.into()).await);
            assert_invalid_token(scene.auth().reset_password(&garbage.into(), &OTHER.into()).await);
        }
        assert_eq!(scene.events(SecurityEventType::TokenReused).await, 0);
        assert!(scene.auth().refresh(&scene.admin.refresh_token).await.is_ok());
    });
}

#[test]
fn twenty_refreshes_at_once_are_one_family_with_one_successor() {
    let scene = run(Scene::new());
    for _ in 0..5 {
        let signed_in = run(scene.sign_in(PASSWORD)).unwrap();
        let token = signed_in.refresh_token.clone();
        let all = at_once(20, |_| run(scene.auth().refresh(&token)).expect("refreshed").refresh_token);
        assert!(all.iter().all(|successor| successor == &all[0]));
        assert!(run(scene.is_live(&signed_in)));
        assert!(run(scene.auth().refresh(&all[0])).is_ok());
    }
}

#[test]
fn sessions_end_by_time_by_hand_and_with_their_user() {
    run(async {
        let scene = Scene::new().await;
        let admin = &scene.admin.actor;
        let (user, rep) = scene.member("Rob", "sales_rep").await;
        let rob = |session: &crm_core::auth::SignedIn| session.actor.clone();
        let with = SignIn {
            organization: "acme".into(),
            email: "rob@acme.example".into(),
            password: OTHER.into(),
            code: None,
        };
        // A user's own session, by token and by id; those of others only with the permission.
        let second = scene.auth().sign_in(&with).await.unwrap();
        scene.auth().sign_out(&second.refresh_token).await.unwrap();
        scene.auth().sign_out(&second.refresh_token).await.unwrap();
        assert_invalid_token(scene.auth().refresh(&second.refresh_token).await);
        let second = scene.auth().sign_in(&with).await.unwrap();
        scene.auth().end_session(&rob(&rep), second.session.id).await.unwrap();
        assert!(!scene.is_live(&second).await);
        let refused = scene.auth().end_session(&rob(&rep), scene.admin.session.id).await;
        assert!(matches!(refused, Err(AuthError::Crm(Error::NotFound(_)))), "{refused:?}");
        assert!(matches!(scene.auth().sign_out_user(&rob(&rep), admin.user().unwrap()).await, Err(AuthError::Crm(_))));
        let second = scene.auth().sign_in(&with).await.unwrap();
        scene.auth().end_session(admin, second.session.id).await.unwrap();
        assert!(!scene.is_live(&second).await);
        // A session belongs to one user: it is invalid under another user's id, and that user's password change leaves
        // it alone.
        let mine = scene.admin.user.id;
        assert!(!scene.auth().session_is_live(admin.tenant(), rep.session.id, mine).await.unwrap());
        assert!(scene.is_live(&rep).await);
        // An ended session stays ended: it cannot be restored, undone or written.
        assert_refused(scene.crm.sessions(admin).restore(second.session.id, SessionPatch::new()).await);
        let history = scene.crm.sessions(admin).history(second.session.id).await.unwrap();
        assert_refused(scene.crm.sessions(admin).undo(second.session.id, history.last().unwrap().commit).await);
        assert_refused(scene.crm.sessions(admin).create(NewSession::default()).await);
        assert_refused(scene.crm.security_events(admin).create(NewSecurityEvent::default()).await);
        assert_refused(scene.crm.api_keys(admin).create(crm_core::api_keys::NewApiKey::default()).await);

        // All sessions end at once, without reading a list.
        scene.store.faults().lag_lists();
        let [one, two] = [scene.auth().sign_in(&with).await.unwrap(), scene.auth().sign_in(&with).await.unwrap()];
        scene.auth().sign_out_everywhere(&rob(&one)).await.unwrap();
        assert!(!scene.is_live(&one).await && !scene.is_live(&two).await && !scene.is_live(&rep).await);
        let one = scene.auth().sign_in(&with).await.unwrap();
        scene.auth().sign_out_user(admin, user.id).await.unwrap();
        assert_invalid_token(scene.auth().refresh(&one.refresh_token).await);
        scene.store.faults().catch_up();

        // Deactivation ends sessions even if the user is activated again. So does archiving.
        let one = scene.auth().sign_in(&with).await.unwrap();
        scene.crm.users(admin).deactivate(user.id, Handover::Leave).await.unwrap();
        assert_invalid_token(scene.auth().refresh(&one.refresh_token).await);
        scene.crm.users(admin).activate(user.id).await.unwrap();
        assert_invalid_token(scene.auth().refresh(&one.refresh_token).await);
        let one = scene.auth().sign_in(&with).await.unwrap();
        scene.crm.users(admin).archive(user.id).await.unwrap();
        assert!(!scene.is_live(&one).await);
        scene.crm.users(admin).restore(user.id, crm_core::users::UserPatch::new()).await.unwrap();
        assert!(!scene.is_live(&one).await);

        // Sessions expire: refreshing does not prolong them.
        let one = scene.auth().sign_in(&with).await.unwrap();
        scene.clock.advance_days(29);
        let next = scene.auth().refresh(&one.refresh_token).await.unwrap();
        scene.clock.advance_days(1);
        assert!(matches!(scene.auth().refresh(&next.refresh_token).await, Err(AuthError::Expired)));
        assert!(!scene.is_live(&next).await);
        let refused = scene.auth().sessions(&next.actor).await;
        assert!(matches!(refused, Err(AuthError::Crm(Error::Unauthenticated))), "{refused:?}");
        let rob = Actor::signed_in(admin.tenant(), user.id);
        assert!(scene.auth().sessions(&rob).await.unwrap().is_empty());
    });
}

#[test]
fn a_changed_password_ends_all_other_sessions() {
    run(async {
        let scene = Scene::new().await;
        let (one, two) = (scene.sign_in(PASSWORD).await.unwrap(), scene.sign_in(PASSWORD).await.unwrap());
        let set =
            async |current: &str, new: &str| scene.auth().set_password(&one.actor, &current.into(), &new.into()).await;
        assert!(matches!(set("wrong password", OTHER).await, Err(AuthError::InvalidCredentials)));
        assert_fault(crm(set(PASSWORD, "password1234").await), "password too_common");
        assert_fault(crm(set(PASSWORD, "ada@acme.example").await), "password too_common");
        assert!(scene.is_live(&two).await);
        set(PASSWORD, OTHER).await.unwrap();
        assert!(scene.is_live(&one).await && !scene.is_live(&two).await && !scene.is_live(&scene.admin).await);
        assert_eq!(scene.auth().sessions(&one.actor).await.unwrap().len(), 1);
        assert!(scene.sign_in(PASSWORD).await.is_err());
        assert!(scene.sign_in(OTHER).await.is_ok());
        // The system and limited actors have no password.
        for actor in [Actor::system(one.actor.tenant()), one.actor.clone().limited_to([])] {
            let refused = scene.auth().set_password(&actor, &OTHER.into(), &PASSWORD.into()).await;
            assert!(matches!(refused, Err(AuthError::NotSignedIn)));
        }
        // A session begun with the old password during the change has ended.
        assert_eq!(scene.events(SecurityEventType::PasswordSet).await, 2);
    });
}

#[test]
fn passwords_are_hashed_again_when_hashing_costs_more() {
    run(async {
        let mut scene = Scene::new().await;
        scene.sign_in(PASSWORD).await.unwrap();
        assert!(!format!("{:?}", scene.store).contains("m=64,"));
        scene.policy.argon2.memory_kib = 64;
        assert!(scene.sign_in("wrong password").await.is_err());
        assert!(!format!("{:?}", scene.store).contains("m=64,"));
        scene.sign_in(PASSWORD).await.unwrap();
        let all = format!("{:?}", scene.store);
        assert!(all.contains("m=64,") && !all.contains("m=16,"));
        assert!(scene.is_live(&scene.admin).await, "a renewed hash ends no session");
        scene.sign_in(PASSWORD).await.unwrap();
    });
}

#[test]
fn no_more_passwords_are_tried_at_once_than_the_limit_allows() {
    let scene = run(Scene::new());
    let looked = scene.worker.0.load(Ordering::SeqCst);
    let answers = at_once(20, |_| run(scene.sign_in("a wrong password")));
    let tried = answers.iter().filter(|answer| matches!(answer, Err(AuthError::InvalidCredentials))).count();
    let refused = answers.iter().filter(|answer| matches!(answer, Err(AuthError::Locked { .. }))).count();
    assert_eq!((tried, refused), (10, 10), "{answers:?}");
    assert_eq!(scene.worker.0.load(Ordering::SeqCst) - looked, 10);
    assert_eq!(run(scene.events(SecurityEventType::LockedOut)), 1);
    // A locked account is locked for the right password too, and whether or not the user exists.
    let until = scene.clock.now().plus_micros(15 * 60_000_000);
    assert!(matches!(run(scene.sign_in(PASSWORD)), Err(AuthError::Locked { until: told }) if told == until));
    let nobody = || SignIn { email: "nobody@acme.example".into(), ..as_ada(PASSWORD) };
    for _ in 0..10 {
        assert!(matches!(run(scene.auth().sign_in(&nobody())), Err(AuthError::InvalidCredentials)));
    }
    assert!(matches!(run(scene.auth().sign_in(&nobody())), Err(AuthError::Locked { .. })));
    // Until the lock expires.
    scene.clock.advance_seconds(15 * 60 - 1);
    assert!(matches!(run(scene.sign_in(PASSWORD)), Err(AuthError::Locked { .. })));
    scene.clock.advance_seconds(1);
    assert!(run(scene.sign_in(PASSWORD)).is_ok());
}

#[test]
fn a_success_clears_the_name_and_takes_one_off_the_address() {
    run(async {
        let mut scene = Scene::new().await;
        scene.policy.per_address.times = 12;
        for _ in 0..3 {
            for _ in 0..9 {
                assert!(scene.sign_in("a wrong password").await.is_err());
            }
            scene.sign_in(PASSWORD).await.unwrap();
        }
        // An office signs in from one address: successful attempts are not counted.
        for _ in 0..30 {
            scene.from("192.0.2.1").sign_in(&as_ada(PASSWORD)).await.unwrap();
        }
        // Failures are counted per address over all names, and per network for IPv6.
        let guess = async |address: &str, at: usize| {
            let with = SignIn { email: format!("user{at}@acme.example"), ..as_ada("a wrong password") };
            scene.from(address).sign_in(&with).await
        };
        for at in 0..12 {
            assert!(matches!(guess(&format!("2001:db8::{at}"), at).await, Err(AuthError::InvalidCredentials)));
        }
        assert!(matches!(guess("2001:db8::ffff", 99).await, Err(AuthError::Locked { .. })));
        assert!(matches!(guess("2001:db8:0:1::1", 99).await, Err(AuthError::InvalidCredentials)));
        assert!(scene.from("192.0.2.1").sign_in(&as_ada(PASSWORD)).await.is_ok());
        // Repeated password prompts count toward the same account.
        for _ in 0..10 {
            let wrong = scene.auth().begin_second_factor(&scene.admin.actor, &"wrong password".into()).await;
            assert!(matches!(wrong, Err(AuthError::InvalidCredentials)), "{wrong:?}");
        }
        assert!(matches!(scene.sign_in(PASSWORD).await, Err(AuthError::Locked { .. })));
    });
}

#[test]
fn a_window_that_is_over_counts_no_more() {
    run(async {
        let scene = Scene::new().await;
        for _ in 0..4 {
            for _ in 0..9 {
                assert!(matches!(scene.sign_in("a wrong password").await, Err(AuthError::InvalidCredentials)));
            }
            scene.clock.advance_seconds(15 * 60);
        }
        scene.sign_in(PASSWORD).await.unwrap();
    });
}

#[test]
fn a_second_factor_is_asked_for_and_each_code_is_taken_once() {
    let scene = run(Scene::new());
    run(async {
        let admin = &scene.admin.actor;
        let other = scene.sign_in(PASSWORD).await.unwrap();
        let wrong = scene.auth().begin_second_factor(admin, &"wrong password".into()).await;
        assert!(matches!(wrong, Err(AuthError::InvalidCredentials)));
        let nothing = scene.auth().confirm_second_factor(admin, &"123456".into()).await;
        assert_fault(crm(nothing), "second_factor not_begun");
        let factor = scene.auth().begin_second_factor(admin, &PASSWORD.into()).await.unwrap();
        assert!(factor.url.expose().contains(&format!("secret={}", factor.secret.expose())));
        // A second factor is not required until it is confirmed.
        assert!(scene.sign_in(PASSWORD).await.is_ok());
        assert!(scene.auth().confirm_second_factor(admin, &"000000".into()).await.is_err());
        let codes = scene.auth().confirm_second_factor(admin, &code(&factor.secret, &scene.clock)).await.unwrap();
        assert_eq!(codes.len(), 10);
        assert!(!scene.is_live(&other).await && scene.is_live(&scene.admin).await);
        let again = scene.auth().begin_second_factor(admin, &PASSWORD.into()).await;
        assert_fault(crm(again), "second_factor exists");

        let sign_in =
            async |code: &Secret| scene.auth().sign_in(&SignIn { code: Some(code.clone()), ..as_ada(PASSWORD) }).await;
        assert!(matches!(scene.sign_in(PASSWORD).await, Err(AuthError::CodeRequired)));
        // The existence of a second factor is not revealed without the password.
        assert!(matches!(scene.sign_in("a wrong password").await, Err(AuthError::InvalidCredentials)));
        // The code that confirmed it cannot be reused.
        assert!(matches!(sign_in(&code(&factor.secret, &scene.clock)).await, Err(AuthError::InvalidCredentials)));
        scene.clock.advance_seconds(30);
        let good = code(&factor.secret, &scene.clock);
        let signed_in = sign_in(&good).await.unwrap();
        assert!(signed_in.session.second_factor);
        assert!(matches!(sign_in(&good).await, Err(AuthError::InvalidCredentials)));

        // A recovery code is valid once, however it is formatted.
        let sloppy = Secret::from(codes[0].expose().to_uppercase().replace('-', " "));
        sign_in(&sloppy).await.unwrap();
        assert!(matches!(sign_in(&codes[0]).await, Err(AuthError::InvalidCredentials)));
        assert_eq!(scene.events(SecurityEventType::RecoveryCodeUsed).await, 1);

        let wrong = scene.auth().remove_second_factor(admin, &PASSWORD.into(), &"000000".into()).await;
        assert!(matches!(wrong, Err(AuthError::InvalidCredentials)));
        scene.auth().remove_second_factor(&signed_in.actor, &PASSWORD.into(), &codes[1]).await.unwrap();
        assert!(scene.is_live(&signed_in).await && !scene.is_live(&scene.admin).await);
        assert!(scene.sign_in(PASSWORD).await.is_ok());
        assert_eq!(scene.events(SecurityEventType::SecondFactorRemoved).await, 1);
    });
}

#[test]
fn who_has_the_password_does_not_guess_the_code() {
    run(async {
        let scene = Scene::new().await;
        let admin = &scene.admin.actor;
        let factor = scene.auth().begin_second_factor(admin, &PASSWORD.into()).await.unwrap();
        scene.auth().confirm_second_factor(admin, &code(&factor.secret, &scene.clock)).await.unwrap();
        scene.clock.advance_seconds(30);
        for at in 0..10 {
            let code = (at % 2 == 0).then(|| Secret::from("000000"));
            let answer = scene.auth().sign_in(&SignIn { code, ..as_ada(PASSWORD) }).await;
            assert!(matches!(answer, Err(AuthError::InvalidCredentials | AuthError::CodeRequired)), "{answer:?}");
        }
        let right = SignIn { code: Some(code(&factor.secret, &scene.clock)), ..as_ada(PASSWORD) };
        assert!(matches!(scene.auth().sign_in(&right).await, Err(AuthError::Locked { .. })));
    });
}

#[test]
fn what_is_asked_often_costs_one_round_trip() {
    run(async {
        let scene = Scene::new().await;
        let admin = &scene.admin.actor;
        let new = crm_core::auth::NewKey {
            name: "etl".into(),
            permissions: vec!["lead.read".parse().unwrap()],
            expires_at: None,
        };
        let (_, key) = scene.auth().create_key(admin, &new).await.unwrap();
        scene.auth().authenticate_key(&key).await.unwrap();
        let mut last = scene.store.faults().calls();
        let mut calls = || {
            let before = std::mem::replace(&mut last, scene.store.faults().calls());
            last - before
        };
        scene.is_live(&scene.admin).await;
        assert_eq!(calls(), 1);
        scene.auth().authenticate_key(&key).await.unwrap();
        assert_eq!(calls(), 0, "it is known, and its use is noted once an hour");
        scene.auth().refresh(&scene.admin.refresh_token).await.unwrap();
        assert_eq!(calls(), 2, "a read and a commit");
        scene.sign_in(PASSWORD).await.unwrap();
        assert_eq!(calls(), 6, "four reads and two commits");
    });
}

#[test]
fn a_code_shown_to_twenty_at_once_lets_one_in() {
    let mut scene = run(Scene::new());
    scene.policy.per_name.times = 1000;
    let admin = scene.admin.actor.clone();
    let factor = run(scene.auth().begin_second_factor(&admin, &PASSWORD.into())).unwrap();
    let codes = run(scene.auth().confirm_second_factor(&admin, &code(&factor.secret, &scene.clock))).unwrap();
    scene.clock.advance_seconds(30);
    for code in [code(&factor.secret, &scene.clock), codes[3].clone()] {
        let with = SignIn { code: Some(code), ..as_ada(PASSWORD) };
        let all = at_once(20, |_| run(scene.auth().sign_in(&with)));
        assert_eq!(all.iter().filter(|answer| answer.is_ok()).count(), 1, "{all:?}");
        assert!(
            all.iter().filter_map(|answer| answer.as_ref().err()).all(|e| matches!(e, AuthError::InvalidCredentials))
        );
    }
}

#[test]
fn an_invitation_is_good_once_for_its_purpose_and_its_time() {
    run(async {
        let scene = Scene::new().await;
        let (auth, admin) = (scene.auth(), &scene.admin.actor);
        let rep = scene.role("sales_rep").await;
        let user = auth.invite(admin, person("Rob", "rob@acme.example", Some(rep))).await.unwrap();
        let letter = scene.letter();
        assert_eq!((letter.to.as_str(), letter.organization.as_str()), ("rob@acme.example", "Acme"));
        assert_eq!(letter.expires_at, scene.clock.now().plus_days(3));
        assert_invalid_token(auth.reset_password(&letter.ticket, &OTHER.into()).await);
        assert_fault(crm(auth.accept_invitation(&letter.ticket, &"short".into()).await), "password too_short");
        // A new invitation invalidates the previous one.
        auth.invite_again(admin, user.id).await.unwrap();
        assert_invalid_token(auth.accept_invitation(&letter.ticket, &OTHER.into()).await);
        let letter = scene.letter();
        scene.clock.advance_days(3);
        assert!(matches!(auth.accept_invitation(&letter.ticket, &OTHER.into()).await, Err(AuthError::Expired)));
        auth.invite_again(admin, user.id).await.unwrap();
        let letter = scene.letter();
        auth.accept_invitation(&letter.ticket, &OTHER.into()).await.unwrap();
        assert_invalid_token(auth.accept_invitation(&letter.ticket, &PASSWORD.into()).await);
        assert_fault(crm(auth.invite_again(admin, user.id).await), "user has_password");

        // An invitation creates a user, under the same gates.
        let with = SignIn { email: "rob@acme.example".into(), ..as_ada(OTHER) };
        let rob = auth.sign_in(&with).await.unwrap().actor;
        let refused = auth.invite(&rob, person("Eve", "eve@acme.example", Some(rep))).await;
        assert!(matches!(refused, Err(AuthError::Crm(Error::Forbidden { .. }))), "{refused:?}");
        let nowhere = auth.invite(admin, person("Eve", " ", Some(rep))).await;
        assert_fault(crm(nowhere), "email required");
        // Without a mailer the user is created, and the error says that no email was sent.
        let none = Policy { mailer: std::sync::Arc::new(crm_core::auth::NoMailer), ..scene.policy.clone() };
        let unsent = scene.crm.auth(&none).invite(admin, person("Eve", "eve@acme.example", Some(rep))).await;
        assert!(matches!(unsent, Err(AuthError::Mail(_))));
        assert!(scene.crm.users(admin).find("email", "eve@acme.example").await.is_ok());
    });
}

#[test]
fn links_are_handed_out_by_those_with_all_rights_of_the_user() {
    run(async {
        let scene = Scene::new().await;
        let (auth, admin) = (scene.auth(), &scene.admin.actor);
        let [rep, manager] = [scene.role("sales_rep").await, scene.role("sales_manager").await];
        let new = person("Rob", "rob@acme.example", Some(rep));
        let user = scene.crm.users(admin).create(new).await.unwrap();

        // An invitation before there is a password, a reset afterwards; each once.
        assert_fault(crm(auth.reset_link(admin, user.id).await), "user required");
        let first = auth.invitation_link(admin, user.id).await.unwrap();
        let letter = auth.invitation_link(admin, user.id).await.unwrap();
        assert_eq!(letter.expires_at, scene.clock.now().plus_days(3));
        assert_invalid_token(auth.accept_invitation(&first.ticket, &OTHER.into()).await);
        auth.accept_invitation(&letter.ticket, &OTHER.into()).await.unwrap();
        assert_fault(crm(auth.invitation_link(admin, user.id).await), "user has_password");
        let reset = auth.reset_link(admin, user.id).await.unwrap();
        assert_invalid_token(auth.accept_invitation(&reset.ticket, &PASSWORD.into()).await);
        auth.reset_password(&reset.ticket, &PASSWORD.into()).await.unwrap();
        assert_invalid_token(auth.reset_password(&reset.ticket, &OTHER.into()).await);

        // A second factor is asked for after a reset too.
        let rob = |password| SignIn { email: "rob@acme.example".into(), ..as_ada(password) };
        let signed_in = auth.sign_in(&rob(PASSWORD)).await.unwrap();
        let factor = auth.begin_second_factor(&signed_in.actor, &PASSWORD.into()).await.unwrap();
        let codes = auth.confirm_second_factor(&signed_in.actor, &code(&factor.secret, &scene.clock)).await.unwrap();
        let reset = auth.reset_link(admin, user.id).await.unwrap();
        auth.reset_password(&reset.ticket, &OTHER.into()).await.unwrap();
        assert!(matches!(auth.sign_in(&rob(OTHER)).await, Err(AuthError::CodeRequired)));
        let with = SignIn { code: Some(codes[0].clone()), ..rob(OTHER) };
        let rob = auth.sign_in(&with).await.unwrap().actor;

        // Not for a program, whatever it may do.
        let new = crm_core::auth::NewKey {
            name: "etl".into(),
            permissions: vec!["user.read".parse().unwrap(), "user.update".parse().unwrap()],
            expires_at: None,
        };
        let (_, key) = auth.create_key(admin, &new).await.unwrap();
        let program = auth.authenticate_key(&key).await.unwrap();
        assert!(matches!(auth.reset_link(&program, user.id).await, Err(AuthError::NotSignedIn)));

        // Not for oneself, and not upwards: neither by a representative nor by a manager.
        let me = admin.user().unwrap();
        assert_fault(crm(auth.reset_link(admin, me).await), "user same");
        let mia = scene.crm.users(admin).create(person("Mia", "mia@acme.example", Some(manager))).await.unwrap();
        let letter = auth.invitation_link(admin, mia.id).await.unwrap();
        auth.accept_invitation(&letter.ticket, &OTHER.into()).await.unwrap();
        let mia = auth.sign_in(&SignIn { email: "mia@acme.example".into(), ..as_ada(OTHER) }).await.unwrap().actor;
        for actor in [rob, mia] {
            let refused = auth.reset_link(&actor, me).await;
            assert!(matches!(refused, Err(AuthError::Crm(Error::Forbidden { .. }))), "{refused:?}");
        }
    });
}

#[test]
fn of_two_who_hold_one_ticket_one_sets_the_password() {
    let scene = run(Scene::new());
    run(scene.auth().forgot_password("acme", "ada@acme.example")).unwrap();
    let ticket = scene.letter().ticket;
    let all = at_once(8, |at| {
        run(scene.auth().reset_password(&ticket, &format!("the pond behind barn {at}").into())).is_ok()
    });
    assert_eq!(all.iter().filter(|ok| **ok).count(), 1);
    let winner = all.iter().position(|ok| *ok).unwrap();
    assert!(run(scene.sign_in(&format!("the pond behind barn {winner}"))).is_ok());
}

#[test]
fn a_forgotten_password_tells_nothing_and_ends_all_sessions() {
    run(async {
        let scene = Scene::new().await;
        let letters = || scene.mails.letters.lock().unwrap().len();
        let calls = |before: u64| scene.store.faults().calls() - before;
        scene.sign_in(PASSWORD).await.unwrap();
        let before = scene.store.faults().calls();
        scene.auth().forgot_password("acme", "ada@acme.example").await.unwrap();
        let known = calls(before);
        let before = scene.store.faults().calls();
        scene.auth().forgot_password("acme", "nobody@acme.example").await.unwrap();
        assert_eq!(known, calls(before), "as many calls of the store");
        scene.auth().forgot_password("umbrella", "ada@acme.example").await.unwrap();
        scene.auth().forgot_password("acme", "no address").await.unwrap();
        assert_eq!((letters(), scene.mails.pretended.load(Ordering::SeqCst)), (1, 3));
        // Emails are limited to three an hour.
        for _ in 0..5 {
            scene.auth().forgot_password("acme", "ada@acme.example").await.unwrap();
        }
        assert_eq!(letters(), 3);
        let ticket = scene.letter().ticket;
        scene.clock.advance_seconds(3600);
        assert!(matches!(scene.auth().reset_password(&ticket, &OTHER.into()).await, Err(AuthError::Expired)));
        scene.clock.advance_seconds(3600);
        scene.auth().forgot_password("acme", "ada@acme.example").await.unwrap();
        let ticket = scene.letter().ticket;
        for _ in 0..11 {
            assert!(scene.sign_in("a wrong password").await.is_err());
        }
        assert_invalid_token(scene.auth().accept_invitation(&ticket, &OTHER.into()).await);
        scene.auth().reset_password(&ticket, &OTHER.into()).await.unwrap();
        assert_invalid_token(scene.auth().reset_password(&ticket, &PASSWORD.into()).await);
        assert!(!scene.is_live(&scene.admin).await);
        // A reset token is bound to the address it was sent to.
        scene.clock.advance_seconds(7200);
        scene.auth().forgot_password("acme", "ada@acme.example").await.unwrap();
        let ticket = scene.letter().ticket;
        let moved = crm_core::users::UserPatch::new().email("ada@new.example");
        let admin = &Actor::signed_in(scene.admin.actor.tenant(), scene.admin.user.id);
        scene.crm.users(admin).update(admin.user().unwrap(), moved).await.unwrap();
        assert_invalid_token(scene.auth().reset_password(&ticket, &PASSWORD.into()).await);
        let back = crm_core::users::UserPatch::new().email("ada@acme.example");
        scene.crm.users(admin).update(admin.user().unwrap(), back).await.unwrap();
        // The recipient of the email is the user: a lockout caused by an attacker is lifted.
        assert!(scene.sign_in(OTHER).await.is_ok());
    });
}

#[test]
fn another_tenants_tokens_and_ids_find_nothing() {
    run(async {
        let store = MemoryStore::new();
        let scene = Scene::over(store.clone(), |store| std::sync::Arc::new(store.clone()), "acme").await;
        let other = Scene::over(store, |store| std::sync::Arc::new(store.clone()), "umbrella").await;
        let (admin, theirs) = (&scene.admin.actor, &other.admin);
        let their_user = theirs.actor.user().unwrap();
        let not_found = |result: Result<(), AuthError>| {
            assert!(matches!(result, Err(AuthError::Crm(Error::NotFound(_)))), "{result:?}");
        };
        not_found(scene.auth().end_session(admin, theirs.session.id.erase().typed()).await);
        not_found(scene.auth().sign_out_user(admin, their_user).await);
        not_found(scene.auth().invite_again(admin, their_user).await);
        not_found(scene.auth().reset_link(admin, their_user).await.map(drop));
        not_found(scene.auth().revoke_key(admin, theirs.session.id.erase().typed()).await);
        assert!(!scene.auth().session_is_live(admin.tenant(), theirs.session.id, their_user).await.unwrap());
        // A token is bound to its tenant: with another tenant's id it is invalid.
        let secret = |token: &Secret| token.expose().to_owned();
        let (mine, foreign) = (secret(&scene.admin.refresh_token), secret(&theirs.refresh_token));
        let head = "crm_refresh_".len();
        // 16 bytes are 21⅓ characters: replace the tenant's characters except the shared one.
        let mixed = format!("{}{}{}", &mine[..head], &foreign[head..head + 21], &mine[head + 21..]);
        assert_invalid_token(scene.auth().refresh(&mixed.into()).await);
        assert!(scene.is_live(&scene.admin).await && other.is_live(theirs).await);
        // The same person in two organizations: a password of one is not valid in the other.
        let set = other.auth().set_password(&theirs.actor, &PASSWORD.into(), &OTHER.into()).await;
        set.unwrap();
        assert!(scene.sign_in(OTHER).await.is_err());
        assert!(scene.sign_in(PASSWORD).await.is_ok());
    });
}

#[test]
fn whichever_call_fails_nothing_is_left_half_done() {
    run(async {
        for call in 1..40 {
            let scene = Scene::new().await;
            let before = scene.sign_in(PASSWORD).await.unwrap();
            scene.store.faults().fail_call(call);
            let mut failed = 0;
            let signed_in = match scene.sign_in(PASSWORD).await {
                Ok(signed_in) => signed_in,
                Err(AuthError::Crm(Error::Unavailable(_))) => {
                    failed += 1;
                    assert_eq!(scene.auth().sessions(&before.actor).await.unwrap().len(), 2, "no session was begun");
                    scene.sign_in(PASSWORD).await.expect("a second try succeeds")
                }
                Err(other) => panic!("{call}: {other:?}"),
            };
            let next = match scene.auth().refresh(&signed_in.refresh_token).await {
                Ok(next) => next,
                Err(AuthError::Crm(Error::Unavailable(_))) => {
                    failed += 1;
                    scene.auth().refresh(&signed_in.refresh_token).await.expect("a second try succeeds")
                }
                Err(other) => panic!("{call}: {other:?}"),
            };
            let reset = scene.auth().set_password(&next.actor, &PASSWORD.into(), &OTHER.into()).await;
            let current = if reset.is_ok() { OTHER } else { PASSWORD };
            failed += usize::from(reset.is_err());
            if scene.store.faults().is_pending() {
                assert_eq!(failed, 0);
                assert!(call > 8, "the test reached only {call} calls");
                return;
            }
            assert_eq!(failed, 1, "{call}");
            assert!(scene.sign_in(current).await.is_ok());
            assert_eq!(scene.is_live(&before).await, reset.is_err());
            assert!(scene.is_live(&next).await);
            assert_eq!(scene.events(SecurityEventType::TokenReused).await, 0);
        }
        panic!("there were always more calls");
    });
}

#[test]
fn a_lost_answer_of_a_sign_in_begins_one_session() {
    run(async {
        let scene = Scene::new().await;
        for fault in [Fault::LostBefore, Fault::LostAfter] {
            for others in 0..2 {
                let sessions = scene.auth().sessions(&scene.admin.actor).await.unwrap().len();
                scene.store.faults().fail_commit_after(others, fault, 1);
                scene.sign_in(PASSWORD).await.unwrap();
                assert_eq!(scene.auth().sessions(&scene.admin.actor).await.unwrap().len(), sessions + 1);
            }
        }
    });
}

#[test]
fn no_secret_is_ever_shown() {
    run(async {
        let scene = Scene::new().await;
        let auth = scene.from("192.0.2.9");
        let mut shown = String::new();
        let mut secrets: Vec<String> = vec![PASSWORD.into(), OTHER.into(), "a wrong password".into()];
        let mut show = |what: &dyn std::fmt::Debug| shown.push_str(&format!("{what:?}\n"));

        let with = as_ada(PASSWORD);
        show(&with);
        let signed_in = auth.sign_in(&with).await.unwrap();
        show(&signed_in);
        show(&auth.sign_in(&as_ada("a wrong password")).await);
        let next = auth.refresh(&signed_in.refresh_token).await.unwrap();
        show(&next);
        let factor = auth.begin_second_factor(&next.actor, &PASSWORD.into()).await.unwrap();
        show(&factor);
        let codes = auth.confirm_second_factor(&next.actor, &code(&factor.secret, &scene.clock)).await.unwrap();
        show(&codes);
        let permission = "lead.read".parse().unwrap();
        let new = crm_core::auth::NewKey { name: "etl".into(), permissions: vec![permission], expires_at: None };
        let (key, key_secret) = auth.create_key(&next.actor, &new).await.unwrap();
        show(&(&key, &key_secret));
        let (_, rotated) = auth.rotate_key(&next.actor, key.id, Duration::from_hours(1)).await.unwrap();
        let actor = auth.authenticate_key(&rotated).await.unwrap();
        show(&actor);
        auth.forgot_password("acme", "ada@acme.example").await.unwrap();
        let letter = scene.letter();
        show(&letter);
        show(&scene.policy);
        secrets.extend(codes.iter().map(|code| code.expose().to_owned()));
        for secret in
            [&signed_in.refresh_token, &next.refresh_token, &factor.secret, &key_secret, &rotated, &letter.ticket]
        {
            secrets.push(secret.expose().to_owned());
        }
        // Every stored secret: hashes and the organization's key.
        let stored = crate::auth_support::secrets_of(&scene.store, next.actor.tenant()).await;
        assert!(stored.len() >= 19, "{}", stored.len());
        secrets.extend(stored);

        // Everything users can read: records, lists, histories, the log, the feed, the audit; as values and as JSON.
        let admin = &next.actor;
        let all = ListQuery::new().limit(200);
        macro_rules! show_all {
            ($($collection:ident),*) => {$(
                for record in scene.crm.$collection(admin).list(&all).await.unwrap().items {
                    show(&record);
                    show(&serde_json::to_string(record.body()).unwrap());
                    show(&scene.crm.$collection(admin).history(record.id).await.unwrap());
                    show(&scene.crm.$collection(admin).as_of(record.id, scene.clock.now()).await.unwrap());
                }
            )*};
        }
        show_all!(organizations, users, sessions, api_keys, security_events);
        let feed = scene.crm.feed(None, 10_000).await.unwrap();
        show(&feed);
        show(&serde_json::to_string(&feed.changes).unwrap());
        let query = crm_core::audit::AuditQuery { limit: Some(200), ..Default::default() };
        show(&scene.crm.audit(admin).page(&query).await.unwrap());
        for secret in &secrets {
            assert!(!shown.contains(secret.as_str()), "shown: {secret}");
        }
        // The store contains no token, password or recovery code in plain text.
        let kept = format!("{:?}", scene.store);
        for secret in [&signed_in.refresh_token, &next.refresh_token, &key_secret, &letter.ticket, &codes[4]] {
            assert!(!kept.contains(secret.expose()));
        }
        assert!(!kept.contains(PASSWORD) && kept.contains("$argon2id$"));
    });
}

#[test]
fn what_is_over_is_forgotten_and_nobody_is_let_in_for_it() {
    run(async {
        let scene = Scene::new().await;
        let system = Actor::system(scene.admin.actor.tenant());
        while !matches!(scene.sign_in("a wrong password").await, Err(AuthError::Locked { .. })) {}
        let sessions = async || scene.crm.sessions(&system).count_of(&ListQuery::new()).await.unwrap();
        assert_eq!(sessions().await, 1);
        // A throttle is kept while it counts: removing it early would allow more attempts.
        assert_eq!(scene.store.forget_expired(scene.crm.now()), 0);
        assert!(matches!(scene.sign_in(PASSWORD).await, Err(AuthError::Locked { .. })));

        let reader = Actor::signed_in(scene.admin.actor.tenant(), scene.admin.user.id);
        let log = scene.crm.audit(&reader);
        let log = async || log.page(&AuditQuery { limit: Some(200), ..AuditQuery::default() }).await.unwrap().items;
        let before = log().await;
        scene.clock.advance_seconds(31 * 86_400);
        assert_eq!(scene.store.forget_expired(scene.crm.now()), 2, "the session, and what was counted of the name");
        assert_eq!(sessions().await, 0);
        assert_eq!(log().await, before, "the log says all that it said");
        let old = &scene.admin.refresh_token;
        assert_invalid_token(scene.auth().refresh(old).await);
        assert!(!scene.is_live(&scene.admin).await);
        // Counting starts again from zero.
        assert!(matches!(scene.sign_in("a wrong password").await, Err(AuthError::InvalidCredentials)));
        let fresh = scene.sign_in(PASSWORD).await.unwrap();
        assert!(scene.is_live(&fresh).await);
        assert_eq!(scene.store.forget_expired(scene.crm.now()), 0);
        assert!(scene.is_live(&fresh).await);
    });
}
