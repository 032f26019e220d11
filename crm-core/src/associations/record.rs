//! Associations: labelled links between two records, with roles and dates.

use super::rules::END_KINDS;
use crate::model::{
    schema::record,
    value::{Date, Kind, Ref},
};

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
