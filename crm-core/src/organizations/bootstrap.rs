//! The first commit of a tenant: organization, roles, pipelines and administrator.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
};

use crate::{
    engine::{
        access::BuiltInRole,
        draft::{Draft, Input, Pending, Step, Stop, fingerprint},
        runtime::Engine,
    },
    model::{
        access::Actor,
        error::Error,
        records::{
            organization::{NewOrganization, Organization, OrganizationFields},
            pipeline::Pipeline,
            role::{NewRole, Role, RoleFields},
            user::{NewUser, User, UserFields},
        },
        schema::{Patch, Record, RecordKind},
        value::{Id, Kind, Ref, Value},
    },
    pipelines::defaults::{deal_pipeline, lead_pipeline},
};

/// An organization about to be created. Awaiting it returns its first actor.
#[must_use = "nothing is written until it is awaited"]
pub struct Bootstrap<'a> {
    engine: &'a Arc<Engine>,
    organization: NewOrganization,
    admin: NewUser,
}

impl std::fmt::Debug for Bootstrap<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bootstrap").field("organization", &self.organization.name).finish_non_exhaustive()
    }
}

impl<'a> Bootstrap<'a> {
    pub(crate) fn new(engine: &'a Arc<Engine>, organization: NewOrganization) -> Self {
        let admin = NewUser {
            first_name: Some("Administrator".into()),
            external_id: Some("admin".into()),
            ..NewUser::default()
        };
        Self { engine, organization, admin }
    }

    /// Sets the first administrator; default: a user with the external id `admin`.
    pub fn admin(mut self, admin: NewUser) -> Self {
        self.admin = admin;
        self
    }

    async fn run(self) -> Result<Actor, Error> {
        let engine = self.engine;
        let tenant = engine.ids.id(engine.clock.now());
        let user = engine.ids.id(engine.clock.now());
        let seal = seal_key(engine)?;
        let organization: Patch<Organization> = self.organization.into();
        let admin: Patch<User> = self.admin.into();
        let asked = fingerprint(&(organization.clone(), admin.clone()));
        let pending: Pending<Record<User>> = Pending::new(
            engine,
            &Actor::system(tenant),
            "bootstrap",
            asked,
            Vec::new(),
            move |draft: &mut Draft<'_>, step: Step| first_commit(draft, step, user, &seal, &organization, &admin),
        );
        // The result is part of the commit: no read follows that could fail.
        pending.await?;
        Ok(Actor::signed_in(tenant, user.typed()))
    }
}

/// Generates the key with which an organization seals cursors.
///
/// # Errors
/// [`Error::Unavailable`] if the system has no randomness.
pub(crate) fn seal_key(engine: &Engine) -> Result<String, Error> {
    use std::fmt::Write as _;
    let mut seal = String::with_capacity(64);
    for byte in engine.secret()? {
        let _ = write!(seal, "{byte:02x}");
    }
    Ok(seal)
}

/// Decides the initial records of a tenant.
pub(crate) fn first_commit(
    draft: &mut Draft<'_>,
    step: Step,
    user: Id,
    seal: &str,
    organization: &Patch<Organization>,
    admin: &Patch<User>,
) -> Result<Vec<Ref>, Stop> {
    let tenant = draft.cx.actor.tenant();
    let own = [
        (OrganizationFields::seal_key as usize, Value::text(seal)),
        (OrganizationFields::admin_ids as usize, Value::list([Value::Id(user)])),
    ];
    draft.create(Kind::Organization, tenant, Input::both(organization.sets(), &own), step)?;
    let mut admin_role = Id::NIL;
    // Their grants are defined by the program and not stored.
    for built_in in BuiltInRole::ALL {
        let id = draft.new_id();
        let role: Patch<Role> =
            NewRole { key: built_in.key().into(), name: built_in.name().into(), ..NewRole::default() }.into();
        let own = [(RoleFields::is_builtin as usize, Value::Bool(true))];
        draft.create(Kind::Role, id, Input::both(role.sets(), &own), step)?;
        if built_in == BuiltInRole::Admin {
            admin_role = id;
        }
    }
    for new in [lead_pipeline(), deal_pipeline()] {
        let id = draft.new_id();
        let pipeline: Patch<Pipeline> = new.into();
        draft.create(Pipeline::KIND, id, Input::user(pipeline.sets()), step)?;
    }
    let own = [(UserFields::role_ids as usize, Value::list([Value::Id(admin_role)]))];
    let record = draft.create(Kind::User, user, Input::both(admin.sets(), &own), step)?;
    draft.tie();
    Ok(vec![record])
}

impl<'a> IntoFuture for Bootstrap<'a> {
    type Output = Result<Actor, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
