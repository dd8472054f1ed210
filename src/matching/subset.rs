//! Which of some amounts make a sum, searched for within a fixed number of steps.

use rust_decimal::Decimal;

/// The most amounts that are searched.
pub(crate) const AMOUNTS_MAX: usize = 40;

/// The most steps of one search.
const STEPS_MAX: u32 = 20_000;

/// Returns up to two ways to make `sum` of some of these positive amounts, each as places in ascending order: two tell that
/// there is no telling. With more than [`AMOUNTS_MAX`] amounts only the first are looked at; a search that takes too many steps
/// gives what it has found.
pub(crate) fn ways(amounts: &[Decimal], sum: Decimal) -> Vec<Vec<usize>> {
    let mut places: Vec<usize> = (0..amounts.len().min(AMOUNTS_MAX)).filter(|place| amounts[*place] <= sum).collect();
    // The largest first: they decide soonest.
    places.sort_by(|one, other| amounts[*other].cmp(&amounts[*one]).then(one.cmp(other)));
    let sorted: Vec<Decimal> = places.iter().map(|place| amounts[*place]).collect();
    let mut rests = vec![Decimal::ZERO; sorted.len() + 1];
    for place in (0..sorted.len()).rev() {
        rests[place] = rests[place + 1] + sorted[place];
    }
    let mut search = Search { amounts: &sorted, rests: &rests, chosen: Vec::new(), found: Vec::new(), steps: 0 };
    search.go(0, sum);
    let back = |way: &Vec<usize>| {
        let mut own: Vec<usize> = way.iter().map(|place| places[*place]).collect();
        own.sort_unstable();
        own
    };
    search.found.iter().map(back).collect()
}

struct Search<'a> {
    amounts: &'a [Decimal],
    /// The sum of all amounts from each place on.
    rests: &'a [Decimal],
    chosen: Vec<usize>,
    found: Vec<Vec<usize>>,
    steps: u32,
}

impl Search<'_> {
    fn go(&mut self, from: usize, left: Decimal) {
        self.steps += 1;
        if left.is_zero() {
            self.found.push(self.chosen.clone());
            return;
        }
        if from == self.amounts.len() || self.rests[from] < left || self.steps > STEPS_MAX {
            return;
        }
        if self.amounts[from] <= left {
            self.chosen.push(from);
            self.go(from + 1, left - self.amounts[from]);
            self.chosen.pop();
        }
        if self.found.len() < 2 {
            self.go(from + 1, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::dec;

    #[test]
    fn two_ways_are_told_and_a_hopeless_search_ends() {
        assert_eq!(ways(&[dec!(5), dec!(7), dec!(3)], dec!(10.00)), [[1, 2]]);
        assert_eq!(ways(&[dec!(5), dec!(5)], dec!(5)).len(), 2);
        assert!(ways(&[dec!(5)], dec!(4)).is_empty());
        // Even amounts never make an odd sum, and trying them all would take for ever.
        let even: Vec<Decimal> = (1..=60).map(|number| Decimal::from(number * 2)).collect();
        assert!(ways(&even, dec!(401)).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_found_makes_the_sum(amounts in proptest::collection::vec(1_i64..500, 1..12), chosen in any::<u16>()) {
            let amounts: Vec<Decimal> = amounts.iter().map(|cents| Decimal::new(*cents, 2)).collect();
            let is_chosen = |place: usize| chosen & (1 << place) != 0;
            let sum: Decimal = amounts.iter().enumerate().filter(|(place, _)| is_chosen(*place)).map(|(_, amount)| *amount).sum();
            prop_assume!(!sum.is_zero());
            let found = ways(&amounts, sum);
            prop_assert!(!found.is_empty());
            for way in found {
                prop_assert_eq!(way.iter().map(|place| amounts[*place]).sum::<Decimal>(), sum);
            }
        }
    }
}
