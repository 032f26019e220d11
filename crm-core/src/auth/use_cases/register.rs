//! Registration: creates an organization with its first administrator and signs them in.

use super::{Auth, AuthError, Secret, SignedIn, log, password, sessions, token::Seal};
use crate::{
    auth::records::security_events::SecurityEventType,
    engine::draft::{Draft, Input, Step, Stop},
    model::{
        error::Faults,
        records::{
            credential::CredentialFields,
            organization::{NewOrganization, Organization},
            user::{NewUser, User, UserFields},
        },
        schema::Patch,
        value::{FaultCode, Id, Kind, Ref, Value},
    },
    organizations::bootstrap::{first_commit, seal_key},
};

impl Auth<'_> {
    /// Creates an organization, as [`Crm::bootstrap`](crate::Crm::bootstrap) does, with its first administrator's
    /// password and session, in one commit. The organization requires a slug, which its users sign in with, and the
    /// administrator an email address.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::model::error::Error::Invalid), also for a password that violates the rules;
    /// [`Error::Duplicate`](crate::model::error::Error::Duplicate) if the slug is taken.
    pub async fn register(
        &self,
        organization: NewOrganization,
        admin: NewUser,
        password: &Secret,
    ) -> Result<SignedIn, AuthError> {
        let mut faults = Faults::new();
        if organization.slug.as_deref().is_none_or(|slug| slug.trim().is_empty()) {
            faults.push("slug", FaultCode::Required, "is required: users sign in with it");
        }
        if admin.email.as_deref().is_none_or(|email| email.trim().is_empty()) {
            faults.push("email", FaultCode::Required, "is required: the administrator signs in with it");
        }
        let own = [
            Some(organization.name.as_str()),
            organization.slug.as_deref(),
            admin.email.as_deref(),
            admin.first_name.as_deref(),
            admin.last_name.as_deref(),
        ];
        let own: Vec<&str> = own.into_iter().flatten().collect();
        if let Err(crate::model::error::Error::Invalid(wrong)) = password::check(password, &own) {
            wrong.all().iter().for_each(|fault| faults.add(fault.field.clone(), fault.fault.clone()));
        }
        faults.into_result()?;

        let now = self.engine.clock.now();
        let [tenant, user, session] = [(); 3].map(|()| self.engine.ids.id(now));
        let (seal, secret) = (seal_key(self.engine)?, self.engine.secret()?);
        let hash = self.hashed(password).await?;
        let organization: Patch<Organization> = organization.into();
        let admin: Patch<User> = admin.into();
        let decide = |draft: &mut Draft<'_>| {
            let step = Step::new("bootstrap", None);
            first_commit(draft, step, user, &seal, &organization, &admin)?;
            create_credential(draft, user, &hash)?;
            let credential = Ref::new(Kind::Credential, user);
            let credential = draft.peek(credential)?.ok_or(Stop::not_found(Kind::Credential))?;
            draft.compute(
                Ref::new(Kind::User, user),
                &[(UserFields::last_login_at as usize, Value::Time(draft.cx.now))],
            )?;
            let keys = Seal::new(Some(&seal))?;
            let begun = sessions::begin_sealed(draft, &keys, self.policy, &credential, (session, &secret), false)?;
            log::add(draft, SecurityEventType::PasswordSet, Some(user), None)?;
            log::add(draft, SecurityEventType::SignedIn, Some(user), None)?;
            let organization = draft.peek(Ref::new(Kind::Organization, tenant))?;
            let user = draft.peek(Ref::new(Kind::User, user))?;
            let organization = organization.ok_or(Stop::not_found(Kind::Organization))?;
            Ok((organization, user.ok_or(Stop::not_found(Kind::User))?, begun))
        };
        let ((organization, user, (session, token)), outcome) = self.decide(&self.system(tenant), &[], decide).await?;
        self.signed_in(&outcome, &organization, &user, &session, token)
    }
}

/// Creates the credential of the first administrator.
fn create_credential(draft: &mut Draft<'_>, user: Id, hash: &str) -> Result<(), Stop> {
    let own = [
        (CredentialFields::user_id as usize, Value::Id(user)),
        (CredentialFields::password_hash as usize, Value::text(hash)),
        (CredentialFields::password_set_at as usize, Value::Time(draft.cx.now)),
        (CredentialFields::session_generation as usize, Value::Int(0)),
    ];
    draft.create(Kind::Credential, user, Input::system(&own), Step::new("set_password", None)).map(drop)
}
