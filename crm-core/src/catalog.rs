//! Every kind's declaration, by kind: what stores derive their tables from.

use crate::{
    api_keys::record::ApiKey,
    associations::record::Association,
    companies::record::Company,
    contacts::record::Contact,
    credentials::record::Credential,
    deals::record::Deal,
    interactions::record::Interaction,
    jobs::record::Job,
    leads::record::Lead,
    notes::record::Note,
    organizations::record::Organization,
    pipelines::record::Pipeline,
    properties::record::Property,
    rates::record::Rate,
    rescorings::record::Rescoring,
    roles::record::Role,
    schema::{KindDecl, RecordKind},
    scoring::record::ScoringModel,
    security_events::record::SecurityEvent,
    sessions::record::Session,
    tasks::record::Task,
    teams::record::Team,
    throttles::record::Throttle,
    users::record::User,
    value::{Kind, Value},
};

/// The declaration of a kind.
pub fn decl(kind: Kind) -> &'static KindDecl {
    match kind {
        Kind::Organization => Organization::decl(),
        Kind::Team => Team::decl(),
        Kind::Role => Role::decl(),
        Kind::User => User::decl(),
        Kind::Property => Property::decl(),
        Kind::Pipeline => Pipeline::decl(),
        Kind::Rate => Rate::decl(),
        Kind::Company => Company::decl(),
        Kind::Contact => Contact::decl(),
        Kind::Lead => Lead::decl(),
        Kind::Deal => Deal::decl(),
        Kind::Task => Task::decl(),
        Kind::Interaction => Interaction::decl(),
        Kind::Note => Note::decl(),
        Kind::Association => Association::decl(),
        Kind::Credential => Credential::decl(),
        Kind::Session => Session::decl(),
        Kind::ApiKey => ApiKey::decl(),
        Kind::Throttle => Throttle::decl(),
        Kind::SecurityEvent => SecurityEvent::decl(),
        Kind::Job => Job::decl(),
        Kind::ScoringModel => ScoringModel::decl(),
        Kind::Rescoring => Rescoring::decl(),
    }
}

/// Writes the defaults of a kind's fields into the values of a new image.
pub fn write_defaults(kind: Kind, values: &mut [Value]) {
    match kind {
        Kind::Organization => Organization::write_defaults(values),
        Kind::Team => Team::write_defaults(values),
        Kind::Role => Role::write_defaults(values),
        Kind::User => User::write_defaults(values),
        Kind::Property => Property::write_defaults(values),
        Kind::Pipeline => Pipeline::write_defaults(values),
        Kind::Rate => Rate::write_defaults(values),
        Kind::Company => Company::write_defaults(values),
        Kind::Contact => Contact::write_defaults(values),
        Kind::Lead => Lead::write_defaults(values),
        Kind::Deal => Deal::write_defaults(values),
        Kind::Task => Task::write_defaults(values),
        Kind::Interaction => Interaction::write_defaults(values),
        Kind::Note => Note::write_defaults(values),
        Kind::Association => Association::write_defaults(values),
        Kind::Credential => Credential::write_defaults(values),
        Kind::Session => Session::write_defaults(values),
        Kind::ApiKey => ApiKey::write_defaults(values),
        Kind::Throttle => Throttle::write_defaults(values),
        Kind::SecurityEvent => SecurityEvent::write_defaults(values),
        Kind::Job => Job::write_defaults(values),
        Kind::ScoringModel => ScoringModel::write_defaults(values),
        Kind::Rescoring => Rescoring::write_defaults(values),
    }
}

/// The declarations of every kind, in declared order.
pub fn all() -> impl Iterator<Item = &'static KindDecl> {
    Kind::ALL.iter().map(|&kind| decl(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_and_scope_names_fields_that_exist() {
        // A name that is misspelt in a `record!` block would drop its index: so the counts are held here.
        let counts: Vec<(Kind, usize)> = all().map(|decl| (decl.kind, decl.indexes.len())).collect();
        let expected = [
            (Kind::Organization, 3),
            (Kind::Team, 4),
            (Kind::Role, 3),
            (Kind::User, 6),
            (Kind::Property, 3),
            (Kind::Pipeline, 3),
            (Kind::Rate, 3),
            (Kind::Company, 8),
            (Kind::Contact, 8),
            (Kind::Lead, 10),
            (Kind::Deal, 9),
            (Kind::Task, 7),
            (Kind::Interaction, 7),
            (Kind::Note, 4),
            (Kind::Association, 4),
            (Kind::Credential, 2),
            (Kind::Session, 3),
            (Kind::ApiKey, 4),
            (Kind::Throttle, 2),
            (Kind::SecurityEvent, 4),
            (Kind::Job, 4),
            (Kind::ScoringModel, 3),
            (Kind::Rescoring, 3),
        ];
        assert_eq!(counts, expected);
        for decl in all() {
            let owned = matches!(decl.kind, Kind::Lead | Kind::Contact | Kind::Company | Kind::Deal);
            assert!(!owned || (decl.own.len() == 1 && decl.team.len() == 1), "{}", decl.kind);
            assert!(decl.fields.iter().all(|field| !field.name.contains('#')), "{}", decl.kind);
        }
    }
}
