//! A demo organization.

use crm_core::{
    Crm, Error,
    auth::{AuthError, Policy, Secret},
    leads::NewLead,
    organizations::NewOrganization,
    users::NewUser,
    value::Id,
};

/// The name under which the demo organization signs in.
pub const SLUG: &str = "demo";
/// The password of all its users who can sign in.
pub const PASSWORD: &str = "seven lanterns by the quay";

/// How to sign in to the demo organization, and what to look at first.
#[derive(Clone, Debug)]
pub struct SignInHint {
    /// The organization's slug.
    pub organization: String,
    /// The administrator's e-mail address.
    pub email: String,
    /// The password.
    pub password: Secret,
    /// Who else can sign in.
    pub others: Vec<DemoUser>,
    /// A lead to look at.
    pub lead: Option<Id>,
    /// The deal that it became.
    pub deal: Option<Id>,
    /// Whether the organization was made just now.
    pub is_new: bool,
}

/// A user of the demo organization who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoUser {
    /// What they are called.
    pub name: String,
    /// The key of their role.
    pub role: String,
    /// The e-mail address they sign in under.
    pub email: String,
}

/// Makes the demo organization, or says how to sign in to the one that is there.
///
/// # Errors
/// What the store says.
pub async fn fill(crm: &Crm, policy: &Policy, _: u64) -> Result<SignInHint, AuthError> {
    let email = "admin@demo.example";
    let hint = |lead, is_new| SignInHint {
        organization: SLUG.to_owned(),
        email: email.to_owned(),
        password: Secret::from(PASSWORD),
        others: Vec::new(),
        lead,
        deal: None,
        is_new,
    };
    match crm.tenant_by_slug(SLUG).await {
        Ok(_) => return Ok(hint(None, false)),
        Err(Error::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let organization = NewOrganization { name: "Demo".into(), slug: Some(SLUG.into()), ..Default::default() };
    let user = NewUser { email: Some(email.into()), first_name: Some("Ada".into()), ..Default::default() };
    let admin = crm.auth(policy).register(organization, user, &PASSWORD.into()).await?.actor;
    let lead = crm.leads(&admin).create(NewLead { name: "Grace".into(), ..Default::default() }).await?;
    Ok(hint(Some(lead.id), true))
}
