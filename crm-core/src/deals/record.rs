//! Deals: sales opportunities.

use crate::{
    companies::Company,
    contacts::Contact,
    leads::Lead,
    model::{
        records::{
            pipeline::{ForecastCategory, Pipeline, Stage, StageKind},
            team::Team,
            user::User,
        },
        schema::record,
        value::{Choice, Date, Id, Kind, Money, Time, choices},
    },
};

choices! {
    /// Type of a sale.
    pub enum DealType {
        /// New business.
        NewBusiness = "new_business",
        /// Renewal.
        Renewal = "renewal",
        /// Expansion of an existing customer.
        Expansion = "expansion",
    }
}

record! {
    /// A sales opportunity that moves through the stages of a pipeline.
    Deal, NewDeal, DealPatch, DealFields {
        announced_at: scored_at,
        creator_owns: true,
        own: [owner_id], team: [team_id],
        person {
            /// Title.
            title: String = Text(MAX_TEXT), [required, searchable];
            /// Description.
            description: Option<String> = LongText, [searchable];
            /// Value; not negative.
            value: Option<Money> = FieldType::Money, [reportable];
            /// Pipeline; default: the default deal pipeline.
            pipeline_id: Option<Id<Pipeline>> = FieldType::Id(Kind::Pipeline), [reportable];
            /// Current stage; default: the first stage of the pipeline.
            stage_id: Option<Id<Stage>> = StageId, [reportable] follows [pipeline_id];
            /// Win probability, 0 to 100; default: the stage's.
            probability: Option<i64> = Int(0, 100), [] follows [stage_id];
            /// Expected close date.
            expected_close_date: Option<Date> = FieldType::Date, [];
            /// Actual close date; set on entry into a won or lost stage.
            actual_close_date: Option<Date> = FieldType::Date, [] follows [stage_id];
            /// Close reason; required for a lost stage.
            close_reason: Option<String> = Text(MAX_TEXT), [reportable] follows [stage_id];
            /// Note on the close reason.
            close_note: Option<String> = Text(2000), [] follows [stage_id];
            /// Company.
            company_id: Option<Id<Company>> = FieldType::Id(Kind::Company), [reportable];
            /// Primary contact; other contacts by association.
            primary_contact_id: Option<Id<Contact>> = FieldType::Id(Kind::Contact), [];
            /// Type of sale.
            r#type: Option<DealType> = FieldType::Choice(DealType::NAMES), [reportable];
            /// Forecast category; default: the stage's.
            forecast_category: Option<ForecastCategory> = FieldType::Choice(ForecastCategory::NAMES), [reportable]
                follows [stage_id];
            /// Source.
            source: Option<String> = Text(MAX_TEXT), [reportable];
            /// Next step.
            next_step: Option<String> = Text(2000), [];
            /// Owner; `None` for the unassigned queue.
            owner_id: Option<Id<User>> = FieldType::Id(Kind::User), [reportable];
            /// Team; default: the owner's first team.
            team_id: Option<Id<Team>> = FieldType::Id(Kind::Team), [reportable];
            /// Tags.
            tags: Vec<String> = Texts(50, 64), [];
        }
        read_only {
            /// Converted lead.
            lead_id: Option<Id<Lead>> = FieldType::Id(Kind::Lead), [];
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
        }
        derived {
            /// Key of the stage.
            status: String = Text(63), [reportable] from [stage_id];
            /// Kind of the stage.
            stage_kind: StageKind = FieldType::Choice(StageKind::NAMES), [reportable] from [stage_id];
            /// Time of entry into the stage.
            stage_entered_at: Option<Time> = FieldType::Time, [] from [stage_id];
            /// Value × probability.
            weighted_value: Option<Money> = FieldType::Money, [] from [value, probability];
            /// Actual close date, or the expected one.
            close_date: Option<Date> = FieldType::Date, [] from [actual_close_date, expected_close_date];
        }
        indexes {
            (stage_id) -> close_date; (owner_id, stage_kind) -> close_date; (stage_kind) -> close_date;
            (company_id) -> created_at; (team_id, stage_kind) -> close_date; () [shared_with] -> created_at;
            (primary_contact_id) -> created_at;
        }
    }
}
