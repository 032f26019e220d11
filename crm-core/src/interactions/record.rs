//! Interactions: emails, calls, meetings and messages that happened or are planned.

use serde::{Deserialize, Serialize};

use crate::model::{
    records::{team::Team, user::User},
    schema::record,
    value::{Choice, Id, Kind, Ref, Time, choices, structured},
};

choices! {
    /// Direction of an interaction.
    pub enum Direction {
        /// Received by the organization.
        Inbound = "inbound",
        /// Sent by the organization.
        Outbound = "outbound",
    }
    /// Role of a participant.
    #[derive(Default)]
    pub enum ParticipantRole {
        /// Sender or caller.
        From = "from",
        /// Recipient.
        #[default]
        To = "to",
        /// Recipient of a copy.
        Cc = "cc",
        /// Attendee.
        Attendee = "attendee",
        /// Organizer of the meeting.
        Organizer = "organizer",
    }
}

/// A participant of an interaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Participant {
    /// A record, such as a contact or user.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// An email address or phone number, if there is no record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Role of the participant.
    pub role: ParticipantRole,
}
structured!(Participant);

/// The types that every organization has; organizations may add their own.
pub const BUILT_IN_TYPES: &[&str] = &["email", "call", "meeting", "sms", "social", "website"];

record! {
    /// An email, call, meeting or message that happened or is planned.
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
            /// Location.
            location: Option<String> = Text(MAX_TEXT), [];
            /// URL of a recording.
            recording_url: Option<String> = Url, [];
            /// User; default: the actor.
            user_id: Option<Id<User>> = FieldType::Id(Kind::User), [reportable];
            /// Team; default: the user's first team.
            team_id: Option<Id<Team>> = FieldType::Id(Kind::Team), [reportable];
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
            /// `true` if it is planned and not yet held.
            is_open: bool = Bool, [] from [completed_at, scheduled_at];
        }
        indexes {
            () [links] -> happens_at; (user_id) -> happens_at; (user_id, is_open) -> scheduled_at;
            (team_id) -> happens_at; (r#type) -> happens_at;
        }
    }
}
