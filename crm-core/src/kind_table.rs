//! The table of kinds: everything that must be declared for a kind outside its folder, its tables and its routes.
//!
//! An entry is a kind with the module of its `record.rs`, its plural, its name and its
//! [code](crate::model::value::Kind::code). The order of entries is the order in which stores lock records; nothing stored
//! depends on it. Codes are stored: they never change, and they sort like names.

/// Passes the table to a macro after other tokens: `kinds!(then with)` expands to `then!(with records {…} internal
/// {…})`. `internal` kinds are read and written only by use cases: they have no permissions and are never returned to
/// users.
macro_rules! kinds {
    ($then:ident $($with:tt)*) => {
        $then! { $($with)*
            records {
                /// Organizations: tenants, each a company that uses the CRM.
                Organization(organizations) = organizations, "organization", "or";
                /// Teams: groups of users that form a tree.
                Team(teams) = teams, "team", "te";
                /// Roles: sets of grants and field rules.
                Role(roles) = roles, "role", "ro";
                /// Users: people or programs that act in the CRM.
                User(users) = users, "user", "us";
                /// Properties: definitions of custom properties.
                Property(properties) = properties, "property", "pt";
                /// Pipelines: ordered stages for leads or deals.
                Pipeline(pipelines) = pipelines, "pipeline", "pi";
                /// Rates: the value of one unit of a currency on a date.
                Rate(rates) = rates, "rate", "ra";
                /// Products: goods and services that the organization sells.
                Product(products) = products, "product", "pr";
                /// Companies: businesses to which the organization sells.
                Company(companies) = companies, "company", "cm";
                /// Contacts: people with whom the organization deals.
                Contact(contacts) = contacts, "contact", "co";
                /// Leads: potential customers.
                Lead(leads) = leads, "lead", "le";
                /// Deals: potential sales.
                Deal(deals) = deals, "deal", "de";
                /// Tasks: work to do.
                Task(tasks) = tasks, "task", "ta";
                /// Interactions: emails, calls, meetings and messages, past or planned.
                Interaction(interactions) = interactions, "interaction", "in";
                /// Notes: text about records.
                Note(notes) = notes, "note", "no";
                /// Associations: labelled links between two records.
                Association(associations) = associations, "association", "as";
                /// Sessions: sign-ins of users. Created by signing in; archiving a session ends it.
                Session(sessions) = sessions, "session", "ss";
                /// API keys: credentials of programs. Created and rotated by the sign-in use cases; archiving a key
                /// revokes it.
                ApiKey(api_keys) = api_keys, "api_key", "ak";
                /// Security events: the entries of the security log. Read-only.
                SecurityEvent(security_events) = security_events, "security_event", "se";
                /// Jobs: long-running work, done in run slices.
                Job(jobs) = jobs, "job", "jo";
                /// Scoring models: the rules by which records are scored.
                ScoringModel(scoring) = scoring_models, "scoring_model", "sc";
            }
            internal {
                /// Credentials: the sign-in data of users.
                Credential(credentials) = credentials, "credential", "cr";
                /// Throttles: counters of failed sign-ins.
                Throttle(throttles) = throttles, "throttle", "th";
                /// The rescore queue: the times at which the scores of records are due.
                Rescoring(rescorings) = rescorings, "rescoring", "re";
            }
        }
    };
}
pub(crate) use kinds;
