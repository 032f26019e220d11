//! The API end to end: the router in this process, requests as a client would send them.

mod api;
mod batch;
mod bodies;
mod conditions;
mod document;
mod hidden;
mod keys;
mod life;
mod limits;
mod past;
mod reports;
mod scoring;
mod sign_in;
mod story;
mod undo;
mod walls;
