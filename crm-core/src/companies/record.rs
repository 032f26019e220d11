//! Companies: the businesses one sells to.

use crate::{
    schema::record,
    value::{Address, Choice, Decimal, Id, Kind, Money, SocialLink, choices},
};

choices! {
    /// How far a contact or company has come.
    #[derive(Default)]
    pub enum Lifecycle {
        /// Somebody who may become a customer.
        #[default]
        Lead = "lead",
        /// Somebody with whom there is a deal.
        Prospect = "prospect",
        /// Somebody who bought.
        Customer = "customer",
        /// Somebody who no longer buys.
        Inactive = "inactive",
    }
}

record! {
    /// A business one sells to.
    Company, NewCompany, CompanyPatch, CompanyFields {
        own: [owner_id], team: [team_id],
        person {
            /// What it is called.
            name: String = Text(MAX_TEXT), [required, searchable];
            /// Its domain, unique, lower case without `www.`.
            domain: Option<String> = Domain, [unique, searchable];
            /// Its site.
            website: Option<String> = Url, [];
            /// Phone number, E.164.
            phone: Option<String> = Phone, [searchable];
            /// E-mail address.
            email: Option<String> = Email, [searchable];
            /// What it does.
            industry: Option<String> = Text(MAX_TEXT), [reportable];
            /// How many work there.
            employee_count: Option<i64> = Int(0, 100_000_000), [];
            /// What it earns a year.
            annual_revenue: Option<Money> = FieldType::Money, [];
            /// When it was founded.
            founded_year: Option<i64> = Int(1, 9999), [];
            /// Where it is.
            addresses: Vec<Address> = Structs(5), [];
            /// Its pages on social networks.
            social: Vec<SocialLink> = Structs(20), [];
            /// How far it has come.
            lifecycle: Lifecycle = FieldType::Choice(Lifecycle::NAMES), [reportable];
            /// The company above.
            parent_id: Option<Id> = FieldType::Id(Kind::Company), [];
            /// Where it came from.
            source: Option<String> = Text(MAX_TEXT), [reportable];
            /// About it.
            description: Option<String> = LongText, [];
            /// Its number at the tax office.
            tax_id: Option<String> = Text(MAX_TEXT), [];
            /// Who looks after it; `None` is the unassigned queue.
            owner_id: Option<Id> = FieldType::Id(Kind::User), [reportable];
            /// Whose team it is; the owner's first team when not given.
            team_id: Option<Id> = FieldType::Id(Kind::Team), [reportable];
            /// Free labels.
            tags: Vec<String> = Texts(50, 64), [];
        }
        read_only {}
        machine {
            /// Points.
            score: i64 = Int(i64::MIN, i64::MAX), [] from [model];
            /// The sum of its won deals, in the base currency.
            lifetime_value: Decimal = FieldType::Decimal, []
                from [Deal::value, Deal::stage_id, Deal::actual_close_date, Deal::company_id];
        }
        derived {
            /// `1-10`, `11-50`, `51-200`, `201-1000`, `1001-5000` or `5001+`, by employees.
            size: Option<String> = Text(16), [reportable] from [employee_count];
            /// The place that it holds of the key of its name and legal form: conversion finds it by this.
            name_claim: Option<String> = Folded, [unique] from [name];
            /// The place that it holds of the key of its name without the legal form that it has.
            stem_claim: Option<String> = Folded, [unique] from [name];
        }
        indexes {
            () -> name; (owner_id) -> name; (parent_id) -> name; (team_id) -> name; (lifecycle) -> name;
            () [shared_with] -> name;
        }
    }
}
