//! Roles: sets of grants and field rules.

use crate::{
    access::grant::{FieldRule, Grant},
    schema::record,
    value::{Id, Kind},
};

record! {
    /// A set of grants, the roles it inherits from, and the fields it hides or protects.
    Role, NewRole, RolePatch, RoleFields {
        definition: true,
        own: [], team: [],
        person {
            /// Its stable name, unique, such as `sales_rep`.
            key: String = Key, [required, unique];
            /// What it is called, unique.
            name: String = Text(MAX_TEXT), [required, unique, searchable];
            /// What it is for.
            description: Option<String> = Text(2000), [];
            /// Roles whose grants and field rules hold here too.
            inherits: Vec<Id> = Ids(Kind::Role, 20), [];
            /// What it allows; of a built-in role what the organization adds to what the program gives.
            grants: Vec<Grant> = Structs(500), [];
            /// Permissions such as `lead.archive` that the program gives to the built-in role and the organization
            /// withholds.
            withheld: Vec<String> = Texts(500, 63), [];
            /// What it hides or protects.
            field_rules: Vec<FieldRule> = Structs(200), [];
        }
        read_only {
            /// True for the six that come with an organization.
            is_builtin: bool = Bool, [];
        }
        machine {}
        derived {}
        indexes { () -> name; }
    }
}
