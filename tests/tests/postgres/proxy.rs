//! A loopback proxy between the store and the server. It counts round trips and cuts the connection on command.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tests::postgres::Database;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
};

/// The observations and instructions of the proxy.
#[derive(Debug, Default)]
pub struct State {
    /// The number of round trips.
    round_trips: AtomicUsize,
    /// The number of executed statements.
    executed: AtomicUsize,
    /// Cut the connection after passing on the next execution, before its response.
    cut: AtomicBool,
    /// Accept no new connections and end the existing ones.
    closed: AtomicBool,
}

/// The proxy. It ends with the test's runtime.
#[derive(Clone, Debug)]
pub struct Proxy {
    state: Arc<State>,
    options: PgConnectOptions,
}

impl Proxy {
    pub async fn before(database: &Database) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let options = database.options().host("127.0.0.1").socket_less().port(port).ssl_mode(PgSslMode::Disable);
        let upstream = Upstream::of(database);
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if shared.closed.load(Ordering::SeqCst) {
                    continue;
                }
                let (state, upstream) = (Arc::clone(&shared), upstream.clone());
                tokio::spawn(async move { upstream.serve(client, state).await });
            }
        });
        Self { state, options }
    }

    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Returns the round trips and executed statements since the last call.
    pub fn take(&self) -> (usize, usize) {
        (self.state.round_trips.swap(0, Ordering::SeqCst), self.state.executed.swap(0, Ordering::SeqCst))
    }

    /// Loses the response of the next executed statement.
    pub fn cut_next_answer(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
    }

    /// Makes the server unreachable.
    pub fn close(&self) {
        self.state.closed.store(true, Ordering::SeqCst);
    }
}

trait SocketLess {
    fn socket_less(self) -> Self;
}

impl SocketLess for PgConnectOptions {
    /// The same options without a socket: a host given as an address is reached by TCP.
    fn socket_less(self) -> Self {
        let name = self.get_database().unwrap_or_default().to_owned();
        PgConnectOptions::new_without_pgpass().host("127.0.0.1").username(self.get_username()).database(&name)
    }
}

#[derive(Clone, Debug)]
enum Upstream {
    Socket(std::path::PathBuf),
    Tcp(String, u16),
}

impl Upstream {
    fn of(database: &Database) -> Self {
        let options = database.options();
        let port = options.get_port();
        match options.get_socket() {
            Some(directory) => Upstream::Socket(directory.join(format!(".s.PGSQL.{port}"))),
            None => Upstream::Tcp(options.get_host().to_owned(), port),
        }
    }

    async fn serve(self, client: TcpStream, state: Arc<State>) {
        match self {
            Upstream::Socket(path) => {
                if let Ok(server) = UnixStream::connect(path).await {
                    pass(client, server, state).await;
                }
            }
            Upstream::Tcp(host, port) => {
                if let Ok(server) = TcpStream::connect((host, port)).await {
                    pass(client, server, state).await;
                }
            }
        }
    }
}

/// Passes messages on until either side ends or the connection is cut. Dropping both streams closes them.
async fn pass<S: AsyncRead + AsyncWrite + Unpin>(client: TcpStream, server: S, state: Arc<State>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let upward = async {
        // The first message has only a length, the others a type before it.
        let mut started = false;
        loop {
            let kind = if started { from_client.read_u8().await? } else { 0 };
            let length = from_client.read_u32().await?;
            let mut body = vec![0; usize::try_from(length).unwrap_or(4).saturating_sub(4)];
            from_client.read_exact(&mut body).await?;
            if state.closed.load(Ordering::SeqCst) {
                return Ok::<(), std::io::Error>(());
            }
            if started {
                to_server.write_u8(kind).await?;
            }
            to_server.write_u32(length).await?;
            to_server.write_all(&body).await?;
            to_server.flush().await?;
            match kind {
                b'E' => {
                    state.executed.fetch_add(1, Ordering::SeqCst);
                }
                b'S' | b'Q' => {
                    state.round_trips.fetch_add(1, Ordering::SeqCst);
                }
                _ => {}
            }
            started = true;
        }
    };
    let downward = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from_server.read(&mut buffer).await?;
            // The response has arrived, so the statement was executed; the response is now dropped.
            if read == 0 || state.closed.load(Ordering::SeqCst) || state.cut.swap(false, Ordering::SeqCst) {
                return Ok::<(), std::io::Error>(());
            }
            to_client.write_all(&buffer[..read]).await?;
        }
    };
    tokio::select! {
        _ = upward => {}
        _ = downward => {}
    }
}
