//! Interactions: e-mails, calls, meetings and messages that happened or are planned.

use serde::{Deserialize, Serialize};

use crate::model::{
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
        visibility: Visibility::ByLinks(InteractionFields::links as usize),
        own: [user_id], team: [team_id],
        person {
            /// `email`, `call`, `meeting`, `sms`, `social`, `website`, or one the organization added.
            r#type: String = Key, [required, reportable];
            /// Direction; required for email, call and SMS.
            direction: Option<Direction> = FieldType::Choice(Direction::NAMES), [reportable];
            /// Subject.
            subject: String = Text(MAX_TEXT), [required, searchable];
            /// Content.
            content: Option<String> = LongText, [searchable, personal];
            /// Planned time.
            scheduled_at: Option<Time> = FieldType::Time, [];
            /// Time at which it took place; default: now, unless `scheduled_at` is given.
            completed_at: Option<Time> = FieldType::Time, [];
            /// Duration.
            duration_seconds: Option<i64> = Int(0, 31_536_000), [];
            /// Outcome, such as `connected`, `voicemail`, `no_answer`, `held`, `no_show`.
            outcome: Option<String> = Text(MAX_TEXT), [reportable];
            /// Where.
            location: Option<String> = Text(MAX_TEXT), [];
            /// URL of a recording.
            recording_url: Option<String> = Url, [];
            /// User; default: the actor.
            user_id: Option<Id> = FieldType::Id(Kind::User), [reportable];
            /// Team; default: the user's first team.
            team_id: Option<Id> = FieldType::Id(Kind::Team), [reportable];
            /// Participants.
            participants: Vec<Participant> = Structs(50), [personal, refers];
            /// Linked records; at least one.
            links: Vec<Ref> = Refs(Kind::LINKED, 20), [required];
        }
        read_only {}
        machine {}
        derived {
            /// Time at which it took place, is planned, or was recorded.
            happens_at: Option<Time> = FieldType::Time, [] from [completed_at, scheduled_at];
            /// Whether it is planned and not yet held.
            is_open: bool = Bool, [] from [completed_at, scheduled_at];
        }
        indexes {
            () [links] -> happens_at; (user_id) -> happens_at; (user_id, is_open) -> scheduled_at;
            (team_id) -> happens_at; (r#type) -> happens_at;
        }
    }
}
