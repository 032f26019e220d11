//! Leads: those who may become customers.

use crate::{
    pipelines::record::StageKind,
    schema::record,
    value::{Address, Choice, Id, Kind, Money, Time, choices},
};

choices! {
    /// How a conversion came to one of its records.
    pub enum Matched {
        /// It has the lead's e-mail address.
        Email = "email",
        /// It has the lead's domain.
        Domain = "domain",
        /// It has the name of the lead's company.
        Name = "name",
        /// It was named.
        Named = "named",
        /// It is new.
        New = "new",
    }
}

record! {
    /// Somebody who may become a customer, on their way through a pipeline's stages.
    Lead, NewLead, LeadPatch, LeadFields {
        own: [owner_id], team: [team_id],
        person {
            /// The name shown; made from first and last name where absent, and follows them while it equals them.
            name: String = Text(MAX_TEXT), [required, searchable, personal] from [first_name, last_name];
            /// Given name.
            first_name: Option<String> = Text(MAX_TEXT), [personal];
            /// Family name.
            last_name: Option<String> = Text(MAX_TEXT), [personal];
            /// E-mail address; several leads may have one.
            email: Option<String> = Email, [searchable, personal];
            /// Phone number, E.164.
            phone: Option<String> = Phone, [searchable, personal];
            /// Mobile phone number, E.164.
            mobile_phone: Option<String> = Phone, [searchable, personal];
            /// Where they work.
            company_name: Option<String> = Text(MAX_TEXT), [searchable];
            /// Job title.
            job_title: Option<String> = Text(MAX_TEXT), [];
            /// The company's site.
            website: Option<String> = Url, [];
            /// What the company does.
            industry: Option<String> = Text(MAX_TEXT), [reportable];
            /// How many work there.
            employee_count: Option<i64> = Int(0, 100_000_000), [];
            /// What the company earns a year.
            annual_revenue: Option<Money> = FieldType::Money, [];
            /// Postal address.
            address: Option<Address> = Struct, [personal];
            /// Where they came from, such as `web`.
            source: Option<String> = Text(MAX_TEXT), [reportable];
            /// More on the source, such as the campaign.
            source_detail: Option<String> = Text(MAX_TEXT), [];
            /// The pipeline they go through; the default one of leads when not given.
            pipeline_id: Option<Id> = FieldType::Id(Kind::Pipeline), [reportable];
            /// The stage they are in; the pipeline's first when not given.
            stage_id: Option<Id> = StageId, [reportable] follows [pipeline_id];
            /// Why they are no customer.
            unqualified_reason: Option<String> = Text(MAX_TEXT), [reportable] follows [stage_id];
            /// About them.
            description: Option<String> = LongText, [personal];
            /// They do not want e-mail.
            do_not_email: bool = Bool, [restricts];
            /// They do not want calls.
            do_not_call: bool = Bool, [restricts];
            /// Who works on them; `None` is the unassigned queue.
            owner_id: Option<Id> = FieldType::Id(Kind::User), [reportable];
            /// Whose team it is; the owner's first team when not given.
            team_id: Option<Id> = FieldType::Id(Kind::Team), [reportable];
            /// Free labels.
            tags: Vec<String> = Texts(50, 64), [];
        }
        read_only {
            /// When they were converted.
            converted_at: Option<Time> = FieldType::Time, [] follows [stage_id];
            /// The contacts they became.
            converted_contact_ids: Vec<Id> = Ids(Kind::Contact, 20), [] follows [stage_id];
            /// The company they became.
            converted_company_id: Option<Id> = FieldType::Id(Kind::Company), [] follows [stage_id];
            /// How the contact was come to.
            converted_contact_by: Option<Matched> = FieldType::Choice(Matched::NAMES), [] follows [stage_id];
            /// How the company was come to.
            converted_company_by: Option<Matched> = FieldType::Choice(Matched::NAMES), [] follows [stage_id];
            /// The deal that was opened.
            converted_deal_id: Option<Id> = FieldType::Id(Kind::Deal), [] follows [stage_id];
        }
        machine {
            /// Points.
            score: i64 = Int(i64::MIN, i64::MAX), [] from [model];
            /// Fit and engagement, such as `A1`.
            grade: Option<String> = Text(8), [] from [score];
            /// Whether the score is past the hot threshold.
            is_hot: bool = Bool, [] from [score];
            /// Which model version made the score.
            model_version: Option<String> = Text(64), [] from [score];
            /// When the score was made.
            scored_at: Option<Time> = FieldType::Time, [] from [score];
            /// When something last happened.
            last_activity_at: Option<Time> = FieldType::Time, [] from [Interaction::completed_at, Interaction::links];
            /// When the next open task is due.
            next_task_due_at: Option<Time> = FieldType::Time, [] from [Task::due_at, Task::status, Task::links];
        }
        derived {
            /// The stage's key.
            status: String = Text(63), [reportable] from [stage_id];
            /// What the stage means.
            stage_kind: StageKind = FieldType::Choice(StageKind::NAMES), [reportable] from [stage_id];
            /// When the stage was entered.
            stage_entered_at: Option<Time> = FieldType::Time, [] from [stage_id];
        }
        indexes {
            (owner_id) -> created_at; (stage_id) -> created_at; (team_id) -> created_at; (email) -> created_at;
            (owner_id) -> score; () -> score; (team_id) -> score; () [shared_with] -> created_at;
        }
    }
}
