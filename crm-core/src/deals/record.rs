//! Deals: the sales that may happen.

use crate::{
    pipelines::record::{ForecastCategory, StageKind},
    schema::record,
    value::{Choice, Date, Id, Kind, Money, Time, choices},
};

choices! {
    /// What kind of sale.
    pub enum DealType {
        /// To a new customer.
        NewBusiness = "new_business",
        /// The same again.
        Renewal = "renewal",
        /// More, to a customer.
        Expansion = "expansion",
    }
}

record! {
    /// A sale that may happen, on its way through a pipeline's stages.
    Deal, NewDeal, DealPatch, DealFields {
        own: [owner_id], team: [team_id],
        person {
            /// What it is about.
            title: String = Text(MAX_TEXT), [required, searchable];
            /// More about it.
            description: Option<String> = LongText, [searchable];
            /// What it is worth; not negative.
            value: Option<Money> = FieldType::Money, [reportable];
            /// The pipeline it goes through; the default one of deals when not given.
            pipeline_id: Option<Id> = FieldType::Id(Kind::Pipeline), [reportable];
            /// The stage it is in; the pipeline's first when not given.
            stage_id: Option<Id> = StageId, [reportable] follows [pipeline_id];
            /// 0 to 100; the stage's when not given.
            probability: Option<i64> = Int(0, 100), [] follows [stage_id];
            /// When it should close.
            expected_close_date: Option<Date> = FieldType::Date, [];
            /// When it closed; set on entering a won or lost stage.
            actual_close_date: Option<Date> = FieldType::Date, [] follows [stage_id];
            /// Why it was won or lost; needed for a lost stage.
            close_reason: Option<String> = Text(MAX_TEXT), [reportable] follows [stage_id];
            /// More on that.
            close_note: Option<String> = Text(2000), [] follows [stage_id];
            /// Who buys.
            company_id: Option<Id> = FieldType::Id(Kind::Company), [reportable];
            /// Whom one talks to; others by association.
            primary_contact_id: Option<Id> = FieldType::Id(Kind::Contact), [];
            /// What kind of sale.
            r#type: Option<DealType> = FieldType::Choice(DealType::NAMES), [reportable];
            /// How sure a forecast is; the stage's when not given.
            forecast_category: Option<ForecastCategory> = FieldType::Choice(ForecastCategory::NAMES), [reportable]
                follows [stage_id];
            /// Where it came from.
            source: Option<String> = Text(MAX_TEXT), [reportable];
            /// What to do next.
            next_step: Option<String> = Text(2000), [];
            /// Who works on it; `None` is the unassigned queue.
            owner_id: Option<Id> = FieldType::Id(Kind::User), [reportable];
            /// Whose team it is; the owner's first team when not given.
            team_id: Option<Id> = FieldType::Id(Kind::Team), [reportable];
            /// Free labels.
            tags: Vec<String> = Texts(50, 64), [];
        }
        read_only {
            /// The lead it came from.
            lead_id: Option<Id> = FieldType::Id(Kind::Lead), [];
        }
        machine {
            /// The score, in thousandths of a point.
            score: i64 = Int(i64::MIN, i64::MAX), [] from [model];
            /// The grade, such as `A1`.
            grade: Option<String> = Text(8), [] from [score];
            /// Whether the score is past the hot threshold.
            is_hot: bool = Bool, [] from [score];
            /// Which model version made the score.
            model_version: Option<String> = Text(64), [] from [score];
            /// When the score was made.
            scored_at: Option<Time> = FieldType::Time, [] from [score];
        }
        derived {
            /// The stage's key.
            status: String = Text(63), [reportable] from [stage_id];
            /// What the stage means.
            stage_kind: StageKind = FieldType::Choice(StageKind::NAMES), [reportable] from [stage_id];
            /// When the stage was entered.
            stage_entered_at: Option<Time> = FieldType::Time, [] from [stage_id];
            /// Value times probability.
            weighted_value: Option<Money> = FieldType::Money, [] from [value, probability];
            /// When it closed, else when it should.
            close_date: Option<Date> = FieldType::Date, [] from [actual_close_date, expected_close_date];
        }
        indexes {
            (stage_id) -> close_date; (owner_id, stage_kind) -> close_date; (stage_kind) -> close_date;
            (company_id) -> created_at; (team_id, stage_kind) -> close_date; () [shared_with] -> created_at;
            (primary_contact_id) -> created_at;
        }
    }
}
