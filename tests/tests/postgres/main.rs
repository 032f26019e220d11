//! The PostgreSQL store on real servers: against the model in memory, and what only it promises.

mod contract;
mod errors;
mod feed;
mod migrations;
mod model;
mod pages;
mod proxy;
mod round_trips;
mod support;
mod tomorrow;
mod within;
