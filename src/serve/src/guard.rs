//! Who may ask. In: a request's header. Out: a refusal, or nothing.
//!
//! A service on loopback is reached by every web page in this machine's browser: so a page must be allowed by its origin, and
//! the name by which the service was called must be one of this machine's, or a page could call it by a name of its own.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, header};

use crate::Shared;
use crate::refusal::Refusal;

/// The key of clients that know no `Authorization`.
const X_API_KEY: header::HeaderName = header::HeaderName::from_static("x-api-key");
/// Paths that answer without a key: whether the service lives is no secret.
const FREE: [&str; 3] = ["/", "/health", "/ready"];

/// Errors: 403 for an origin or a host that is not allowed, 401 for a wrong key. `preflight`: a browser asks whether it may
/// ask, which it does without a key.
pub fn check(shared: &Shared, path: &str, headers: &HeaderMap, preflight: bool) -> Result<(), Refusal> {
    let arguments = &shared.arguments;
    let named = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(origin) = named(header::ORIGIN)
        && named(header::HOST).is_none_or(|host| origin.strip_prefix("http://") != Some(host)) // not our own page
        && !arguments.cors_origin.iter().any(|allowed| allowed == origin)
    {
        return Err(forbidden("this origin may not speak: allow it with --cors-origin"));
    }
    if let Some(host) = named(header::HOST)
        && arguments.unix.is_none()
        && !is_own(host, arguments.listen.ip())
        && !arguments.allowed_host.iter().any(|allowed| allowed.eq_ignore_ascii_case(name_of(host)))
    {
        return Err(forbidden("this host is not this machine's: allow it with --allowed-host"));
    }
    let Some(key) = shared.key.as_deref().filter(|_| !preflight && !FREE.contains(&path)) else { return Ok(()) };
    let bearer = named(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let given = bearer.or_else(|| named(X_API_KEY)).unwrap_or_default();
    match equal(key.as_bytes(), given.trim().as_bytes()) {
        true => Ok(()),
        false => Err(Refusal::new(StatusCode::UNAUTHORIZED, "invalid_api_key", "the key is missing or wrong")),
    }
}

fn forbidden(message: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "forbidden", message)
}

/// A host without its port and the brackets of an IPv6 address.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// The name is that of loopback, or the address that is listened on. An address cannot be made to mean another machine.
fn is_own(host: &str, listens: IpAddr) -> bool {
    let name = name_of(host);
    let address = name.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback() || address == listens || listens.is_unspecified())
}

/// In a time that does not say how much of it was right.
fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_else_may_own_is_not_ours() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:8880", "[::1]:8880", "127.9.9.9"] {
            assert!(is_own(host, loopback), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:80", "192.168.1.2", "127.0.0.1.evil.example", "", "?"] {
            assert!(!is_own(host, loopback), "{host}");
        }
        assert!(is_own("192.168.1.2:80", "0.0.0.0".parse().unwrap()));
        assert!(!is_own("evil.example", "0.0.0.0".parse().unwrap()));
    }

    #[test]
    fn a_key_is_right_as_a_whole() {
        assert!(equal(b"secret", b"secret"));
        for wrong in [&b""[..], b"secre", b"secrets", b"Secret"] {
            assert!(!equal(b"secret", wrong));
        }
    }
}
