//! The engine: how use cases read, decide and commit, what an actor may see, lists, history, jobs and what follows the log. It
//! knows the model, and of the systems only what they declare.

pub mod access;
pub mod collection;
pub(crate) mod crm;
pub mod definitions;
pub mod draft;
pub mod followers;
pub mod history;
pub mod jobs;
pub mod kinds;
pub mod listing;
pub mod rules;
pub(crate) mod runtime;
pub(crate) mod search;
pub(crate) mod signed_in;
pub(crate) mod stages;
pub mod system;
pub(crate) mod turns;
pub mod typing;
pub(crate) mod undoable;
pub mod view;
pub mod worker;
