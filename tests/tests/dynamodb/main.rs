//! The DynamoDB store on an emulator, and with responses that no emulator gives.

mod basics;
mod cost;
mod due;
mod faults;
mod feed;
mod hand;
mod lists;
mod tomorrow;
