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
    use crate::schema::FieldType;

    #[test]
    fn every_index_and_scope_names_fields_that_exist() {
        // A name that is misspelt in a `record!` block would drop its index: so the counts are held here.
        let counts: Vec<(Kind, usize)> = all().map(|decl| (decl.kind, decl.indexes.len())).collect();
        let expected = [
            (Kind::Organization, 4),
            (Kind::Team, 5),
            (Kind::Role, 4),
            (Kind::User, 7),
            (Kind::Property, 4),
            (Kind::Pipeline, 4),
            (Kind::Rate, 4),
            (Kind::Company, 9),
            (Kind::Contact, 9),
            (Kind::Lead, 11),
            (Kind::Deal, 10),
            (Kind::Task, 8),
            (Kind::Interaction, 8),
            (Kind::Note, 5),
            (Kind::Association, 5),
            (Kind::Credential, 3),
            (Kind::Session, 4),
            (Kind::ApiKey, 5),
            (Kind::Throttle, 3),
            (Kind::SecurityEvent, 5),
            (Kind::Job, 5),
            (Kind::ScoringModel, 4),
            (Kind::Rescoring, 4),
        ];
        assert_eq!(counts, expected);
        for decl in all() {
            let owned = matches!(decl.kind, Kind::Lead | Kind::Contact | Kind::Company | Kind::Deal);
            assert!(!owned || (decl.own.len() == 1 && decl.team.len() == 1), "{}", decl.kind);
            assert!(decl.fields.iter().all(|field| !field.name.contains('#')), "{}", decl.kind);
            // Stores find what is due by a time, in an index of its own.
            let due = decl.due.map(|at| decl.fields[at].ty);
            assert!(due.is_none_or(|ty| ty == FieldType::Time && decl.due_index().is_some()), "{}", decl.kind);
            assert_eq!(due.is_some(), decl.kind == Kind::Rescoring, "{}", decl.kind);
        }
    }
}
