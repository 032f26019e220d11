//! The DynamoDB store against an emulator, and against answers that no emulator gives.

mod basics;
mod cost;
mod due;
mod faults;
mod feed;
mod hand;
mod lists;
mod tomorrow;
