//! Roles: sets of grants and field rules.

use crate::model::{
    access::{FieldRule, Grant},
    schema::record,
    value::{Id, Kind},
};

record! {
    /// A set of grants, the roles it inherits from, and the fields it hides or protects.
    Role, NewRole, RolePatch, RoleFields {
        definition: true,
        own: [], team: [],
        person {
            /// Stable key, unique, such as `sales_rep`.
            key: String = Key, [required, unique];
            /// Name, unique.
            name: String = Text(MAX_TEXT), [required, unique, searchable];
            /// Description.
            description: Option<String> = Text(2000), [];
            /// Inherited roles: their grants and field rules apply too.
            inherits: Vec<Id<Role>> = Ids(Kind::Role, 20), [];
            /// Grants; for a built-in role those that the organization adds to the program's.
            grants: Vec<Grant> = Structs(500), [];
            /// Permissions such as `lead.archive` that the program gives to the built-in role and the organization
            /// withholds.
            withheld: Vec<String> = Texts(500, 63), [];
            /// Rules that hide fields or make them read-only.
            field_rules: Vec<FieldRule> = Structs(200), [];
        }
        read_only {
            /// `true` for the six built-in roles.
            is_builtin: bool = Bool, [];
        }
        machine {}
        derived {}
        indexes { () -> name; }
    }
}
