//! The table of routes: what the router answers and what the document says are made from it.

mod api_keys;
mod audit;
mod auth;
mod batch;
mod charts;
mod deals;
mod docs;
mod health;
mod jobs;
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
    leads::Lead, notes::Note, organizations::Organization, pipelines::Pipeline, rates::Rate, roles::Role,
    scoring::ScoringModel, tasks::Task, teams::Team,
};

use crate::{
    config::{Config, SignIn},
    openapi::Route,
};

/// Where the API's version begins.
pub(crate) const PREFIX: &str = "/api/v1";

/// Every route that a deployment serves.
pub(crate) fn all(config: &Config) -> Vec<Route> {
    let mut all = Vec::new();
    if let SignIn::Own(own) = &config.sign_in {
        if own.routes {
            all.extend(auth::routes(own.registration));
            all.extend(users::invitations());
        }
        all.extend(api_keys::routes());
    }
    all.extend(me::routes());
    all.extend(records::members::<Organization>());
    all.extend(users::routes());
    all.extend(records::collection::<Team>());
    all.extend(records::collection::<Role>());
    all.extend(permissions::routes());
    all.extend(records::collection::<Lead>());
    all.extend(leads::routes());
    all.extend(records::collection::<Contact>());
    all.extend(records::collection::<Company>());
    all.extend(records::collection::<Deal>());
    all.extend(deals::routes());
    all.extend(records::collection::<Pipeline>());
    all.extend(pipelines::routes());
    all.extend(properties::routes());
    all.extend(records::collection::<Rate>());
    all.extend(records::collection::<Interaction>());
    all.extend(records::collection::<Task>());
    all.extend(tasks::routes());
    all.extend(records::collection::<Note>());
    all.extend(records::collection::<Association>());
    all.extend(records::collection::<ScoringModel>());
    all.extend(scoring::routes());
    all.extend(recommendations::routes());
    all.extend(reports::routes());
    all.extend(charts::routes());
    all.extend(audit::routes());
    all.extend(jobs::routes());
    all.extend(batch::routes());
    all.extend(health::routes());
    if config.docs {
        all.extend(docs::routes());
    }
    all
}
