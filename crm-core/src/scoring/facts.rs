//! The facts of a score: the record at a time, its contact and company, interactions and stages.

use std::sync::Arc;

use super::model::On;
use crate::model::{
    records::pipeline::Stage,
    schema::Image,
    value::{Id, Time},
};

/// The facts of one record at one time.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The record.
    pub record: Arc<Image>,
    /// Its contact, if it has one and a rule examines it.
    pub contact: Option<Arc<Image>>,
    /// Its company, likewise.
    pub company: Option<Arc<Image>>,
    /// Completed interactions with the record, by the time they took place, then id.
    pub interactions: Vec<(Time, Arc<Image>)>,
    /// The stages that the record entered, in order.
    pub stages: Vec<(Time, Id<Stage>)>,
}

impl Facts {
    /// Creates the facts of a record without related data.
    pub const fn of(record: Arc<Image>) -> Self {
        Self { record, contact: None, company: None, interactions: Vec::new(), stages: Vec::new() }
    }

    /// The record that a rule examines.
    pub(super) fn on(&self, on: On) -> Option<&Arc<Image>> {
        match on {
            On::Record => Some(&self.record),
            On::Contact => self.contact.as_ref(),
            On::Company => self.company.as_ref(),
            On::Unknown(_) => None,
        }
    }

    /// Sorts the interactions into the order in which they count.
    pub(super) fn sort(&mut self) {
        self.interactions.sort_by_key(|(time, image)| (*time, image.id));
    }
}
