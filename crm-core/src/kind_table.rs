//! The one table of kinds: all that is said of a kind outside its folder, its tables and its routes.
//!
//! An entry is a kind with the module of its `record.rs`, its plural, its name and its [code](crate::model::value::Kind::code). The
//! order is the order in which stores lock records; nothing stored depends on it. A code is stored: it never changes, and
//! codes sort as names do.

/// Gives the table to a macro, after what else it is to be given: `kinds!(then with)` is `then!(with records {…} internal {…})`.
/// What is `internal` only use cases read and write: no permission is on it, and nobody is shown one.
macro_rules! kinds {
    ($then:ident $($with:tt)*) => {
        $then! { $($with)*
            records {
                /// A tenant: the company that uses the CRM.
                Organization(organizations) = organizations, "organization", "or";
                /// A group of users, in a tree.
                Team(teams) = teams, "team", "te";
                /// A set of grants and field rules.
                Role(roles) = roles, "role", "ro";
                /// A person (or program) that acts in the CRM.
                User(users) = users, "user", "us";
                /// The definition of a custom property of one kind.
                Property(properties) = properties, "property", "pt";
                /// Ordered stages for leads or for deals.
                Pipeline(pipelines) = pipelines, "pipeline", "pi";
                /// What one unit of a currency was worth on a day.
                Rate(rates) = rates, "rate", "ra";
                /// A business one sells to.
                Company(companies) = companies, "company", "cm";
                /// A person one deals with.
                Contact(contacts) = contacts, "contact", "co";
                /// Somebody who may become a customer.
                Lead(leads) = leads, "lead", "le";
                /// A sale that may happen.
                Deal(deals) = deals, "deal", "de";
                /// Something to do.
                Task(tasks) = tasks, "task", "ta";
                /// An e-mail, call, meeting or message that happened or is planned.
                Interaction(interactions) = interactions, "interaction", "in";
                /// A text about records.
                Note(notes) = notes, "note", "no";
                /// A labelled link between two records.
                Association(associations) = associations, "association", "as";
                /// Where a user is signed in. Made by signing in; archiving one ends it.
                Session(sessions) = sessions, "session", "ss";
                /// What a program signs in with. Made and rotated by the use cases of sign-in; archiving one revokes it.
                ApiKey(api_keys) = api_keys, "api_key", "ak";
                /// An entry of the security log. To be read.
                SecurityEvent(security_events) = security_events, "security_event", "se";
                /// Long work, done piece by piece.
                Job(jobs) = jobs, "job", "jo";
                /// Rules by which records are scored.
                ScoringModel(scoring) = scoring_models, "scoring_model", "sc";
            }
            internal {
                /// What a user signs in with.
                Credential(credentials) = credentials, "credential", "cr";
                /// Failed sign-ins, counted.
                Throttle(throttles) = throttles, "throttle", "th";
                /// When the score of a record is due again.
                Rescoring(rescorings) = rescorings, "rescoring", "re";
            }
        }
    };
}
pub(crate) use kinds;
