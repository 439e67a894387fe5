//! What a run is told: how much of everything, how long, and from which seed.

use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::planted::Fault;

/// Breaks the real system, and checks every invariant.
#[derive(Debug, Clone, Parser)]
#[command(name = "chaos")]
pub(crate) struct Arguments {
    /// How many faults of each kind at least.
    #[arg(long, value_enum, default_value_t = Profile::Quick)]
    pub(crate) profile: Profile,

    /// How long at least; faults go on for so long.
    #[arg(long)]
    pub(crate) minutes: Option<u64>,

    /// Where every random choice comes from.
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,

    /// Instead: plant this fault in the system, and expect that it is found. `all` plants one after the other.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) plant: Vec<Fault>,
}

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// One of each: whether the harness itself works.
    Smoke,
    /// For each change: some minutes.
    Quick,
    /// For a release: half an hour at least.
    Full,
    /// For a machine that has nothing else to do.
    Nightly,
}

/// How often each fault comes, at least.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amounts {
    /// SIGKILL of a listener at a random time.
    pub(crate) listener_kills: u32,
    /// SIGKILL of the listener at each named point.
    pub(crate) kills_at_each_point: u32,
    /// SIGKILL of a command-service.
    pub(crate) command_kills: u32,
    /// SIGKILL of a query-service.
    pub(crate) query_kills: u32,
    /// A listener that stands still until another one has taken over, and then goes on.
    pub(crate) zombies: u32,
    /// Each fault of Kafka, of Redis, and of a link to one of them.
    pub(crate) of_each_outside: u32,
    /// All others: two listeners at once, a full disk, a clock that steps.
    pub(crate) of_each_other: u32,
    /// A reader that holds a snapshot for a minute.
    pub(crate) snapshots: u32,
    /// Seeds of the simulator.
    pub(crate) simulated: u32,
    /// How long at least.
    pub(crate) minutes: u64,
}

impl Profile {
    fn amounts(self) -> Amounts {
        match self {
            Self::Smoke => Amounts {
                listener_kills: 2,
                kills_at_each_point: 1,
                command_kills: 1,
                query_kills: 1,
                zombies: 2,
                of_each_outside: 1,
                of_each_other: 1,
                snapshots: 1,
                simulated: 20,
                minutes: 0,
            },
            Self::Quick => Amounts {
                listener_kills: 40,
                kills_at_each_point: 5,
                command_kills: 20,
                query_kills: 10,
                zombies: 10,
                of_each_outside: 3,
                of_each_other: 3,
                snapshots: 1,
                simulated: 2000,
                minutes: 3,
            },
            Self::Full => Amounts {
                listener_kills: 200,
                kills_at_each_point: 15,
                command_kills: 80,
                query_kills: 40,
                zombies: 40,
                of_each_outside: 10,
                of_each_other: 10,
                snapshots: 5,
                simulated: 3000,
                minutes: 30,
            },
            Self::Nightly => Amounts {
                listener_kills: 1000,
                kills_at_each_point: 60,
                command_kills: 400,
                query_kills: 200,
                zombies: 200,
                of_each_outside: 40,
                of_each_other: 40,
                snapshots: 30,
                simulated: 50_000,
                minutes: 180,
            },
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Full => "full",
            Self::Nightly => "nightly",
        }
    }
}

impl Arguments {
    pub(crate) fn amounts(&self) -> Amounts {
        self.profile.amounts()
    }

    pub(crate) fn at_least(&self) -> Duration {
        Duration::from_mins(self.minutes.unwrap_or(self.amounts().minutes))
    }
}
