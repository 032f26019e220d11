//! Interactions: e-mails, calls, meetings and messages that happened or are planned.

use serde::{Deserialize, Serialize};

use crate::{
    schema::record,
    value::{Choice, Id, Kind, Ref, Time, choices, structured},
};

choices! {
    /// From whom to whom.
    pub enum Direction {
        /// From outside.
        Inbound = "inbound",
        /// To outside.
        Outbound = "outbound",
    }
    /// What part somebody had.
    #[derive(Default)]
    pub enum ParticipantRole {
        /// Wrote or called.
        From = "from",
        /// Was written to or called.
        #[default]
        To = "to",
        /// Got a copy.
        Cc = "cc",
        /// Was there.
        Attendee = "attendee",
        /// Called the meeting.
        Organizer = "organizer",
    }
}

/// Somebody who took part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Participant {
    /// A record.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// Or an address or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What part they had.
    pub role: ParticipantRole,
}
structured!(Participant);

/// The types every organization has; it may add its own.
pub const BUILT_IN_TYPES: &[&str] = &["email", "call", "meeting", "sms", "social", "website"];

record! {
    /// An e-mail, call, meeting or message that happened or is planned.
    Interaction, NewInteraction, InteractionPatch, InteractionFields {
        own: [user_id], team: [team_id],
        person {
            /// `email`, `call`, `meeting`, `sms`, `social`, `website`, or one the organization added.
            r#type: String = Key, [required, reportable];
            /// From whom to whom; needed for e-mail, call and SMS.
            direction: Option<Direction> = FieldType::Choice(Direction::NAMES), [reportable];
            /// What it was about.
            subject: String = Text(MAX_TEXT), [required, searchable];
            /// What was said.
            content: Option<String> = LongText, [searchable, personal];
            /// When it is planned.
            scheduled_at: Option<Time> = FieldType::Time, [];
            /// When it took place; where neither this nor `scheduled_at` is given: now.
            completed_at: Option<Time> = FieldType::Time, [];
            /// How long it took.
            duration_seconds: Option<i64> = Int(0, 31_536_000), [];
            /// How it went, such as `connected`, `voicemail`, `no_answer`, `held`, `no_show`.
            outcome: Option<String> = Text(MAX_TEXT), [reportable];
            /// Where.
            location: Option<String> = Text(MAX_TEXT), [];
            /// Where a recording is.
            recording_url: Option<String> = Url, [];
            /// Whose it is; the actor's when not given.
            user_id: Option<Id> = FieldType::Id(Kind::User), [reportable];
            /// Whose team's; the user's first when not given.
            team_id: Option<Id> = FieldType::Id(Kind::Team), [reportable];
            /// Who took part.
            participants: Vec<Participant> = Structs(50), [personal];
            /// What it is about; at least one record.
            links: Vec<Ref> = Refs(Kind::LINKED, 20), [required];
        }
        read_only {}
        machine {}
        derived {
            /// When it took place, else when it is planned, else when it was recorded.
            happens_at: Option<Time> = FieldType::Time, [] from [completed_at, scheduled_at];
            /// Planned and not yet held.
            is_open: bool = Bool, [] from [completed_at, scheduled_at];
        }
        indexes {
            () [links] -> happens_at; (user_id) -> happens_at; (user_id, is_open) -> scheduled_at;
            (team_id) -> happens_at; (r#type) -> happens_at;
        }
    }
}
