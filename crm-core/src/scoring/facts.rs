//! What a score is made of: the record as it was at a moment, its contact and company, what happened with it.

use std::sync::Arc;

use super::model::On;
use crate::model::{
    schema::Image,
    value::{Id, Time},
};

/// The facts of one record at one moment.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The record.
    pub record: Arc<Image>,
    /// Its contact, where it has one and a rule looks at it.
    pub contact: Option<Arc<Image>>,
    /// Its company, likewise.
    pub company: Option<Arc<Image>>,
    /// Completed interactions with it, by when they took place, then id.
    pub interactions: Vec<(Time, Arc<Image>)>,
    /// The stages it entered, in order.
    pub stages: Vec<(Time, Id)>,
}

impl Facts {
    /// Facts of a record alone.
    pub const fn of(record: Arc<Image>) -> Self {
        Self { record, contact: None, company: None, interactions: Vec::new(), stages: Vec::new() }
    }

    /// The record that a rule looks at.
    pub(super) fn on(&self, on: On) -> Option<&Arc<Image>> {
        match on {
            On::Record => Some(&self.record),
            On::Contact => self.contact.as_ref(),
            On::Company => self.company.as_ref(),
            On::Unknown(_) => None,
        }
    }

    /// Interactions in the order in which they count.
    pub(super) fn sort(&mut self) {
        self.interactions.sort_by_key(|(time, image)| (*time, image.id));
    }
}
