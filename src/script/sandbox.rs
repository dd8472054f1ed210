//! The engine that runs conditions and scripts: which parts of rhai exist in it, and every limit.
//!
//! It has no clock, no file, no network, no randomness, no module loading, no `eval` and no output. Decimals only:
//! a literal such as `0.1` is exact, and `7 / 2` is 3.5. There is no time limit, since a pure floor reads no clock;
//! the count of operations is the bound, and every function offered here is itself bounded.

use std::sync::{Arc, LazyLock};

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage, BasicStringPackage,
    LogicPackage, MoreStringPackage, Package,
};
use rhai::{Engine, OptimizationLevel};

use crate::domain::date::Date;
use crate::domain::rate_table::RateTables;
use crate::script::business_days::{self, BusinessDays};
use crate::script::late_payment;
use crate::script::library::working_week;
use crate::script::packages;
use crate::script::reached::{MARK, WatchedDay};

/// The most steps one evaluation of a condition or one call of a hook may take (a loop of 100,000 rounds).
pub const OPERATIONS_MAX: u64 = 500_000;
/// The deepest nesting of calls.
pub const CALL_LEVELS_MAX: usize = 32;
/// The deepest nesting of an expression.
pub const EXPRESSION_DEPTH_MAX: usize = 64;
/// The longest text a script may build, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The longest list a script may hold; also the most items of one mail that a script can be given.
pub const LIST_ITEMS_MAX: usize = 10_000;
/// The most entries a map may have.
pub const MAP_ENTRIES_MAX: usize = 1_000;
/// The most variables in scope at once.
pub const VARIABLES_MAX: usize = 256;
/// The most functions one script may define, closures included.
pub const FUNCTIONS_MAX: usize = 128;
/// The longest script or condition, in bytes.
pub const SOURCE_BYTES_MAX: usize = 256 * 1024;

/// The name under which the day of the run is known, in conditions and in every function of a script.
pub(crate) const AS_OF: &str = "as_of";

/// Returns the engine of workspaces without plugins and calendar. It is a frozen table of functions and limits: it holds no state between two calls.
pub(crate) fn engine() -> Arc<Engine> {
    static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| Arc::new(build(working_week(), Arc::default())));
    ENGINE.clone()
}

/// Returns an engine in which `days` tells the business days, and `rates` are the tables of rates.
pub(crate) fn build(days: Arc<dyn BusinessDays>, rates: Arc<RateTables>) -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    packages::register(&mut engine);
    business_days::register(&mut engine, days);
    late_payment::register(&mut engine, rates);

    // rhai's defaults differ between debug and release builds, so none is left to it.
    engine
        .set_max_operations(OPERATIONS_MAX)
        .set_max_call_levels(CALL_LEVELS_MAX)
        .set_max_expr_depths(EXPRESSION_DEPTH_MAX, EXPRESSION_DEPTH_MAX)
        .set_max_string_size(TEXT_BYTES_MAX)
        .set_max_array_size(LIST_ITEMS_MAX)
        .set_max_map_size(MAP_ENTRIES_MAX)
        .set_max_variables(VARIABLES_MAX)
        .set_max_functions(FUNCTIONS_MAX)
        .set_max_modules(0)
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        // Off, so that our `/` of two whole numbers is asked before the built-in one, which cuts off.
        .set_fast_operators(false)
        // The tree must stay as it was written: it is checked, and `as_of` must not become a constant.
        .set_optimization_level(OptimizationLevel::None);
    for symbol in ["eval", "print", "debug", "import", "export"] {
        engine.disable_symbol(symbol);
    }

    // Functions of a script do not see the scope of the call; the day comes to them through the call's tag.
    #[expect(deprecated, reason = "rhai marks the variable resolver as volatile, not as deprecated")]
    engine.on_var(|name, _, context| {
        if let Some(function) = name.strip_prefix(MARK) {
            let watched = context.tag().clone().try_cast::<WatchedDay>();
            return Ok(watched.map(|watched| {
                watched.reached.note(function);
                rhai::Dynamic::UNIT
            }));
        }
        if name != AS_OF {
            return Ok(None);
        }
        let tag = context.tag().clone();
        let day = tag.clone().try_cast::<Date>().or_else(|| tag.try_cast::<WatchedDay>().map(|watched| watched.as_of));
        Ok(day.map(rhai::Dynamic::from))
    });
    engine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_left_to_rhai() {
        let engine = engine();
        assert_eq!(engine.max_operations(), OPERATIONS_MAX);
        assert_eq!(engine.max_call_levels(), CALL_LEVELS_MAX);
        assert_eq!((engine.max_expr_depth(), engine.max_function_expr_depth()), (EXPRESSION_DEPTH_MAX, EXPRESSION_DEPTH_MAX));
        assert_eq!(engine.max_string_size(), TEXT_BYTES_MAX);
        assert_eq!((engine.max_array_size(), engine.max_map_size()), (LIST_ITEMS_MAX, MAP_ENTRIES_MAX));
        assert_eq!((engine.max_variables(), engine.max_functions(), engine.max_modules()), (VARIABLES_MAX, FUNCTIONS_MAX, 0));
    }

    #[test]
    fn there_is_no_way_out_of_the_sandbox() {
        for text in ["import \"a\" as a", "eval(\"1\")", "print(1)", "debug(1)", "timestamp()", "sleep(1)", "rand()", "exit(1)"] {
            assert!(engine().eval::<rhai::Dynamic>(text).is_err(), "{text}");
        }
    }
}
