//! What a seed stands for: a workspace, and one misfortune after the other.

use std::time::Duration;

use crate::chance::Chance;
use crate::ledger::{Misdeed, Mood};
use crate::power::Loss;
use crate::shim::{Deed, Edge, Strike};

/// Which face of the program does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    Run,
    Daemon,
}

/// What befalls one process.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// At one of its calls.
    Strike(Strike),
    /// SIGKILL from outside, so long after the ledger has so many mails more.
    Kill { mails: u64, later: Duration },
    /// SIGTERM then.
    Stop { mails: u64, later: Duration },
    /// Another process holds the database then, for so long.
    Hold { mails: u64, lasts: Duration },
    /// A second process on the same database, where locks do not work.
    Twin,
    /// A second process on the same database, where they do.
    Second,
    /// None; the server may be bad enough.
    None,
}

impl Fault {
    /// Returns its row in the table of what was reached.
    pub fn name(&self) -> String {
        match self {
            Self::Strike(Strike { edge, deed, .. }) => format!("{deed:?} at {edge:?}"),
            Self::Kill { .. } => "SIGKILL from outside".into(),
            Self::Stop { .. } => "SIGTERM".into(),
            Self::Hold { .. } => "locked by another process".into(),
            Self::Twin => "two at once, locks not working".into(),
            Self::Second => "two at once".into(),
            Self::None => "no fault but the server's".into(),
        }
    }
}

/// One process: how the server is to it, what befalls it, and whether the power fails with its end.
#[derive(Clone, Debug)]
pub struct Incarnation {
    pub face: Face,
    pub mood: Mood,
    pub fault: Fault,
    pub power_cut: Option<Loss>,
}

/// Everything a seed decides.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub mails: usize,
    pub connections: u64,
    pub has_power_cuts: bool,
    pub incarnations: Vec<Incarnation>,
    /// A person gives the mails of unknown outcome back: those may come twice.
    pub renews_unknown: bool,
    /// The mails are large, and a connection takes so many bytes of them at once, about.
    pub send_buffer: Option<u64>,
}

impl Case {
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::of(seed, &[1]);
        let mails = chance.between(6, 24) as usize;
        let has_power_cuts = chance.happens(400);
        let face = if chance.happens(300) { Face::Daemon } else { Face::Run };
        let count = chance.between(1, 3);
        let each = (mails as u64).div_ceil(count);
        let incarnations = (0..count).map(|turn| incarnation(face, turn, each, has_power_cuts, &mut chance)).collect();
        let (connections, renews_unknown) = (chance.between(1, 3), chance.happens(100));
        let send_buffer = chance.happens(150).then(|| chance.between(2_000, 8_000));
        Self { seed, mails, connections, has_power_cuts, incarnations, renews_unknown, send_buffer }
    }

    /// Returns whether the case needs a database before its first process starts.
    pub fn has_twins(&self) -> bool {
        self.incarnations.iter().any(|incarnation| matches!(incarnation.fault, Fault::Twin))
    }
}

fn incarnation(face: Face, turn: u64, mails: u64, has_power_cuts: bool, chance: &mut Chance) -> Incarnation {
    let mood = mood(turn, chance);
    let later = Duration::from_micros(chance.between(0, 8_000));
    let some = chance.between(0, mails.saturating_sub(1));
    let fault = match chance.between(0, 99) {
        0..64 => Fault::Strike(strike(mails, chance)),
        64..72 => Fault::Kill { mails: some, later },
        72..77 => Fault::Stop { mails: some, later },
        77..85 => Fault::Hold { mails: some, lasts: Duration::from_millis(chance.between(1, 200)) },
        85..92 => Fault::Twin,
        92..95 => Fault::Second,
        _ => Fault::None,
    };
    // What two processes left half-way at one power cut is no different from what one did; the journal is of one.
    let is_cut = has_power_cuts && !matches!(fault, Fault::Twin | Fault::Second) && chance.happens(800);
    let power_cut = is_cut.then(|| *chance.pick(&[Loss::All, Loss::All, Loss::Some, Loss::Torn]));
    let face = if matches!(fault, Fault::Twin | Fault::Second) { Face::Run } else { face };
    Incarnation { face, mood, fault, power_cut }
}

fn mood(turn: u64, chance: &mut Chance) -> Mood {
    let mut mood = Mood { turn, has_pipelining: chance.happens(700), speaks_lower_case: chance.happens(200), ..Mood::default() };
    if chance.happens(350) {
        return mood;
    }
    mood.per_mille = *chance.pick(&[10, 30, 80, 200]);
    let all: Vec<Misdeed> = Misdeed::ANYWHERE.into_iter().chain(Misdeed::WITH_A_MAIL).collect();
    mood.misdeeds = match chance.between(0, 2) {
        0 => all,
        1 => Misdeed::WITH_A_MAIL.to_vec(),
        _ => (0..3).map(|_| *chance.pick(&all)).collect(),
    };
    mood
}

fn strike(mails: u64, chance: &mut Chance) -> Strike {
    const DEATHS: [Deed; 3] = [Deed::KillBefore, Deed::KillAfter, Deed::Abort];
    const WRITES: [Deed; 6] = [Deed::KillBefore, Deed::KillHalfway, Deed::KillAfter, Deed::Full, Deed::InputOutput, Deed::Abort];
    // How often each edge is come to, about: a fault behind the last one would not strike.
    let (edge, at_most, deeds): (Edge, u64, &[Deed]) = match chance.between(0, 99) {
        0..8 => (Edge::DbWrite, 40, &WRITES),
        8..30 => (Edge::WalWrite, 60 + 6 * mails, &WRITES),
        30..48 => (Edge::Sync, 6 + 2 * mails, &[Deed::KillBefore, Deed::KillAfter, Deed::InputOutput, Deed::Full, Deed::Abort]),
        48..51 => (Edge::Truncate, 2, &[Deed::KillBefore, Deed::KillAfter, Deed::InputOutput]),
        51..53 => (Edge::Unlink, 1, &DEATHS),
        53..63 => (Edge::Lock, 20 + 3 * mails, &[Deed::KillBefore, Deed::KillAfter, Deed::Locked, Deed::Locked]),
        63..68 => (Edge::Connect, 3, &DEATHS),
        68..86 => (Edge::Send, 3 + 2 * mails, &[Deed::KillBefore, Deed::KillHalfway, Deed::KillAfter, Deed::Abort]),
        _ => (Edge::Receive, 3 + 2 * mails, &DEATHS),
    };
    let lasts_ms = *chance.pick(&[0, 0, 20, 200, u64::MAX]);
    Strike { edge, deed: *chance.pick(deeds), at: chance.between(1, at_most), lasts_ms }
}
