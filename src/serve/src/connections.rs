//! Connections. In: what is to be listened on. Out: each connection with its limits, until the service is told to end: then
//! what is running is finished, and nothing new begins.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use crate::Shared;
use crate::answer::router;
use crate::arguments::Address;

/// For what is running when the service is told to end.
const DRAIN: Duration = Duration::from_secs(30);
/// A pause after an error of accepting, which mostly means that descriptors have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens until SIGTERM or SIGINT. Errors: a line for a person.
pub async fn serve(shared: Arc<Shared>, end: watch::Sender<bool>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("no signals: {e}");
    let (mut term, mut int) =
        (signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::interrupt()).map_err(failed)?);
    let most = shared.arguments.max_connections;
    let places = &shared.places;
    let over_wyoming = speak_wyoming(shared.clone());
    let over_http =
        accept(shared.arguments.http(), places.clone(), "http", |connection| http(shared.clone(), connection));
    tokio::select! {
        biased; // who asks for both waits for the line of the second
        outcome = over_wyoming => return outcome,
        outcome = over_http => return outcome,
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    log::info!("ending: what is running is finished first");
    let _ = end.send(true); // nobody listens where there is no connection
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    if tokio::time::timeout(DRAIN, places.acquire_many(all)).await.is_err() {
        log::warn!("some connections took longer than {} s, and are cut", DRAIN.as_secs());
    }
    Ok(())
}

/// A listener that is bound, and what is done with who comes.
async fn accept<F: Future<Output = ()> + Send + 'static>(
    at: Address,
    places: Arc<Semaphore>,
    scheme: &str,
    talk: impl Fn(Box<dyn Connection>) -> F,
) -> Result<(), String> {
    let listener = Listener::bind(&at).await.map_err(|e| format!("cannot listen on {at}: {e}"))?;
    log::info!("listening on {}", listener.name(scheme).map_err(|e| e.to_string())?);
    loop {
        let place = places.clone().acquire_owned().await.map_err(|e| e.to_string())?;
        match listener.accept().await {
            Ok(connection) => {
                let talk = talk(connection);
                tokio::spawn(async move {
                    talk.await;
                    drop(place);
                });
            }
            Err(e) => {
                log::warn!("a connection was not accepted: {e}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

impl Listener {
    async fn bind(at: &Address) -> io::Result<Self> {
        match at {
            Address::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            Address::Unix(path) => {
                if is_socket(path) {
                    let _ = std::fs::remove_file(path); // what it cannot remove it cannot bind either
                }
                Ok(Self::Unix(UnixListener::bind(path)?, path.clone()))
            }
            Address::Stdio => Err(io::Error::other("it is one connection")),
        }
    }

    fn name(&self, scheme: &str) -> io::Result<String> {
        Ok(match self {
            Self::Tcp(listener) => format!("{scheme}://{}", listener.local_addr()?),
            Self::Unix(_, path) => path.display().to_string(),
        })
    }

    async fn accept(&self) -> io::Result<Box<dyn Connection>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                let _ = stream.set_nodelay(true); // a frame is sent as it is made; without this, a little later
                Ok(Box::new(stream))
            }
            Self::Unix(listener, _) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path); // the next start removes what this one cannot
        }
    }
}

/// Waits until the service is told to end.
async fn ended(mut ends: watch::Receiver<bool>) {
    let _ = ends.wait_for(|ends| *ends).await; // or nobody is left to tell
}

/// One that a service before has left behind.
fn is_socket(path: &std::path::Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket())
}

async fn http(shared: Arc<Shared>, connection: Box<dyn Connection>) {
    let service = TowerToHyperService::new(router(shared.clone()));
    let mut http = http1::Builder::new();
    // A header that does not come in time ends the connection: also one that nobody asks anything of any more.
    http.timer(TokioTimer::new()).header_read_timeout(shared.arguments.patience());
    let connection = http.serve_connection(TokioIo::new(connection), service).with_upgrades();
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = ended(shared.ends.clone()) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(e) = outcome {
        log::debug!("a connection broke off: {e}");
    }
}

async fn wyoming(
    shared: Arc<Shared>,
    from: impl AsyncRead + Unpin + Send + 'static,
    to: impl AsyncWrite + Unpin + Send,
) {
    let ends = shared.ends.clone();
    if let Err(e) = crate::wyoming::talk(shared, from, to, ended(ends)).await {
        log::debug!("a connection broke off: {e}");
    }
}

/// Wyoming, wherever it is spoken; never over where it is not.
async fn speak_wyoming(shared: Arc<Shared>) -> Result<(), String> {
    match shared.arguments.wyoming.clone() {
        None => std::future::pending().await,
        Some(Address::Stdio) => {
            wyoming(shared, tokio::io::stdin(), tokio::io::stdout()).await;
            Ok(())
        }
        Some(at) => {
            accept(at, shared.places.clone(), "tcp", |connection| {
                let (from, to) = tokio::io::split(connection);
                wyoming(shared.clone(), from, to)
            })
            .await
        }
    }
}
