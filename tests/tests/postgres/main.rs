//! The PostgreSQL store on real servers: compared with the in-memory model, and its own guarantees.

mod contract;
mod errors;
mod feed;
mod migrations;
mod model;
mod pages;
mod proxy;
mod round_trips;
mod tomorrow;
mod within;

use tests::support;
