//! What stands under `daemon:`: where the daemon shows how it is.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::yaml::{Fields, Node, Problems, text};

/// Where the health page is if config.yaml does not say.
const LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9645));
/// The word for no health page at all.
const OFF: &str = "off";

/// How the daemon shows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Where the health page and the metrics are, always on this machine; port 0 for any free one; `None`: nowhere.
    pub listen: Option<SocketAddr>,
}

impl Default for Daemon {
    fn default() -> Self {
        Self { listen: Some(LISTEN) }
    }
}

/// Reads what stands under `daemon:`.
pub(crate) fn daemon(node: &Node, problems: &mut Problems<'_>) -> Option<Daemon> {
    let mut fields = Fields::open(node, "a set of keys for the daemon", problems)?;
    let listen = fields.optional("listen", problems, listen);
    fields.close(problems);
    Some(listen.map_or_else(Daemon::default, |listen| Daemon { listen }))
}

fn listen(node: &Node, problems: &mut Problems<'_>) -> Option<Option<SocketAddr>> {
    let written = text(node, problems)?;
    if written == OFF {
        return Some(None);
    }
    let Ok(address) = written.replace("localhost:", "127.0.0.1:").parse::<SocketAddr>() else {
        let hint = format!("write `{LISTEN}`, or `{OFF}`");
        problems.error_hint(node.span, format!("`{written}` is not an address with a port"), hint);
        return None;
    };
    if !address.ip().is_loopback() {
        let message =
            format!("`{}` can be reached from other machines, and the health page asks nobody who they are", address.ip());
        let hint = format!("write `127.0.0.1:{}`, and put a proxy that asks before it", address.port());
        problems.error_hint(node.span, message, hint);
        return None;
    }
    Some(Some(address))
}
