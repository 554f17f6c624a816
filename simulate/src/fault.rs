//! When something goes wrong.

use std::collections::BTreeSet;

use crate::dice::Dice;

/// What is to go wrong in a run.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Nothing.
    Calm,
    /// The process that makes these I/O calls dies: number 2n is before the n-th call takes effect, 2n + 1 after it.
    CrashAt(BTreeSet<u64>),
    /// Anything, now and then.
    Chaos,
}

/// What goes wrong with one I/O call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The process dies, and the call has no effect.
    CrashBefore,
    /// The process dies in the middle: a part of the effect stays, if it has parts.
    CrashWithin,
    /// The process dies, and the call has its effect.
    CrashAfter,
    /// The call fails without effect.
    Fails,
    /// The call has its effect, and says that it failed.
    LiesAboutFailure,
}

/// Counts I/O calls and decides about each.
#[derive(Clone, Debug)]
pub struct Faults {
    plan: Plan,
    /// Calls so far.
    pub calls: u64,
    /// Processes that died by a fault.
    pub crashes: u64,
    /// Calls that failed or lied.
    pub failures: u64,
}

impl Faults {
    /// By a plan.
    pub fn new(plan: Plan) -> Self {
        Faults { plan, calls: 0, crashes: 0, failures: 0 }
    }

    /// Nothing goes wrong from now on.
    pub fn end(&mut self) {
        self.plan = Plan::Calm;
    }

    /// Chaos ends; planned crashes stay.
    pub fn end_chaos(&mut self) {
        if self.is_chaos() {
            self.end();
        }
    }

    /// Is chaos wanted beyond I/O calls (rebalances, zombies, clock jumps)?
    pub fn is_chaos(&self) -> bool {
        matches!(self.plan, Plan::Chaos)
    }

    /// Decides about the next call; `may_fail`: can its caller be told of a failure?
    pub fn next(&mut self, dice: &mut Dice, may_fail: bool) -> Fault {
        let call = self.calls;
        self.calls += 1;
        let fault = match &self.plan {
            Plan::Calm => Fault::None,
            Plan::CrashAt(points) if points.contains(&(2 * call)) => Fault::CrashBefore,
            Plan::CrashAt(points) if points.contains(&(2 * call + 1)) => Fault::CrashAfter,
            Plan::CrashAt(_) => Fault::None,
            Plan::Chaos if dice.per_mille(4) => [Fault::CrashBefore, Fault::CrashWithin, Fault::CrashAfter][dice.below(3)],
            Plan::Chaos if may_fail && dice.per_mille(60) => [Fault::Fails, Fault::LiesAboutFailure][dice.below(2)],
            Plan::Chaos => Fault::None,
        };
        match fault {
            Fault::None => {}
            Fault::CrashBefore | Fault::CrashWithin | Fault::CrashAfter => self.crashes += 1,
            Fault::Fails | Fault::LiesAboutFailure => self.failures += 1,
        }
        fault
    }
}
