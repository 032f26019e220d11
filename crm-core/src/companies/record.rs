//! Companies: businesses that are customers or potential ones.

use crate::model::{
    records::{team::Team, user::User},
    schema::record,
    value::{Address, Choice, Decimal, Id, Kind, Money, SocialLink, choices},
};

choices! {
    /// Lifecycle stage of a contact or company.
    #[derive(Default)]
    pub enum Lifecycle {
        /// Lead.
        #[default]
        Lead = "lead",
        /// Prospect, with a deal.
        Prospect = "prospect",
        /// Customer.
        Customer = "customer",
        /// Inactive customer.
        Inactive = "inactive",
    }
}

record! {
    /// A business that is a customer or a potential one.
    Company, NewCompany, CompanyPatch, CompanyFields {
        parent: parent_id,
        creator_owns: true,
        own: [owner_id], team: [team_id],
        person {
            /// Name.
            name: String = Text(MAX_TEXT), [required, searchable];
            /// Domain, unique, in lower case without `www.`.
            domain: Option<String> = Domain, [unique, searchable];
            /// Website.
            website: Option<String> = Url, [];
            /// Phone number, E.164.
            phone: Option<String> = Phone, [searchable];
            /// Email address.
            email: Option<String> = Email, [searchable];
            /// Industry.
            industry: Option<String> = Text(MAX_TEXT), [reportable];
            /// Number of employees.
            employee_count: Option<i64> = Int(0, 100_000_000), [];
            /// Annual revenue.
            annual_revenue: Option<Money> = FieldType::Money, [];
            /// Year of foundation.
            founded_year: Option<i64> = Int(1, 9999), [];
            /// Address.
            addresses: Vec<Address> = Structs(5), [];
            /// Profiles on social networks.
            social: Vec<SocialLink> = Structs(20), [];
            /// Lifecycle stage.
            lifecycle: Lifecycle = FieldType::Choice(Lifecycle::NAMES), [reportable];
            /// Parent company.
            parent_id: Option<Id<Company>> = FieldType::Id(Kind::Company), [];
            /// Source.
            source: Option<String> = Text(MAX_TEXT), [reportable];
            /// Description.
            description: Option<String> = LongText, [];
            /// Tax number.
            tax_id: Option<String> = Text(MAX_TEXT), [];
            /// Owner; `None` for the unassigned queue.
            owner_id: Option<Id<User>> = FieldType::Id(Kind::User), [reportable];
            /// Team; default: the owner's first team.
            team_id: Option<Id<Team>> = FieldType::Id(Kind::Team), [reportable];
            /// Tags.
            tags: Vec<String> = Texts(50, 64), [];
        }
        read_only {}
        machine {
            /// Score in thousandths of a point.
            score: i64 = Int(i64::MIN, i64::MAX), [] from [model];
            /// Sum of its won deals in the base currency.
            lifetime_value: Decimal = FieldType::Decimal, []
                from [Deal::value, Deal::stage_id, Deal::actual_close_date, Deal::company_id];
        }
        derived {
            /// `1-10`, `11-50`, `51-200`, `201-1000`, `1001-5000` or `5001+`, by employees.
            size: Option<String> = Text(16), [reportable] from [employee_count];
            /// Claim of its name and legal form, by which conversion finds it.
            name_claim: Option<String> = Folded, [unique] from [name];
            /// Claim of its name without the legal form.
            stem_claim: Option<String> = Folded, [unique] from [name];
        }
        indexes {
            () -> name; (owner_id) -> name; (parent_id) -> name; (team_id) -> name; (lifecycle) -> name;
            () [shared_with] -> name;
        }
    }
}
