//! When a rule runs: cron expressions, time zones, business days, and what becomes of a run that was missed.
//!
//! Pure functions: they know neither YAML nor a clock. The rule floor reads the node and places the faults;
//! the time to search from is an argument. `cron` names local times, `days` and `calendar` choose and move them, `firing`
//! turns them into instants, `missed` decides about those that are past. `quiet` is about mails: when none may leave.

mod calendar;
mod cron;
mod days;
mod firing;
mod ics;
mod missed;
mod quiet;
mod zone;

pub use calendar::{CLOSED_DAYS_MAX, Calendar, CalendarFault, HOLIDAYS_MAX, Holiday, HolidayDay, Years, easter_sunday};
pub use cron::{CRON_CHARACTERS_MAX, Cron, CronFault};
pub use days::{BusinessDays, DayOfMonth, NTH_MAX, Shift};
pub use firing::{FIRINGS_MAX, Firing, Timetable, end_of, past_until};
pub use ics::{IcsFault, read_ics};
pub use missed::{Fate, Later, MISSED_WITHIN, Missed, MissedReason, ON_TIME, fates};
pub use quiet::{Quiet, QuietHours};
pub use zone::{TimeZoneName, ZoneFault};
