//! The table of routes, from which both the router and the document are built.

mod api_keys;
mod audit;
mod auth;
mod batch;
mod charts;
#[cfg(feature = "console")]
pub(crate) mod console;
mod deals;
mod docs;
mod health;
mod jobs;
mod kinds;
mod leads;
mod me;
mod permissions;
mod pipelines;
mod properties;
mod recommendations;
mod records;
mod reports;
mod scoring;
mod tasks;
mod users;

use crm_core::{
    associations::Association, companies::Company, contacts::Contact, deals::Deal, interactions::Interaction,
    leads::Lead, notes::Note, organizations::Organization, pipelines::Pipeline, products::Product, rates::Rate,
    roles::Role, scoring::ScoringModel, tasks::Task, teams::Team,
};

use crate::{
    config::{Config, SignIn},
    openapi::Route,
};

/// The path prefix of this version of the API.
pub(crate) const PREFIX: &str = "/api/v1";

/// Every route of a deployment.
pub(crate) fn all(config: &Config) -> Vec<Route> {
    let mut all = Vec::new();
    each_group(config, &mut |group| all.extend(group));
    all
}

/// Every route of a deployment, in groups. The description of a route takes about twenty kilobytes; a caller that needs
/// only the handlers does not have to hold all descriptions at once.
pub(crate) fn each_group(config: &Config, take: &mut dyn FnMut(Vec<Route>)) {
    if let SignIn::Own(own) = &config.sign_in {
        if own.routes {
            take(auth::routes(own.registration || own.setup.is_some()));
            take(users::invitations());
        }
        take(api_keys::routes());
    }
    take(kinds::routes());
    take(me::routes());
    take(records::members::<Organization>());
    take(users::routes());
    take(records::collection::<Team>());
    take(records::collection::<Role>());
    take(permissions::routes());
    take(records::collection::<Lead>());
    take(leads::routes());
    take(records::collection::<Contact>());
    take(records::collection::<Company>());
    take(records::collection::<Deal>());
    take(deals::routes());
    take(records::collection::<Pipeline>());
    take(pipelines::routes());
    take(properties::routes());
    take(records::collection::<Rate>());
    take(records::collection::<Product>());
    take(records::collection::<Interaction>());
    take(records::collection::<Task>());
    take(tasks::routes());
    take(records::collection::<Note>());
    take(records::collection::<Association>());
    take(records::collection::<ScoringModel>());
    take(scoring::routes());
    take(recommendations::routes());
    take(reports::routes());
    take(charts::routes());
    take(audit::routes());
    take(jobs::routes());
    take(batch::routes());
    take(health::routes());
    if config.docs {
        take(docs::routes());
    }
}
