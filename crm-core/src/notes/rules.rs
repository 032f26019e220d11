//! The rules of notes.

use super::record::Note;
use crate::{
    engine::rules::{Rules, Settle},
    model::schema::Record,
};

impl Rules for Note {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if before.is_none() {
            after.author_id = cx.user;
        }
    }
}
