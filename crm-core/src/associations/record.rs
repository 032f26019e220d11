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
            /// One end.
            from: Option<Ref> = FieldType::Ref(Kind::LINKED), [required];
            /// The other end.
            to: Option<Ref> = FieldType::Ref(Kind::LINKED), [required];
            /// What ties them, such as `works_at`; with the two ends unique.
            label: String = Text(64), [required];
            /// What part `from` plays for `to`, such as `decision_maker`.
            role: Option<String> = Text(MAX_TEXT), [];
            /// The one that counts most.
            is_primary: bool = Bool, [];
            /// Since when.
            started_on: Option<Date> = FieldType::Date, [];
            /// Until when.
            ended_on: Option<Date> = FieldType::Date, [];
        }
        read_only {}
        machine {}
        derived {}
        indexes { (from) -> label; (to) -> label; }
    }
}
