//! Runs a DynamoDB emulator as its own process: `emulator 127.0.0.1:8000 [file]`.
//!
//! With a file the data is persistent; without one it is in memory. Prints `listening on …` when it is ready, and runs
//! until it is killed. For experiments and tests; it listens on loopback only.

use std::net::SocketAddr;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().ok_or("usage: emulator 127.0.0.1:PORT [FILE]")?.parse()?;
    if !address.ip().is_loopback() {
        return Err("an emulator checks no credentials: it listens on loopback only".into());
    }
    let database = match arguments.next() {
        Some(file) => dynoxide::Database::new(&file)?,
        None => dynoxide::Database::memory()?,
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    dynoxide::server::serve_on(listener, database).await;
    Ok(())
}
