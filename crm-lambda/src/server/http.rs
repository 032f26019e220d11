//! The local server: HTTP/1.1 with limits per connection and graceful shutdown.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tower::ServiceExt as _;

/// The limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The maximum number of simultaneous connections; further ones wait to be accepted.
    pub connections: usize,
    /// The maximum time to receive the head of a request, counted from the end of the previous response.
    pub head: Duration,
    /// The maximum age of a connection. The current request is then finished and the client has to reconnect, so that a
    /// slow reader does not hold a connection forever.
    pub lifetime: Duration,
    /// How long running requests may continue once a connection or the server is to end.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 4096,
            head: Duration::from_secs(20),
            lifetime: Duration::from_mins(10),
            grace: Duration::from_secs(30),
        }
    }
}

/// Serves until `end` completes, then finishes the running requests. Returns `true` if all of them finished in time.
///
/// Handlers see the client's address as `ConnectInfo<SocketAddr>`.
pub async fn serve(listener: TcpListener, router: Router, bounds: Bounds, end: impl Future<Output = ()>) -> bool {
    let places = Arc::new(Semaphore::new(bounds.connections.clamp(1, Semaphore::MAX_PERMITS)));
    // Every connection holds a receiver: the value tells it to end, and all have ended once every receiver is dropped.
    let (ending, ended) = watch::channel(());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head).max_buf_size(64 * 1024);
    let mut end = std::pin::pin!(end);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = &mut end => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_the_connection(&error) {
                    // Usually out of file descriptors: current connections will release some.
                    tracing::error!(%error, "cannot take connections");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(address));
            let answer = router.clone().oneshot(request);
            async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let mut ended = ended.clone();
        tokio::spawn(async move {
            let _place = place;
            let mut connection = std::pin::pin!(connection);
            let broke_off = tokio::select! {
                served = connection.as_mut() => served.err(),
                _ = ended.changed() => finish(connection, bounds.grace).await,
                () = tokio::time::sleep(bounds.lifetime) => finish(connection, bounds.grace).await,
            };
            if let Some(error) = broke_off {
                tracing::debug!(%error, %address, "a connection broke off");
            }
        });
    }
    drop((listener, ended));
    let _ = ending.send(());
    tokio::time::timeout(bounds.grace, ending.closed()).await.is_ok()
}

/// Lets a connection finish the current request and accepts no further one.
async fn finish<S>(
    mut connection: std::pin::Pin<&mut http1::Connection<TokioIo<tokio::net::TcpStream>, S>>,
    grace: Duration,
) -> Option<hyper::Error>
where
    S: hyper::service::HttpService<Incoming, ResBody = axum::body::Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    connection.as_mut().graceful_shutdown();
    tokio::time::timeout(grace, connection).await.ok().and_then(Result::err)
}

/// `true` if the error concerns a single incoming connection, not the listener.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::{Notify, oneshot},
    };

    use super::*;

    struct Running {
        address: SocketAddr,
        end: oneshot::Sender<()>,
        server: tokio::task::JoinHandle<bool>,
    }

    async fn run(router: Router, bounds: Bounds) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, told) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, router, bounds, async {
            let _ = told.await;
        }));
        Running { address, end, server }
    }

    async fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        String::from_utf8_lossy(&all).into_owned()
    }

    const CLOSE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    const KEEP: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    #[tokio::test]
    async fn handlers_see_the_clients_address() {
        let who = get(|ConnectInfo(address): ConnectInfo<SocketAddr>| async move { address.to_string() });
        let running = run(Router::new().route("/", who), Bounds::default()).await;
        let stream = send(running.address, CLOSE).await;
        let own = stream.local_addr().unwrap().to_string();
        assert!(rest(stream).await.ends_with(&own));
    }

    #[tokio::test]
    async fn the_end_finishes_what_runs_and_takes_no_more() {
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = get({
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            || async move {
                begun.notify_one();
                go.notified().await;
                "done"
            }
        });
        let running = run(Router::new().route("/", slow), Bounds::default()).await;
        let idle = TcpStream::connect(running.address).await.unwrap();
        let stream = send(running.address, KEEP).await;
        begun.notified().await;
        running.end.send(()).unwrap();
        // The idle connection is closed at once; the busy one continues.
        assert_eq!(rest(idle).await, "");
        assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
        go.notify_one();
        assert!(rest(stream).await.ends_with("done"));
        assert!(running.server.await.unwrap());
    }

    #[tokio::test]
    async fn the_end_does_not_wait_for_ever() {
        let begun = Arc::new(Notify::new());
        let never = get({
            let begun = Arc::clone(&begun);
            || async move {
                begun.notify_one();
                std::future::pending::<&'static str>().await
            }
        });
        let bounds = Bounds { grace: Duration::from_millis(20), ..Bounds::default() };
        let running = run(Router::new().route("/", never), bounds).await;
        let _stream = send(running.address, KEEP).await;
        begun.notified().await;
        running.end.send(()).unwrap();
        assert!(!running.server.await.unwrap());
    }

    #[tokio::test]
    async fn who_sends_the_head_byte_by_byte_or_not_at_all_is_put_out() {
        let bounds = Bounds { head: Duration::from_millis(20), ..Bounds::default() };
        let running = run(Router::new().route("/", get(|| async { "hello" })), bounds).await;
        let half = send(running.address, "GET / HTTP/1.1\r\nhos").await;
        let silent = TcpStream::connect(running.address).await.unwrap();
        let idle = send(running.address, KEEP).await;
        assert!(!rest(half).await.contains("200"));
        assert!(!rest(silent).await.contains("200"));
        // Answered, kept alive, and closed when no further request arrived.
        assert!(rest(idle).await.ends_with("hello"));
    }

    #[tokio::test]
    async fn who_takes_no_answer_is_put_out() {
        let endless = get(|| async { vec![b'x'; 64 << 20] });
        let short = Duration::from_millis(20);
        let bounds = Bounds { connections: 1, lifetime: short, grace: short, ..Bounds::default() };
        let router = Router::new().route("/", endless).route("/small", get(|| async { "small" }));
        let running = run(router, bounds).await;
        let _greedy = send(running.address, KEEP).await;
        // There is one slot: the next connection gets it once the slow one has been closed.
        let next = send(running.address, "GET /small HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert!(rest(next).await.ends_with("small"));
    }
}
