//! Where connections come from. In: an address, or a socket that systemd has opened already (sd_listen_fds(3): the first is
//! HTTP's, the second Wyoming's). Out: connections.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use crate::arguments::Address;

/// What the system keeps of what was sent: a second of samples, about.
const SENT_AHEAD_BYTES: usize = 64 << 10;

/// What talks to us.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

pub enum Listener {
    Tcp(TcpListener),
    /// With the file that it has made and will remove; none where somebody else made it.
    Unix(UnixListener, Option<PathBuf>),
}

impl Listener {
    /// Errors: a line for a person.
    pub async fn bind(at: &Address) -> Result<Self, String> {
        let bound = match at {
            Address::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            Address::Unix(path) => {
                if is_socket(path) {
                    let _ = std::fs::remove_file(path); // what it cannot remove it cannot bind either
                }
                UnixListener::bind(path).map(|listener| Self::Unix(listener, Some(path.clone())))
            }
            Address::Stdio => Err(io::Error::other("it is one connection")),
        };
        bound.map_err(|e| format!("cannot listen on {at}: {e}"))
    }

    /// The socket that was handed over in this place, if there is one. Errors: one that cannot be listened on.
    pub fn handed(sockets: &mut ListenFd, place: usize) -> Result<Option<Self>, String> {
        let failed = |e: io::Error| format!("socket {place} of systemd cannot be listened on: {e}");
        if sockets.len() <= place {
            return Ok(None);
        }
        if let Ok(Some(listener)) = sockets.take_tcp_listener(place) {
            listener.set_nonblocking(true).map_err(failed)?;
            return TcpListener::from_std(listener).map(|listener| Some(Self::Tcp(listener))).map_err(failed);
        }
        let Some(listener) = sockets.take_unix_listener(place).map_err(failed)? else { return Ok(None) };
        listener.set_nonblocking(true).map_err(failed)?;
        UnixListener::from_std(listener).map(|listener| Some(Self::Unix(listener, None))).map_err(failed)
    }

    /// Where it listens, if that is a network's address.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    pub fn name(&self, scheme: &str) -> String {
        match (self.address(), self) {
            (Some(address), _) => format!("{scheme}://{address}"),
            (None, Self::Unix(_, Some(path))) => path.display().to_string(),
            (None, _) => "a socket of systemd".to_owned(),
        }
    }

    pub async fn accept(&self) -> io::Result<Box<dyn Connection>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                let _ = stream.set_nodelay(true); // a frame is sent as it is made; without this, a little later
                limit(SockRef::from(&stream));
                Ok(Box::new(stream))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                limit(SockRef::from(&stream));
                Ok(Box::new(stream))
            }
        }
    }
}

/// The system takes megabytes ahead of a client otherwise, and tells that there is room again when a third of them is: then a
/// client that plays what it gets would seem to take nothing for half a minute.
fn limit(socket: SockRef<'_>) {
    if let Err(e) = socket.set_send_buffer_size(SENT_AHEAD_BYTES) {
        log::debug!("a connection keeps the system's buffers: {e}");
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, Some(path)) = self {
            let _ = std::fs::remove_file(path); // the next start removes what this one cannot
        }
    }
}

/// One that a service before has left behind.
fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket())
}
