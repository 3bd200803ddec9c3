//! Connections. In: what is to be listened on. Out: each connection with its limits, until the service is told to end: then
//! what is running is finished, and nothing new begins.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::Shared;
use crate::answer::router;

/// For what is running when the service is told to end.
const DRAIN: Duration = Duration::from_secs(30);
/// A pause after an error of accepting, which mostly means that descriptors have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens until SIGTERM or SIGINT. Errors: a line for a person.
pub async fn serve(shared: Arc<Shared>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("no signals: {e}");
    let (mut term, mut int) =
        (signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::interrupt()).map_err(failed)?);
    let most = shared.arguments.max_connections;
    let places = Arc::new(Semaphore::new(most));
    let (end, ends) = watch::channel(false);
    let accepting = accept(shared.clone(), places.clone(), ends);
    tokio::select! {
        outcome = accepting => return outcome,
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    log::info!("ending: what is running is finished first");
    let _ = end.send(true); // nobody listens where there is no connection
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    if tokio::time::timeout(DRAIN, places.acquire_many(all)).await.is_err() {
        log::warn!("some connections took longer than {} s, and are cut", DRAIN.as_secs());
    }
    if let Some(path) = &shared.arguments.unix {
        let _ = std::fs::remove_file(path); // the next start removes what this one cannot
    }
    Ok(())
}

async fn accept(shared: Arc<Shared>, places: Arc<Semaphore>, ends: watch::Receiver<bool>) -> Result<(), String> {
    let arguments = &shared.arguments;
    let place = || async { places.clone().acquire_owned().await.map_err(|e| e.to_string()) };
    let failed = |name: &dyn std::fmt::Display| format!("cannot listen on {name}");
    if let Some(path) = &arguments.unix {
        if is_socket(path) {
            let _ = std::fs::remove_file(path); // what it cannot remove it cannot bind either
        }
        let listener = UnixListener::bind(path).map_err(|e| format!("{}: {e}", failed(&path.display())))?;
        log::info!("listening on {}", path.display());
        loop {
            let place = place().await?;
            match listener.accept().await {
                Ok((stream, _)) => spawn(stream, &shared, place, &ends),
                Err(e) => pause(&e).await,
            }
        }
    }
    let listener =
        TcpListener::bind(arguments.listen).await.map_err(|e| format!("{}: {e}", failed(&arguments.listen)))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    log::info!("listening on http://{address}");
    loop {
        let place = place().await?;
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true); // a frame is sent as it is made; without this, a little later
                spawn(stream, &shared, place, &ends);
            }
            Err(e) => pause(&e).await,
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

async fn pause(e: &std::io::Error) {
    log::warn!("a connection was not accepted: {e}");
    tokio::time::sleep(PAUSE).await;
}

fn spawn(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: &Arc<Shared>,
    place: OwnedSemaphorePermit,
    ends: &watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(router(shared.clone()));
    let (patience, ends) = (shared.arguments.patience(), ends.clone());
    tokio::spawn(async move {
        let mut http = http1::Builder::new();
        // A header that does not come in time ends the connection: also one that nobody asks anything of any more.
        http.timer(TokioTimer::new()).header_read_timeout(patience);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = ended(ends) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(e) = outcome {
            log::debug!("a connection broke off: {e}");
        }
        drop(place);
    });
}
