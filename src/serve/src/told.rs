//! Whom the service tells of itself. In: where it listens. Out: systemd knows that it is ready and alive; a network's machines find
//! its Wyoming by name (DNS-SD, RFC 6763).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mdns_sd::{ServiceDaemon, ServiceInfo};
use sd_notify::NotifyState;

/// As Home Assistant looks for it.
const WYOMING: &str = "_wyoming._tcp.local.";

/// Says that connections are answered, and from then on that it is alive, as often as systemd wants to hear it (`WatchdogSec=`).
/// Never over. It speaks from the threads that serve connections: where these hang, it is silent.
pub async fn systemd() {
    tell(&[NotifyState::Ready]);
    let Some(within) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut clock = tokio::time::interval((within / 2).max(Duration::from_millis(1)));
    loop {
        clock.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

/// Says that no new connections are answered.
pub fn ending() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState]) {
    if let Err(e) = sd_notify::notify(states) {
        log::debug!("systemd is not told: {e}");
    }
}

/// A name on the network, until it is dropped.
pub struct Published {
    daemon: ServiceDaemon,
    name: String,
}

/// `name`: what a person picks it by. Errors: a line for a person.
pub fn publish(name: &str, address: SocketAddr) -> Result<Published, String> {
    if address.ip().is_loopback() {
        return Err(format!(
            "{address} is reached from this machine alone: give --zeroconf an address of the network, such as tcp://0.0.0.0:10200"
        ));
    }
    let failed = |e: mdns_sd::Error| format!("{address} cannot be published as `{name}`: {e}");
    let daemon = ServiceDaemon::new().map_err(failed)?;
    let host = format!("{}.local.", host_name().map_err(|e| format!("this machine has no name: {e}"))?);
    let ip = address.ip();
    let everywhere = ip.is_unspecified();
    let ips = if everywhere { String::new() } else { ip.to_string() };
    let mut service = ServiceInfo::new(WYOMING, name, &host, ips, address.port(), None).map_err(failed)?;
    if everywhere {
        service = service.enable_addr_auto();
    }
    let name = service.get_fullname().to_owned();
    daemon.register(service).map_err(failed)?;
    log::info!("published as {name}");
    Ok(Published { daemon, name })
}

fn host_name() -> io::Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    match name.trim().split('.').next() {
        None | Some("") => Err(io::Error::other("it is empty")),
        Some(label) => Ok(label.to_owned()),
    }
}

impl Drop for Published {
    /// Others are told at once that it is gone.
    fn drop(&mut self) {
        for done in [self.daemon.unregister(&self.name).map(|_| ()), self.daemon.shutdown().map(|_| ())] {
            if let Err(e) = done {
                log::debug!("{} is not taken back: {e}", self.name);
            }
        }
    }
}
