//! Time zones by their IANA names, looked up in the bundled data, so that every machine knows the same ones.

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use thiserror::Error;

use crate::domain::problem::nearest;

/// A time zone with its IANA name as the database spells it: `Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZoneName {
    name: String,
    zone: TimeZone,
}

/// A name that is no time zone's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ZoneFault {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl TimeZoneName {
    /// Reads an IANA name in any case.
    ///
    /// Abbreviations and fixed offsets (`CET`, `+01:00`) are refused: they do not follow the clock changes of a place.
    /// The one exception is `UTC`.
    ///
    /// # Errors
    /// Names the zone that was probably meant.
    pub fn parse(text: &str) -> Result<Self, ZoneFault> {
        let database = TimeZoneDatabase::bundled();
        let is_place = text.contains('/') && !text.starts_with("Etc/") || text.eq_ignore_ascii_case("UTC");
        if let Some(zone) = database.get(text).ok().filter(|_| is_place) {
            let name = zone.iana_name().unwrap_or(text).to_owned();
            return Ok(Self { name, zone });
        }
        let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
        let places = || names.iter().map(String::as_str).filter(|name| name.contains('/') && !name.starts_with("Etc/"));
        // People write the town alone ("Berlin") as often as they misspell the whole.
        let town = |name: &'_ str| name.rsplit('/').next().is_some_and(|town| town.eq_ignore_ascii_case(&text.replace(' ', "_")));
        let near = places().find(|name| town(name)).or_else(|| nearest(text, places()));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write the name of a place, such as `Europe/Berlin`, or `UTC`".to_owned(),
        };
        Err(ZoneFault { message: format!("`{text}` is not a time zone"), hint })
    }

    /// Returns `UTC`.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns the zone's rules.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl fmt::Display for TimeZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_in_any_case_and_kept_as_the_database_spells_it() {
        for (text, name) in [("Europe/Berlin", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin"), ("utc", "UTC")] {
            assert_eq!(TimeZoneName::parse(text).map(|zone| zone.to_string()), Ok(name.to_owned()));
        }
        assert_eq!(TimeZoneName::parse("UTC"), Ok(TimeZoneName::utc()));
    }

    #[test]
    fn a_wrong_name_brings_the_right_one() {
        let hint = |text: &str| TimeZoneName::parse(text).unwrap_err().hint;
        assert_eq!(hint("Europe/Berln"), "did you mean `Europe/Berlin`?");
        assert_eq!(hint("Berlin"), "did you mean `Europe/Berlin`?");
        assert_eq!(hint("new york"), "did you mean `America/New_York`?");
        for text in ["CET", "+01:00", "", "Etc/GMT+1", "nowhere at all"] {
            let fault = TimeZoneName::parse(text).unwrap_err();
            assert_eq!(fault.message, format!("`{text}` is not a time zone"));
        }
    }
}
