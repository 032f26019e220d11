//! Reports: pure folds over deals and their stage moves, of what the actor may see.
use crate::{access::Actor, engine::Engine};
use std::sync::Arc;
/// The reports that an actor may see.
#[derive(Clone)]
pub struct Reports<'a> {
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) actor: &'a Actor,
}
impl std::fmt::Debug for Reports<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reports").finish_non_exhaustive()
    }
}
impl<'a> Reports<'a> {
    pub(crate) const fn new(engine: &'a Arc<Engine>, actor: &'a Actor) -> Self {
        Self { engine, actor }
    }
}
