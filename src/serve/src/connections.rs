//! Connections. In: what is to be listened on. Out: each connection with its limits, until the service is told to end: then
//! what is running is finished, and nothing new begins.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use listenfd::ListenFd;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use crate::Shared;
use crate::answer::{Counted, router};
use crate::arguments::Address;
use crate::listener::{Connection, Listener};
use crate::told;

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
    let (for_http, for_wyoming) = listeners(&shared).await?;
    let published = match (&shared.arguments.zeroconf, for_wyoming.as_ref().and_then(Listener::address)) {
        (Some(name), Some(address)) => Some(told::publish(name, address)?),
        (Some(_), None) => return Err("--zeroconf publishes an address of Wyoming: give --wyoming tcp://…".to_owned()),
        (None, _) => None,
    };
    let over_wyoming = speak_wyoming(shared.clone(), for_wyoming);
    let over_http = accept(for_http, places.clone(), |connection| http(shared.clone(), connection));
    tokio::select! {
        outcome = over_wyoming => return outcome,
        outcome = over_http => return outcome,
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = told::systemd() => {}
    }
    drop(published);
    told::ending();
    log::info!("ending: what is running is finished first");
    let _ = end.send(true); // nobody listens where there is no connection
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    if tokio::time::timeout(DRAIN, places.acquire_many(all)).await.is_err() {
        log::warn!("some connections took longer than {} s, and are cut", DRAIN.as_secs());
    }
    Ok(())
}

/// For HTTP, and for Wyoming where it has a socket: systemd's, or bound here. Errors: a line for a person.
async fn listeners(shared: &Shared) -> Result<(Listener, Option<Listener>), String> {
    let (arguments, mut handed) = (&shared.arguments, ListenFd::from_env());
    let over_http = match Listener::handed(&mut handed, 0)? {
        Some(listener) => listener,
        None => Listener::bind(&arguments.http()).await?,
    };
    let over_wyoming = match (Listener::handed(&mut handed, 1)?, &arguments.wyoming) {
        (Some(listener), _) => Some(listener),
        (None, None | Some(Address::Stdio)) => None,
        (None, Some(at)) => Some(Listener::bind(at).await?),
    };
    if let Some(listener) = &over_wyoming {
        log::info!("listening on {}", listener.name("tcp"));
    }
    let (http, wyoming) = (over_http.address(), over_wyoming.as_ref().and_then(Listener::address));
    arguments.check_open(http, wyoming, shared.key.is_some())?;
    log::info!("listening on {}", over_http.name("http")); // the last line: who waits for it may connect to both
    Ok((over_http, over_wyoming))
}

/// What is done with who comes.
async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: Listener,
    places: Arc<Semaphore>,
    talk: impl Fn(Box<dyn Connection>) -> F,
) -> Result<(), String> {
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

/// Waits until the service is told to end.
async fn ended(mut ends: watch::Receiver<bool>) {
    let _ = ends.wait_for(|ends| *ends).await; // or nobody is left to tell
}

async fn http(shared: Arc<Shared>, connection: Box<dyn Connection>) {
    let router = TowerToHyperService::new(router(shared.clone()));
    let service = service_fn(|request: Request<Incoming>| {
        // From here on, not from its first poll, which a client that goes at once does not wait for.
        let counted = Counted::new(&shared, request.uri().path());
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            if let Ok(answer) = &answer {
                counted.answered(answer.status());
            }
            answer
        }
    });
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
async fn speak_wyoming(shared: Arc<Shared>, listener: Option<Listener>) -> Result<(), String> {
    match listener {
        None if shared.arguments.wyoming == Some(Address::Stdio) => {
            wyoming(shared, tokio::io::stdin(), tokio::io::stdout()).await;
            Ok(())
        }
        None => std::future::pending().await,
        Some(listener) => {
            accept(listener, shared.places.clone(), |connection| {
                let (from, to) = tokio::io::split(connection);
                wyoming(shared.clone(), from, to)
            })
            .await
        }
    }
}
