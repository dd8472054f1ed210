//! The mail servers: whether port and security go together, and whether one can connect and sign in.

use std::sync::Arc;

use crate::config::{Auth, SecretSource, Server};
use crate::engine::doctor::{Finding, Level};
use crate::engine::server_test::{CERTIFICATE_DAYS_LEFT, ServerTest, test_server};
use crate::engine::workspace::Workspace;
use crate::outbox::diagnosis::Diagnosis;
use crate::port::Clock;
use crate::smtp::settings::Security;

const AREA: &str = "server";

pub(crate) async fn examine(workspace: &Workspace, server: &Server, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let id = server.id.as_str();
    let mut findings = Vec::new();
    findings.extend(port_finding(id, server.port, server.security));
    if server.auth.iter().flat_map(Auth::secrets).any(|secret| matches!(secret.source, SecretSource::Literal(_))) {
        let what = "A secret stands in config.yaml itself";
        findings.push(Finding::new(Level::Note, AREA, id, what).because(
            "Whoever sees the file, a backup or a copy in version control has the secret.",
            "Write `\"${env:NAME}\"`, `\"${file:/path}\"` or `\"${credential:name}\"`.",
        ));
    }
    // The server was taken from the same list.
    if let Some(test) = test_server(workspace, &server.id, None, clock).await {
        findings.push(tested(id, &test));
        findings.extend(certificate_finding(id, &test));
    }
    findings
}

/// Returns what is wrong with a port and a kind of security that do not go together.
fn port_finding(id: &str, port: u16, security: Security) -> Option<Finding> {
    let (what, next_step) = match (port, security) {
        (465, Security::StartTls | Security::Opportunistic | Security::None) => (
            format!("Port 465 speaks TLS from the first byte, and `security` is `{}`", security.as_str()),
            "Write `security: implicit`.",
        ),
        (587 | 25 | 2525, Security::Implicit) => (
            format!("Port {port} begins in plain text, and `security` is `implicit`"),
            "Write `security: starttls`, or `port: 465`.",
        ),
        _ => return None,
    };
    let why = "Neither side understands the other: the connection hangs, or ends without a mail.";
    Some(Finding::new(Level::Note, AREA, id, what).because(why, next_step))
}

fn tested(id: &str, test: &ServerTest) -> Finding {
    let took: u64 = test.steps.iter().map(|step| step.took_ms).sum();
    let endpoint = &test.endpoint;
    if test.is_ok {
        let signed_in = if test.steps.iter().any(|step| step.step == "auth") { " and signed in" } else { ", without a sign-in" };
        return Finding::ok(AREA, id, format!("Connected to {endpoint}{signed_in} in {took} ms"));
    }
    let failed = test.steps.iter().find(|step| !step.is_ok);
    let what = failed.map_or_else(String::new, |step| format!("{endpoint} at {}: {}", step.step, step.words));
    let Diagnosis { meaning, next_step } = test.diagnosis.unwrap_or(Diagnosis {
        meaning: "Nothing can be sent through this server as it is.",
        next_step: "Ask who runs the server, with these words.",
    });
    Finding::new(Level::Fault, AREA, id, what).because(meaning, next_step)
}

fn certificate_finding(id: &str, test: &ServerTest) -> Option<Finding> {
    let certificate = test.steps.iter().find_map(|step| step.certificate.as_ref())?;
    let until = certificate.not_after.strftime("%Y-%m-%d");
    let what = format!(
        "The certificate for {} by {} is good until {until}",
        certificate.names.first().unwrap_or(&certificate.subject),
        certificate.issuer
    );
    if certificate.days_left >= CERTIFICATE_DAYS_LEFT {
        return Some(Finding::ok("certificate", id, what));
    }
    let level = if certificate.days_left < 0 { Level::Fault } else { Level::Note };
    Some(
        Finding::new(level, "certificate", id, what)
            .because("From the day after, no mail is handed to the server.", "Ask who runs the server to renew it."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_security_that_do_not_go_together_are_told() {
        for (port, security, expected) in [
            (465, Security::StartTls, Some("Write `security: implicit`.")),
            (465, Security::Implicit, None),
            (587, Security::Implicit, Some("Write `security: starttls`, or `port: 465`.")),
            (587, Security::StartTls, None),
            (25, Security::Opportunistic, None),
            (1025, Security::Implicit, None),
        ] {
            let found = port_finding("primary", port, security).map(|finding| finding.next_step);
            assert_eq!(found.as_deref(), expected, "{port} {security:?}");
        }
    }
}
