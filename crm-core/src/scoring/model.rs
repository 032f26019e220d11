//! Scoring models as data: groups of rules and behaviors, a grade matrix, a threshold. Tenants write them as JSON.
//!
//! Points, caps and thresholds are whole thousandths of a point: `10_000` is ten points.

use serde::{Deserialize, Serialize};

use crate::model::{
    filter::{Filter, Op},
    value::{choices, structured},
};

choices! {
    /// The part of the grade that a group counts toward.
    #[derive(Default)]
    pub enum Axis {
        /// How well the record matches the target customers.
        #[default]
        Fit = "fit",
        /// How active the record is.
        Engagement = "engagement",
    }
    /// The record that a rule examines.
    #[derive(Default)]
    pub enum On {
        /// The scored record.
        #[default]
        Record = "record",
        /// Its contact: for a lead the first one it was converted into, for a deal the primary one.
        Contact = "contact",
        /// Its company: for a lead the one it was converted into, for a contact or deal its own.
        Company = "company",
    }
}

/// The definition of a model. Name and version belong to its record, [`ScoringModel`](super::ScoringModel).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelDefinition {
    /// The groups, in the order of the contributions.
    pub groups: Vec<Group>,
    /// The grade matrix; `None` if there are no grades.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grades: Option<GradeMatrix>,
    /// The total in thousandths from which a record is hot; `None` if records never are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot_threshold: Option<i64>,
    /// The interval in hours after which a score that decays is refreshed.
    #[serde(default = "one_day", skip_serializing_if = "is_one_day")]
    pub refresh_hours: u32,
}
structured!(; whole ModelDefinition);

const fn one_day() -> u32 {
    24
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the shape that serde asks for
const fn is_one_day(hours: &u32) -> bool {
    *hours == one_day()
}

/// Rules with a common cap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Name in contributions, unique within the model.
    pub key: String,
    /// Part of the grade that the group counts toward.
    #[serde(default)]
    pub axis: Axis,
    /// Minimum of the sum in thousandths; unlimited if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<i64>,
    /// Maximum of the sum in thousandths; unlimited if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<i64>,
    /// Points for properties of the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Points for events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behaviors: Vec<Behavior>,
}

/// Points for a property of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name in contributions, unique within the model.
    pub key: String,
    /// Record that the rule examines. If it is missing (a lead without a company), the rule gives no points.
    #[serde(default)]
    pub on: On,
    /// Condition. Relative times are relative to the time of the score.
    pub when: Filter,
    /// Points in thousandths if the condition holds; may be negative.
    pub points: i64,
}

/// Points for events of one type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behavior {
    /// Name in contributions, unique within the model.
    pub key: String,
    /// Events that count.
    pub event: Event,
    /// Points in thousandths for each event before decay; may be negative.
    pub points: i64,
    /// Decay of the points with time.
    #[serde(default, skip_serializing_if = "Decay::is_none")]
    pub decay: Decay,
    /// Maximum number of events that count within a period; unlimited if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// The events that count as a behavior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A completed interaction with the record that matches the filter, such as an email, a call or a submitted form.
    Interaction(Filter),
    /// The record enters a stage with one of these keys; any stage if the list is empty.
    Stage(Vec<String>),
}

/// The decay of the points of an event with its age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// No decay.
    #[default]
    None,
    /// Linear decay that reaches zero after this number of days.
    LinearDays(u32),
    /// Exponential decay with this half-life in days.
    HalfLifeDays(u32),
}

impl Decay {
    /// Returns `true` if there is no decay.
    #[allow(clippy::trivially_copy_pass_by_ref)] // the shape that serde asks for
    pub const fn is_none(&self) -> bool {
        matches!(self, Decay::None)
    }
}

/// A limit of the events that count: an event counts if fewer than `times` counted events happened within the `hours`
/// before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Maximum number of events.
    pub times: u32,
    /// Period in hours.
    pub hours: u32,
}

/// A grade matrix, for grades such as `A1`: the letter from the sum of the fit groups, the digit from the engagement
/// groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradeMatrix {
    /// Minimum sums in thousandths for A, B and C, descending; D below.
    pub fit: [i64; 3],
    /// Minimum sums in thousandths for 1, 2 and 3, descending; 4 below.
    pub engagement: [i64; 3],
}

impl GradeMatrix {
    /// Returns the grade of two sums.
    pub fn grade(&self, fit: i64, engagement: i64) -> String {
        let step = |bounds: &[i64; 3], points: i64| bounds.iter().filter(|&&bound| points < bound).count();
        let letter = ["A", "B", "C", "D"][step(&self.fit, fit)];
        let digit = ["1", "2", "3", "4"][step(&self.engagement, engagement)];
        format!("{letter}{digit}")
    }
}

/// Thousandths of whole points.
const fn points(whole: i64) -> i64 {
    whole * 1000
}

impl ModelDefinition {
    /// Returns a model of leads to start with: who they are, where they came from, their recent activity. It only uses
    /// built-in fields, and none of them is required.
    ///
    /// 0 to 100 points; hot from 60 points.
    pub fn starter() -> Self {
        let rule = |key: &str, when: Filter, whole: i64| Rule {
            key: key.to_owned(),
            on: On::Record,
            when,
            points: points(whole),
        };
        let filled = |field: &str| Filter::missing(field).negate();
        let behavior = |key: &str, event: Event, whole: i64, decay: Decay, limit: Option<Limit>| Behavior {
            key: key.to_owned(),
            event,
            points: points(whole),
            decay,
            limit,
        };
        let of_type = |kinds: &[&str]| Filter::one_of("type", kinds.iter().copied());
        let inbound = |kinds: &[&str]| of_type(kinds).and(Filter::eq("direction", "inbound"));
        let a_day = |times: u32| Some(Limit { times, hours: 24 });
        Self {
            groups: vec![
                Group {
                    key: "who".to_owned(),
                    axis: Axis::Fit,
                    floor: Some(points(-20)),
                    cap: Some(points(40)),
                    rules: vec![
                        rule("has_company", Filter::any([filled("company_name"), filled("website")]), 8),
                        rule("has_job_title", filled("job_title"), 5),
                        rule("reachable", Filter::any([filled("email"), filled("phone"), filled("mobile_phone")]), 5),
                        rule("team_of_ten", Filter::is("employee_count", Op::Ge, 10), 6),
                        rule("hundreds_of_people", Filter::is("employee_count", Op::Ge, 200), 8),
                        rule("recommended", Filter::one_of("source", ["referral", "partner"]), 12),
                        rule("bought_list", Filter::one_of("source", ["list", "purchased_list"]), -10),
                        rule(
                            "wants_no_contact",
                            Filter::any([Filter::eq("do_not_email", true), Filter::eq("do_not_call", true)]),
                            -20,
                        ),
                    ],
                    behaviors: Vec::new(),
                },
                Group {
                    key: "what_they_do".to_owned(),
                    axis: Axis::Engagement,
                    floor: Some(0),
                    cap: Some(points(60)),
                    rules: Vec::new(),
                    behaviors: vec![
                        behavior(
                            "wrote_to_us",
                            Event::Interaction(inbound(&["email", "sms", "social"])),
                            12,
                            Decay::HalfLifeDays(14),
                            a_day(2),
                        ),
                        behavior(
                            "called_us",
                            Event::Interaction(inbound(&["call"])),
                            18,
                            Decay::HalfLifeDays(21),
                            a_day(2),
                        ),
                        behavior(
                            "met_us",
                            Event::Interaction(of_type(&["meeting"]).and(Filter::eq("outcome", "no_show").negate())),
                            25,
                            Decay::HalfLifeDays(30),
                            a_day(1),
                        ),
                        behavior(
                            "came_to_the_site",
                            Event::Interaction(of_type(&["website"])),
                            4,
                            Decay::LinearDays(30),
                            a_day(3),
                        ),
                        behavior(
                            "did_not_come",
                            Event::Interaction(of_type(&["meeting"]).and(Filter::eq("outcome", "no_show"))),
                            -8,
                            Decay::HalfLifeDays(30),
                            None,
                        ),
                        behavior(
                            "qualified",
                            Event::Stage(vec!["qualified".to_owned()]),
                            15,
                            Decay::None,
                            Some(Limit { times: 1, hours: 24 * 365 }),
                        ),
                    ],
                },
            ],
            grades: Some(GradeMatrix {
                fit: [points(25), points(15), points(5)],
                engagement: [points(35), points(20), points(8)],
            }),
            hot_threshold: Some(points(60)),
            refresh_hours: one_day(),
        }
    }
}
