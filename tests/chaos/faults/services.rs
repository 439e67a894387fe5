//! What happens to command-services and query-services: they are killed, they stand still, their clock steps.

use super::{Lane, Stage, clock, pause, times};
use crate::arguments::Amounts;
use crate::place::Place;

/// The lane.
pub(super) struct Services;

/// What it does.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    KillCommand,
    KillQuery,
    PauseCommand,
    PauseQuery,
    ClockCommand,
    ClockQuery,
}

impl Lane for Services {
    type Fault = Fault;

    fn plan(amounts: &Amounts) -> Vec<Fault> {
        let others = [Fault::PauseCommand, Fault::PauseQuery, Fault::ClockCommand, Fault::ClockQuery];
        times(amounts.command_kills, Fault::KillCommand)
            .chain(times(amounts.query_kills, Fault::KillQuery))
            .chain(others.into_iter().flat_map(|fault| times(amounts.of_each_other, fault)))
            .collect()
    }

    fn act(&mut self, stage: &Stage, fault: &Fault, rng: &mut fastrand::Rng) -> bool {
        pause(rng, 1000..5000);
        let parties = &stage.world.parties;
        let places = match fault {
            Fault::KillCommand | Fault::PauseCommand | Fault::ClockCommand => &parties.commands,
            Fault::KillQuery | Fault::PauseQuery | Fault::ClockQuery => &parties.queries,
        };
        let place = &places[rng.usize(..places.len())];
        if place.has_died() {
            stage.world.journal().violated("liveness", format!("{} has ended by itself", place.name));
        }
        match fault {
            Fault::KillCommand => kill(stage, place, "kill-command", rng),
            Fault::KillQuery => kill(stage, place, "kill-query", rng),
            Fault::PauseCommand => stand_still(stage, place, "pause-command", rng),
            Fault::PauseQuery => stand_still(stage, place, "pause-query", rng),
            Fault::ClockCommand => step(stage, place, "command", rng),
            Fault::ClockQuery => step(stage, place, "query", rng),
        }
        true
    }
}

fn kill(stage: &Stage, place: &Place, kind: &str, rng: &mut fastrand::Rng) {
    stage.note(&format!("kill {}", place.name));
    place.kill();
    pause(rng, 0..1500);
    place.start(&[]);
    stage.count(kind);
}

fn stand_still(stage: &Stage, place: &Place, kind: &str, rng: &mut fastrand::Rng) {
    stage.note(&format!("{} stands still", place.name));
    place.signal("-STOP");
    pause(rng, 200..4000);
    place.signal("-CONT");
    stage.count(kind);
}

fn step(stage: &Stage, place: &Place, who: &str, rng: &mut fastrand::Rng) {
    let clock = clock::Stepping::of(stage, rng);
    stage.note(&format!("the clock of {} is {} s off", place.name, clock.seconds()));
    place.kill();
    place.start(&clock.environment());
    pause(rng, 1500..3000);
    clock.step_back();
    pause(rng, 1500..3000);
    place.kill();
    place.start(&[]);
    stage.count(&format!("clock-step-{who}"));
}
