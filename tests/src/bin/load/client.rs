//! A minimal HTTP client: one persistent connection with sequential requests, so that its own cost is small compared
//! with what it measures.

use std::net::SocketAddr;

use serde_json::Value as Json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// The reason why a request has no response.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A persistent connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
}

/// A response: its status, `ETag` and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) async fn new(host: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), host })
    }

    /// Sends a request with a token and additional header lines, and waits for the response.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        token: &str,
        more: &str,
        body: Option<&Json>,
    ) -> Result<Answer, Failure> {
        let body = body.map(Json::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n{kind}{more}content-length: \
             {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let (mut line, mut status, mut length, mut etag) = (String::new(), 0, 0, String::new());
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err("the server hung up".into());
            }
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            if status == 0 {
                status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
            } else if let Some((name, value)) = text.split_once(':') {
                match name.to_ascii_lowercase().as_str() {
                    "content-length" => length = value.trim().parse()?,
                    "etag" => value.trim().clone_into(&mut etag),
                    "transfer-encoding" => return Err("an answer without a length".into()),
                    _ => {}
                }
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(Answer { status, etag, body })
    }
}
