//! What the daemon tells of itself: to the log, the health page, the service manager. Alerts are made of it (`engine::alert`).

use crate::daemon::Daemon;
use crate::domain::date::Timestamp;
use crate::domain::problem::Severity;
use crate::engine::home::Away;
use crate::engine::status::NextFiring;

impl Daemon {
    pub(crate) fn tell_generation(&mut self, now: Timestamp) {
        let current = self.workspace.current();
        self.live.away(current.away.as_ref().map(Away::public_words));
        match &current.away {
            Some(away) => tracing::error!(words = away.words(), "The database is not at home; `dunlin adopt` ends that"),
            None if self.told_away => tracing::warn!("The database is at home now; mails go where config.yaml says"),
            None => {}
        }
        self.told_away = current.away.is_some();
        let problems = self.workspace.problems().to_vec();
        for problem in problems.iter().filter(|problem| !self.told_problems.contains(problem)) {
            match problem.severity {
                Severity::Error => tracing::error!(problem = %problem, "The workspace has an error"),
                Severity::Warning => tracing::warn!(problem = %problem, "The workspace has a warning"),
            }
        }
        self.live.generation(&current.generation, now);
        self.live.reloaded(!problems.iter().any(|problem| problem.severity == Severity::Error), &problems, now);
        self.told_problems = problems;
        let paused = self.workspace.paused_rules();
        for rule in paused.iter().filter(|rule| !self.told_paused.contains(rule)) {
            tracing::error!(rule_id = rule.rule, file = rule.file, reason = rule.reason.as_str(), "A rule is paused");
        }
        self.told_paused.clone_from(&paused);
        self.live.paused(paused);
        self.tell_next();
    }

    pub(crate) fn tell_next(&self) {
        let paused = self.workspace.paused();
        let next = self.agenda.next_firings().filter(|(id, _)| !paused.contains_key(*id));
        self.live.next_firings(next.map(|(id, firing)| NextFiring::new(id.as_str(), firing)).collect());
    }

    /// Returns what a service manager shows in one line.
    pub(crate) fn status_line(&self) -> String {
        let current = self.workspace.current();
        let paused = self.workspace.paused().len();
        format!("generation {}, {} rules, {paused} paused", current.generation, current.rules.rules.len())
    }
}
