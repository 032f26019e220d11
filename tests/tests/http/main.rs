//! The API end to end: the router in this process, with requests as a client sends them.

mod api;
mod batch;
mod bodies;
mod conditions;
mod conforms;
mod console;
mod document;
mod funnel;
mod hidden;
mod jobs;
mod keys;
mod limits;
mod made_up;
mod past;
mod reports;
mod rights;
mod scoring;
mod sign_in;
mod story;
mod undo;
mod walls;
mod words;
