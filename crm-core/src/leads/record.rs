//! Leads: potential customers.

use crate::{
    companies::Company,
    contacts::Contact,
    deals::Deal,
    model::{
        records::{
            pipeline::{Pipeline, Stage, StageKind},
            team::Team,
            user::User,
        },
        schema::record,
        value::{Address, Choice, Id, Kind, Money, Time, choices},
    },
};

choices! {
    /// How a conversion matched one of its records.
    pub enum Matched {
        /// Matched by the lead's email address.
        Email = "email",
        /// Matched by the lead's domain.
        Domain = "domain",
        /// Matched by the name of the lead's company.
        Name = "name",
        /// Specified in the request.
        Named = "named",
        /// Newly created.
        New = "new",
    }
}

record! {
    /// A potential customer who moves through the stages of a pipeline.
    Lead, NewLead, LeadPatch, LeadFields {
        announced_at: scored_at,
        creator_owns: true,
        own: [owner_id], team: [team_id],
        person {
            /// Display name; derived from first and last name if not given, and updated with them as long as it equals them.
            name: String = Text(MAX_TEXT), [required, searchable, personal] from [first_name, last_name];
            /// Given name.
            first_name: Option<String> = Text(MAX_TEXT), [personal];
            /// Family name.
            last_name: Option<String> = Text(MAX_TEXT), [personal];
            /// Email address; not unique among leads.
            email: Option<String> = Email, [searchable, personal];
            /// Phone number, E.164.
            phone: Option<String> = Phone, [searchable, personal];
            /// Mobile phone number, E.164.
            mobile_phone: Option<String> = Phone, [searchable, personal];
            /// Name of the company.
            company_name: Option<String> = Text(MAX_TEXT), [searchable];
            /// Job title.
            job_title: Option<String> = Text(MAX_TEXT), [];
            /// Website of the company.
            website: Option<String> = Url, [];
            /// Industry of the company.
            industry: Option<String> = Text(MAX_TEXT), [reportable];
            /// Number of employees.
            employee_count: Option<i64> = Int(0, 100_000_000), [];
            /// Annual revenue of the company.
            annual_revenue: Option<Money> = FieldType::Money, [];
            /// Postal address.
            address: Option<Address> = Struct, [personal];
            /// Lead source, such as `web`.
            source: Option<String> = Text(MAX_TEXT), [reportable];
            /// Details of the source, such as the campaign.
            source_detail: Option<String> = Text(MAX_TEXT), [];
            /// Pipeline; default: the default lead pipeline.
            pipeline_id: Option<Id<Pipeline>> = FieldType::Id(Kind::Pipeline), [reportable];
            /// Current stage; default: the first stage of the pipeline.
            stage_id: Option<Id<Stage>> = StageId, [reportable] follows [pipeline_id];
            /// Reason for disqualification.
            unqualified_reason: Option<String> = Text(MAX_TEXT), [reportable] follows [stage_id];
            /// Description.
            description: Option<String> = LongText, [personal];
            /// Opted out of email.
            do_not_email: bool = Bool, [restricts];
            /// Opted out of calls.
            do_not_call: bool = Bool, [restricts];
            /// Owner; `None` for the unassigned queue.
            owner_id: Option<Id<User>> = FieldType::Id(Kind::User), [reportable];
            /// Team; default: the owner's first team.
            team_id: Option<Id<Team>> = FieldType::Id(Kind::Team), [reportable];
            /// Tags.
            tags: Vec<String> = Texts(50, 64), [];
        }
        read_only {
            /// Time of the conversion.
            converted_at: Option<Time> = FieldType::Time, [] follows [stage_id];
            /// Contacts created or matched by the conversion.
            converted_contact_ids: Vec<Id<Contact>> = Ids(Kind::Contact, 20), [] follows [stage_id];
            /// Company created or matched by the conversion.
            converted_company_id: Option<Id<Company>> = FieldType::Id(Kind::Company), [] follows [stage_id];
            /// How the contact was matched.
            converted_contact_by: Option<Matched> = FieldType::Choice(Matched::NAMES), [] follows [stage_id];
            /// How the company was matched.
            converted_company_by: Option<Matched> = FieldType::Choice(Matched::NAMES), [] follows [stage_id];
            /// Deal opened by the conversion.
            converted_deal_id: Option<Id<Deal>> = FieldType::Id(Kind::Deal), [] follows [stage_id];
        }
        machine {
            /// Score in thousandths of a point.
            score: i64 = Int(i64::MIN, i64::MAX), [] from [model];
            /// Grade for fit and engagement, such as `A1`.
            grade: Option<String> = Text(8), [announced] from [score];
            /// `true` if the score has reached the hot threshold.
            is_hot: bool = Bool, [announced] from [score];
            /// Model and version of the score.
            model_version: Option<String> = Text(64), [] from [score];
            /// Time of the score.
            scored_at: Option<Time> = FieldType::Time, [] from [score];
            /// Time of the last activity.
            last_activity_at: Option<Time> = FieldType::Time, [] from [Interaction::completed_at, Interaction::links];
            /// Due date of the next open task.
            next_task_due_at: Option<Time> = FieldType::Time, [] from [Task::due_at, Task::status, Task::links];
        }
        derived {
            /// Key of the stage.
            status: String = Text(63), [reportable] from [stage_id];
            /// Kind of the stage.
            stage_kind: StageKind = FieldType::Choice(StageKind::NAMES), [reportable] from [stage_id];
            /// Time of entry into the stage.
            stage_entered_at: Option<Time> = FieldType::Time, [] from [stage_id];
        }
        indexes {
            (owner_id) -> created_at; (stage_id) -> created_at; (team_id) -> created_at; (email) -> created_at;
            (owner_id) -> score; () -> score; (team_id) -> score; () [shared_with] -> created_at;
        }
    }
}
