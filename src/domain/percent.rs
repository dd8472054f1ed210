//! Values in addresses of the web: percent-encoded, so that none of them means anything there.

use std::fmt::Write;

/// Writes a value so that it stays one value. Source: RFC 3986 §2.3: all but unreserved characters are encoded.
pub(crate) fn push_encoded(address: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => address.push(byte.into()),
            _ => write!(address, "%{byte:02X}").expect("writing to a String cannot fail"),
        }
    }
}
