//! A scoring model as data: groups of rules and of behaviour, a grade matrix, a threshold. What a tenant writes, as JSON.
//!
//! Points, caps and thresholds are whole thousandths of a point: `10_000` is ten points.

use serde::{Deserialize, Serialize};

use crate::model::{
    filter::{Filter, Op},
    value::{choices, structured},
};

choices! {
    /// What a group of rules measures: the two sides of a grade.
    #[derive(Default)]
    pub enum Axis {
        /// How well they match whom one sells to.
        #[default]
        Fit = "fit",
        /// How much they do.
        Engagement = "engagement",
    }
    /// Which record a rule looks at.
    #[derive(Default)]
    pub enum On {
        /// The record that is scored.
        #[default]
        Record = "record",
        /// Its contact: of a lead the first it was converted into, of a deal the primary one.
        Contact = "contact",
        /// Its company: of a lead the one it was converted into, of a contact or a deal its own.
        Company = "company",
    }
}

/// What a model says, without its name and version: those are the record's, [`ScoringModel`](super::ScoringModel).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelDefinition {
    /// The groups, in the order in which contributions are told.
    pub groups: Vec<Group>,
    /// How points become a grade; none where there is no matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grades: Option<GradeMatrix>,
    /// From how many thousandths on a record is hot; none is where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot_threshold: Option<i64>,
    /// How often a score that falls with time is brought up to date, in hours.
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

/// Rules that are capped together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name in contributions, unique within the model.
    pub key: String,
    /// What it measures.
    #[serde(default)]
    pub axis: Axis,
    /// The least it may come to, in thousandths; no bound where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<i64>,
    /// The most it may come to, in thousandths; no bound where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<i64>,
    /// Points for what a record is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Points for what happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behaviors: Vec<Behavior>,
}

/// Points for what a record is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in contributions, unique within the model.
    pub key: String,
    /// Which record it looks at. Where there is none (a lead that has no company yet), the rule gives nothing.
    #[serde(default)]
    pub on: On,
    /// What must hold. Relative times are relative to the moment of the score.
    pub when: Filter,
    /// Thousandths of a point where it holds; negative takes away.
    pub points: i64,
}

/// Points for what happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behavior {
    /// Its name in contributions, unique within the model.
    pub key: String,
    /// What counts.
    pub event: Event,
    /// Thousandths of a point for each event when it is fresh; negative takes away.
    pub points: i64,
    /// How they fade.
    #[serde(default, skip_serializing_if = "Decay::is_none")]
    pub decay: Decay,
    /// How many events count within a time; all where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// What counts as behaviour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A completed interaction with the record that fits the filter: an e-mail, a call, a form sent in.
    Interaction(Filter),
    /// The record enters a stage of one of these keys; of any where the list is empty.
    Stage(Vec<String>),
}

/// How the points of an event fade with its age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// They do not.
    #[default]
    None,
    /// Evenly, down to nothing after so many days.
    LinearDays(u32),
    /// Half is left after so many days, half of that after as many again.
    HalfLifeDays(u32),
}

impl Decay {
    /// True where nothing fades.
    #[allow(clippy::trivially_copy_pass_by_ref)] // the shape that serde asks for
    pub const fn is_none(&self) -> bool {
        matches!(self, Decay::None)
    }
}

/// How many events count. An event counts where fewer than `times` of those that count happened within the `hours`
/// before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// How many.
    pub times: u32,
    /// Within how many hours.
    pub hours: u32,
}

/// How points become a grade such as `A1`: the letter from the fit groups' sum, the digit from the engagement groups'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradeMatrix {
    /// From how many thousandths on it is an A, a B, a C, falling; a D below.
    pub fit: [i64; 3],
    /// From how many thousandths on it is a 1, a 2, a 3, falling; a 4 below.
    pub engagement: [i64; 3],
}

impl GradeMatrix {
    /// The grade of two sums.
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
    /// A sensible model of leads for the first day: who they are, where they came from, what they did lately. Of the
    /// fields every organization has, and of none that it must fill.
    ///
    /// 0 to 100 points; hot from 60 on.
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
