//! What a token server's answer says. Pure: a status and a body go in, a token or the reason for none comes out.
//!
//! Source: RFC 6749 §5.1 (a token), §5.2 (an error).

use std::time::Duration;

use serde_json::Value;

use crate::domain::secret::Secret;
use crate::port::TokenFault;

/// The longest token taken, in bytes; what mail servers take of a line bounds it.
pub(crate) const TOKEN_BYTES_MAX: usize = 8_192;
/// The longest description of an error that is kept, in characters.
const DESCRIPTION_CHARACTERS_MAX: usize = 1_000;
/// How long a token is believed good where the server does not say.
const LIFE_UNSAID: Duration = Duration::from_secs(300);
/// How long a token is believed good at most.
pub(crate) const LIFE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// What was given out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) token: Secret,
    /// How long it is good for.
    pub(crate) life: Duration,
    /// What takes the place of the refresh token, if anything does.
    pub(crate) refresh_token: Option<Secret>,
}

/// Reads the answer of the token server `endpoint`; `told` are the secrets it was told, and may repeat.
pub(crate) fn read(endpoint: &str, status: u16, body: &[u8], told: &[&Secret]) -> Result<Granted, TokenFault> {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    if status == 200 && json["error"].is_null() {
        return granted(&json).map_err(|what| TokenFault::Standing(format!("The token server {endpoint:?} answered 200 {what}")));
    }
    let text = |name: &str| {
        let words = told.iter().fold(json[name].as_str().unwrap_or_default().to_owned(), |words, secret| secret.covered(&words));
        // Entra's descriptions have several lines.
        let line: Vec<&str> = words.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect();
        line.join(" ").chars().take(DESCRIPTION_CHARACTERS_MAX).collect::<String>()
    };
    let (error, description) = (text("error"), text("error_description"));
    let said: Vec<&str> = [error.as_str(), description.as_str()].into_iter().filter(|word| !word.is_empty()).collect();
    let said = match (said.is_empty(), status) {
        (false, _) => format!(": {}", said.join(": ")),
        (true, 300..=399) => " and sends us elsewhere, where no secret is taken; is its address right?".to_owned(),
        (true, _) => String::new(),
    };
    let fault = format!("The token server {endpoint:?} answered {status}{said}");
    let is_temporary = status >= 500
        || matches!(status, 408 | 425 | 429)
        || matches!(error.as_str(), "temporarily_unavailable" | "server_error" | "slow_down");
    Err(if is_temporary { TokenFault::NotNow(fault) } else { TokenFault::Standing(fault) })
}

fn granted(json: &Value) -> Result<Granted, &'static str> {
    let token = json["access_token"].as_str().ok_or("without a token; is its address right?")?;
    // Source: RFC 6750 §2.1; nothing else may stand in a line of the sign-in.
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("with a token that is too long or holds what no token may");
    }
    if json["token_type"].as_str().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("with a token that no mail server takes (its `token_type` is not `Bearer`)");
    }
    // Some servers write the number as a text.
    let seconds = match &json["expires_in"] {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let refresh_token = json["refresh_token"].as_str().filter(|token| !token.is_empty() && !token.contains(char::is_control));
    Ok(Granted {
        token: Secret::new(token),
        life: seconds.map_or(LIFE_UNSAID, Duration::from_secs).min(LIFE_MAX),
        refresh_token: refresh_token.map(Secret::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Result<Granted, TokenFault> {
        read("t.example:443", status, body.as_bytes(), &[&Secret::new("hunter2")])
    }

    #[test]
    fn a_token_comes_with_its_life() {
        let life = |rest: &str| answered(200, &format!("{{\"access_token\": \"abc\"{rest}}}")).unwrap().life.as_secs();
        assert_eq!(life(", \"expires_in\": 3599, \"token_type\": \"bearer\""), 3599);
        assert_eq!(life(", \"expires_in\": \"3599\""), 3599);
        assert_eq!(life(""), LIFE_UNSAID.as_secs());
        assert_eq!(life(", \"expires_in\": -5"), LIFE_UNSAID.as_secs());
        assert_eq!(life(", \"expires_in\": 99999999999"), LIFE_MAX.as_secs());
        let granted = answered(200, "{\"access_token\": \"abc\", \"refresh_token\": \"def\"}").unwrap();
        assert_eq!((granted.token, granted.refresh_token), (Secret::new("abc"), Some(Secret::new("def"))));
    }

    #[test]
    fn what_is_no_token_is_told_and_a_busy_server_is_told_from_a_refusal() {
        let long = format!("{{\"access_token\": \"{}\"}}", "x".repeat(TOKEN_BYTES_MAX + 1));
        let entra = "{\"error\": \"invalid_client\", \"error_description\": \"AADSTS7000215: Invalid client secret 'hunter2'.\\r\\nTrace ID: 1\"}";
        for (status, body, expected) in [
            (200, "<html>", Err("200 without a token; is its address right?")),
            (200, "{}", Err("200 without a token; is its address right?")),
            (200, "[1]", Err("200 without a token; is its address right?")),
            (200, "{\"access_token\": 5}", Err("200 without a token; is its address right?")),
            (200, "{\"access_token\": \"a b\"}", Err("200 with a token that is too long or holds what no token may")),
            (200, &long, Err("200 with a token that is too long or holds what no token may")),
            (
                200,
                "{\"access_token\": \"a\", \"token_type\": \"mac\"}",
                Err("200 with a token that no mail server takes (its `token_type` is not `Bearer`)"),
            ),
            (400, entra, Err("400: invalid_client: AADSTS7000215: Invalid client secret '***'. Trace ID: 1")),
            (401, "", Err("401")),
            (404, "not here", Err("404")),
            (302, "", Err("302 and sends us elsewhere, where no secret is taken; is its address right?")),
            (200, "{\"error\": \"invalid_grant\"}", Err("200: invalid_grant")),
            (503, "<html>", Ok("503")),
            (500, "{\"error\": \"server_error\", \"error_description\": \"later\"}", Ok("500: server_error: later")),
            (429, "", Ok("429")),
            (400, "{\"error\": \"temporarily_unavailable\"}", Ok("400: temporarily_unavailable")),
        ] {
            let of = |text: &str| format!("The token server \"t.example:443\" answered {text}");
            let expected = match expected {
                Ok(later) => TokenFault::NotNow(of(later)),
                Err(standing) => TokenFault::Standing(of(standing)),
            };
            assert_eq!(answered(status, body), Err(expected), "{status} {body}");
        }
    }

    #[test]
    fn a_long_description_is_cut() {
        let body = format!("{{\"error\": \"e\", \"error_description\": \"{}\"}}", "x".repeat(50_000));
        let Err(TokenFault::Standing(fault)) = answered(400, &body) else { panic!("a refusal stands") };
        assert!(fault.len() < DESCRIPTION_CHARACTERS_MAX + 100);
    }
}
