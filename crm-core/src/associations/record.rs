//! Associations: labelled links between two records, with roles and dates.

use crate::model::{
    schema::record,
    value::{Date, Kind, Ref},
};

/// The kinds that can be an end of a link.
const END_KINDS: [Kind; 4] = [Kind::Lead, Kind::Contact, Kind::Company, Kind::Deal];

record! {
    /// A labelled link: lead ↔ contact, contact ↔ company, contact ↔ deal, contact ↔ contact, company ↔ company.
    Association, NewAssociation, AssociationPatch, AssociationFields {
        visibility: Visibility::ByEnds([AssociationFields::from as usize, AssociationFields::to as usize], &END_KINDS),
        own: [], team: [],
        person {
            /// One end of the link.
            from: Option<Ref> = FieldType::Ref(Kind::LINKED), [required];
            /// The other end of the link.
            to: Option<Ref> = FieldType::Ref(Kind::LINKED), [required];
            /// Label, such as `works_at`; unique together with both ends.
            label: String = Text(64), [required];
            /// Role of `from` with regard to `to`, such as `decision_maker`.
            role: Option<String> = Text(MAX_TEXT), [];
            /// `true` for the primary link.
            is_primary: bool = Bool, [];
            /// Start date.
            started_on: Option<Date> = FieldType::Date, [];
            /// End date.
            ended_on: Option<Date> = FieldType::Date, [];
        }
        read_only {}
        machine {}
        derived {}
        indexes { (from) -> label; (to) -> label; }
    }
}
